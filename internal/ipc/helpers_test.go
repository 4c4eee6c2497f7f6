//go:build linux || darwin || freebsd

package ipc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/google/uuid"
)

// A child of a test is this test's program again; its environment tells what it does.
const (
	childDoes = "ZRE_IPC_TEST_CHILD"
	childArgs = "ZRE_IPC_TEST_ARGS"
)

func TestMain(m *testing.M) {
	if does := os.Getenv(childDoes); does != "" {
		child(does, strings.Fields(os.Getenv(childArgs)))
		syscall.Exit(0) // without what os.Exit does for the race detector and coverage: a second's wait, and complaints
	}
	os.Exit(m.Run())
}

// child prints a line about the result; what it has opened lives until its standard input ends or it is killed.
func child(does string, args []string) {
	switch {
	case strings.HasPrefix(does, "nobody "):
		switchUser(syscall.Setuid(nobody))
	case strings.HasPrefix(does, "effective "):
		switchUser(syscall.Setreuid(0, nobody))
	}
	var opened io.Closer
	var err error
	switch _, what, _ := strings.Cut(does, " "); what {
	case "listens":
		opened, err = Dir(args[0]).Listen(uuid.MustParse(args[1]))
	case "listens raw":
		if opened, err = net.Listen("unix", args[0]); err == nil {
			err = os.Chmod(args[0], 0o777)
		}
	case "dials raw":
		var conn net.Conn
		if conn, err = net.Dial("unix", args[0]); err == nil {
			_, _ = conn.Write([]byte("a stranger's"))
			opened = conn
		}
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = opened.Close()
}

const nobody = 65534

func switchUser(err error) {
	if err != nil || os.Geteuid() != nobody {
		fmt.Println("cannot be another user:", err)
		syscall.Exit(1)
	}
}

// start runs a child and returns its output. The child ends with the test.
func start(t *testing.T, does string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childDoes+"="+does, childArgs+"="+strings.Join(args, " "))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the child printed %q: %v", line, err)
	}
	return cmd, strings.TrimSpace(line)
}

// ready runs a child that must succeed.
func ready(t *testing.T, does string, args ...string) *exec.Cmd {
	t.Helper()
	cmd, says := start(t, does, args...)
	if says != "ready" {
		t.Fatalf("the child printed: %s", says)
	}
	return cmd
}

// needUsers is for tests with two users: root, and a second one that root may become. A container with a single user does not allow that.
func needUsers(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		testbed.Missing(t, "root, to be a second user")
	}
	if err := os.Chown(t.TempDir(), nobody, -1); err != nil {
		testbed.Missing(t, "a second user, beside root: %v", err)
	}
}

// newDir returns the path of a directory that doesn't exist yet. (Not in TempDir: its paths may be too long for a socket.)
func newDir(t testing.TB) Dir {
	t.Helper()
	parent, err := os.MkdirTemp("/tmp", "ipc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, os.RemoveAll(parent)) })
	return Dir(filepath.Join(parent, "zre-"+strconv.Itoa(os.Geteuid())))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// listen listens until the test ends.
func listen(t testing.TB, d Dir, id uuid.UUID) net.Listener {
	t.Helper()
	l, err := d.Listen(id)
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// meet fails unless a Dial reaches this listener.
func meet(t *testing.T, d Dir, id uuid.UUID, l net.Listener) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	out, err := d.Dial(t.Context(), id)
	must(t, err)
	defer out.Close()
	must(t, l.(*listener).unix.SetDeadline(deadline))
	in, err := l.Accept()
	must(t, err)
	defer in.Close()
	must(t, errors.Join(in.SetDeadline(deadline), out.SetDeadline(deadline)))
	for _, pair := range [][2]net.Conn{{out, in}, {in, out}} {
		sent := uuid.NewString()
		_, err := pair[0].Write([]byte(sent))
		must(t, err)
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(pair[1], got); err != nil || string(got) != sent {
			t.Fatalf("%q arrived as %q: %v", sent, got, err)
		}
	}
}

// gone fails if something has this path.
func gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("%s is there: %v", path, err)
	}
}
