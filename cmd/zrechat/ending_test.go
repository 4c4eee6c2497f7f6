package main

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/zre"
)

// However a chat ends, the other members see that it left.
func TestFarewell(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("windows has no such signals")
	}
	for _, c := range []struct {
		name   string
		end    func(cmd *exec.Cmd, in, out *os.File)
		status int
		stderr string
	}{
		{"end of input", func(_ *exec.Cmd, in, _ *os.File) { in.Close() }, 0, ""},
		{"quit", func(_ *exec.Cmd, in, _ *os.File) { fmt.Fprintln(in, "/quit") }, 0, ""},
		{"SIGHUP", func(cmd *exec.Cmd, _, _ *os.File) { cmd.Process.Signal(syscall.SIGHUP) }, 0, ""},
		{"SIGTERM", func(cmd *exec.Cmd, _, _ *os.File) { cmd.Process.Signal(syscall.SIGTERM) }, 0, ""},
		{"SIGINT", func(cmd *exec.Cmd, _, _ *os.File) { cmd.Process.Signal(syscall.SIGINT) }, 0, ""},
		{"no reader", func(_ *exec.Cmd, in, out *os.File) { out.Close(); fmt.Fprintln(in, "/who") }, 1, "broken pipe"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			group := fmt.Sprint("test", rand.Uint64())
			watcher := start(t, group, zre.WithName("watcher"))
			cmd := exec.Command(os.Args[0], "--interface", "127.0.0.1", "--group", group)
			cmd.Env = append(os.Environ(), asChat+"=1")
			read, in, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			out, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			var stderr strings.Builder
			cmd.Stdin, cmd.Stdout, cmd.Stderr = read, write, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			read.Close()
			write.Close()
			t.Cleanup(func() { cmd.Process.Kill(); in.Close(); out.Close() })
			for lines := bufio.NewScanner(out); lines.Scan() && !strings.HasPrefix(lines.Text(), "* watcher enters"); {
			}
			awaitJoin(t, watcher, group)
			c.end(cmd, in, out)
			if reason := awaitExit(t, watcher); reason != zre.ReasonLeft {
				t.Errorf("the watcher got an exit with the reason %v", reason)
			}
			cmd.Wait()
			if status := cmd.ProcessState.ExitCode(); status != c.status || !strings.Contains(stderr.String(), c.stderr) || (c.stderr == "") != (stderr.Len() == 0) {
				t.Errorf("status %d, %q", status, stderr.String())
			}
		})
	}
}

// A wrong option is an error in terms of the command line, with status 2.
func TestWrongOptions(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--group="}, `zrechat: --group: "": not a group name (empty): want 1 to 255 bytes of UTF-8, without NUL`},
		{[]string{"--name=a\xff"}, `zrechat: --name: "a\xff": not a name for a node (not UTF-8): want at most 255 bytes of UTF-8, without NUL`},
		{[]string{"--peer=foo"}, `zrechat: --peer: endpoint "foo": want tcp://host:port`},
		{[]string{"--listen=foo"}, `zrechat: --listen: cannot listen on "foo": want tcp://*:PORT or tcp://ADDRESS:PORT`},
		{[]string{"--interface=a/b/c"}, `zrechat: --interface: "a/b/c": not a CIDR, want one such as "192.168.0.0/16"`},
		{[]string{"x"}, `zrechat: unexpected argument "x"; see zrechat --help`},
		{[]string{"--dance\x1b[2J"}, `zrechat: there is no option --dance\x1b[2J; see zrechat --help`},
		{[]string{"--group"}, "zrechat: --group needs a value; see zrechat --help"},
		{[]string{"--port", "0"}, `zrechat: --port "0": want 1 to 55535; see zrechat --help`},
		{[]string{"--port", "\"x\": y"}, `zrechat: --port "\"x\": y": want 1 to 55535; see zrechat --help`},
		{[]string{"--no-beacons=perhaps"}, `zrechat: --no-beacons "perhaps": want true or false; see zrechat --help`},
	} {
		cmd := exec.Command(os.Args[0], c.args...)
		cmd.Env = append(os.Environ(), asChat+"=1")
		out, _ := cmd.CombinedOutput()
		first, _, _ := strings.Cut(string(out), "\n")
		if status := cmd.ProcessState.ExitCode(); status != 2 || first != c.want {
			t.Errorf("%q: status %d, %q, want %q", c.args, status, first, c.want)
		}
	}
}

func awaitJoin(t *testing.T, node *zre.Node, group string) {
	t.Helper()
	for event := range node.AllEvents(t.Context()) {
		if join, ok := event.(zre.Join); ok && join.Group == group {
			return
		}
	}
}

func awaitExit(t *testing.T, node *zre.Node) zre.Reason {
	t.Helper()
	for event := range node.AllEvents(t.Context()) {
		if exit, ok := event.(zre.Exit); ok {
			return exit.Reason
		}
	}
	return 0
}

// A tmux is a real terminal in which chats run.
type tmux struct {
	t      *testing.T
	socket string
}

