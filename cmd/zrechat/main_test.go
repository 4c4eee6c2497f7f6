package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The test binary is the chat itself, when this variable says so.
const asChat = "ZRECHAT_TEST_AS_CHAT"

func TestMain(m *testing.M) {
	if os.Getenv(asChat) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// chatter is a chat in a process of its own, on loopback, without a terminal.
type chatter struct {
	t     *testing.T
	in    io.WriteCloser
	lines chan string
	cmd   *exec.Cmd
}

func startChat(t *testing.T, args ...string) *chatter {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"--interface", "127.0.0.1"}, args...)...)
	cmd.Env = append(os.Environ(), asChat+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &chatter{t: t, in: in, lines: make(chan string, 1000), cmd: cmd}
	go func() {
		defer close(c.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			c.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		in.Close()
		for range c.lines {
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *chatter) types(lines ...string) {
	fmt.Fprintln(c.in, strings.Join(lines, "\n"))
}

// sees waits for a line that starts so.
func (c *chatter) sees(start string) {
	c.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("ended before %q", start)
			}
			if strings.HasPrefix(line, start) {
				return
			}
		case <-deadline:
			c.t.Fatalf("no %q", start)
		}
	}
}

func TestChat(t *testing.T) {
	group := fmt.Sprint("test", rand.Uint64())
	alice := startChat(t, "--name", "alice", "--group", group)
	alice.sees("* you are alice in " + group)
	bob := startChat(t, "--name", "bob", "--group", group)
	alice.sees("* bob enters")
	bob.sees("* alice enters")
	alice.types("hello bob")
	bob.sees("alice: hello bob")
	bob.types("/who")
	bob.sees("* bob (you)")
	bob.sees("* alice at tcp://127.0.0.1:")
	bob.types("/msg alice psst, listen", "/msg carol x", "/dance", "", "\x1b[2Jbye")
	alice.sees("(bob whispers) psst, listen")
	bob.sees(`! nobody here is called "carol"`)
	bob.sees("! there is no command /dance")
	alice.sees("bob: \uFFFD[2Jbye") // a terminal is not commanded
	bob.types("/quit")
	alice.sees("* bob is gone: left")
}