func newTmux(t *testing.T) *tmux {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		testbed.Missing(t, "tmux is not installed")
	}
	dir, err := os.MkdirTemp("", "zre") // short: the path of a unix socket is limited
	if err != nil {
		t.Fatal(err)
	}
	m := &tmux{t, filepath.Join(dir, "s")}
	t.Cleanup(func() {
		m.run("kill-server")
		os.RemoveAll(dir)
	})
	return m
}

func (m *tmux) run(args ...string) (string, error) {
	cmd := exec.Command("tmux", append([]string{"-u", "-f", "/dev/null", "-S", m.socket}, args...)...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8", asChat+"=1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (m *tmux) do(args ...string) string {
	m.t.Helper()
	out, err := m.run(args...)
	if err != nil {
		m.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return out
}

// chat starts a chat in its own window of that size.
func (m *tmux) chat(name, group string, width, height int) {
	m.t.Helper()
	m.do("new-session", "-d", "-s", name, "-x", fmt.Sprint(width), "-y", fmt.Sprint(height),
		fmt.Sprintf("%s --name %s --group %s --interface 127.0.0.1", os.Args[0], name, group))
}

// shows waits until a screen shows a text.
func (m *tmux) shows(name, text string) string {
	m.t.Helper()
	screen := ""
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if screen = m.do("capture-pane", "-p", "-t", name); strings.Contains(screen, text) {
			return screen
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-m.t.Context().Done():
		}
	}
	m.t.Fatalf("no %q on the screen of %s:\n%s", text, name, screen)
	return ""
}

// Two chats run on real terminals, one of them narrow. The test types, pastes, completes, resizes, scrolls and hangs up.
func TestTerminal(t *testing.T) {
	m := newTmux(t)
	group := fmt.Sprint("test", rand.Uint64())
	watcher := start(t, group, zre.WithName("watcher"))
	m.chat("alice", group, 80, 24)
	m.shows("alice", "* watcher enters")
	m.chat("bob", group, 40, 12)
	m.shows("alice", "* bob enters")
	m.shows("bob", "3 here")
	m.shows("alice", "│ watcher")
	if strings.Contains(m.shows("bob", "3 here"), "│") {
		t.Error("a narrow terminal has a side panel")
	}
	m.do("send-keys", "-t", "alice", "-l", "hello 東京")
	m.do("send-keys", "-t", "alice", "Left", "x", "Enter")
	m.shows("bob", "alice: hello 東x京")
	m.do("send-keys", "-t", "bob", "-l", "/msg al")
	m.do("send-keys", "-t", "bob", "Tab", "psst", "Enter")
	m.shows("alice", "(bob whispers) psst")
	m.shows("bob", "(to alice) psst")
	m.do("set-buffer", "one\n/quit\ntwo")
	m.do("paste-buffer", "-p", "-t", "alice")
	m.shows("alice", "> one⏎/quit⏎two")
	m.do("send-keys", "-t", "alice", "Enter")
	m.shows("bob", "alice: /quit")
	m.shows("bob", "alice: two")
	m.do("send-keys", "-t", "bob", "/away", "Enter")
	m.shows("alice", "bob away")
	m.do("resize-window", "-t", "alice", "-x", "50", "-y", "8")
	m.shows("alice", "bob is away\n── /help")
	m.do("send-keys", "-t", "alice", "PPage")
	m.shows("alice", "lines below, PgDn")
	m.do("resize-window", "-t", "alice", "-x", "80", "-y", "24")
	m.shows("alice", "│ watcher")

	m.do("send-keys", "-t", "alice", "C-c")
	if reason := awaitExit(t, watcher); reason != zre.ReasonLeft {
		t.Errorf("after Ctrl-C the watcher got an exit with the reason %v", reason)
	}
	m.shows("bob", "* alice is gone: left")
	m.do("kill-session", "-t", "bob") // the terminal hangs up: SIGHUP
	if reason := awaitExit(t, watcher); reason != zre.ReasonLeft {
		t.Errorf("after the terminal hung up the watcher got an exit with the reason %v", reason)
	}
}

// The help and the man page list all options and commands. --version tells what was built.
func TestHelp(t *testing.T) {
	run := func(args ...string) string {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), asChat+"=1")
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%q: %v", args, err)
		}
		return string(out)
	}
	text, page := run("--help"), run("--man")
	for _, list := range pages().Lists {
		for _, r := range list.Rows {
			if !strings.Contains(text, r.Term) {
				t.Errorf("the help has no %s", r.Term)
			}
			if term := strings.ReplaceAll(r.Term, "-", `\-`); !strings.Contains(page, `\fB`+term+`\fR`) {
				t.Errorf("the man page has no %s", r.Term)
			}
		}
	}
	new(settings).flags().VisitAll(func(f *flag.Flag) {
		if f.Name != "man" && !strings.Contains(text, "--"+f.Name) {
			t.Errorf("the help has no --%s", f.Name)
		}
	})
	if version := run("--version"); !strings.HasPrefix(version, "zrechat ") || !strings.Contains(version, runtime.Version()) {
		t.Errorf("got the version %q, want the name, the version and the toolchain", version)
	}
}
