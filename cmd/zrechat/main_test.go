package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// asChat makes the test binary run as the chat when this variable is set.
const asChat = "ZRECHAT_TEST_AS_CHAT"

func TestMain(m *testing.M) {
	if os.Getenv(asChat) != "" {
		main()
		return
	}
	if signal.Ignored(syscall.SIGHUP) { // by nohup; processes of the tests must not inherit it
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	os.Exit(m.Run())
}

// chatter is a chat in its own process, on loopback, without a terminal.
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

// sees waits for a line with that prefix and returns it.
func (c *chatter) sees(start string) string {
	c.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("ended before %q", start)
			}
			if strings.HasPrefix(line, start) {
				return line
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
	bob.sees("* alice at ")
	alice.types("//who says so")
	bob.sees("alice: /who says so")
	bob.types("/msg alice psst, listen", "/msg carol x", "/dance", "", "\x1b[2Jbye")
	alice.sees("(bob whispers) psst, listen")
	bob.sees(`! nobody here is called "carol"`)
	bob.sees("! there is no command /dance")
	alice.sees(`bob: \x1b[2Jbye`) // no escape sequence reaches the terminal
	bob.types("/quit")
	alice.sees("* bob is gone: left")
}

// Chats with the same certificate meet. A chat without one sees none of them.
func TestSecureChat(t *testing.T) {
	group, path := fmt.Sprint("test", rand.Uint64()), t.TempDir()+"/us"
	certificate, err := zre.NewCertificate()
	if err == nil {
		err = certificate.Save(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	carol := startChat(t, "--name", "carol", "--group", group)
	carol.sees("* you are carol")
	alice := startChat(t, "--name", "alice", "--group", group, "--cert", path, "--authorize", path)
	bob := startChat(t, "--name", "bob", "--group", group, "--cert", path+"_secret", "--authorize", path)
	alice.sees("* bob enters")
	bob.sees("* alice enters")
	alice.types("hello bob")
	bob.sees("alice: hello bob")
	carol.types("/who")
	for line := carol.sees("* "); ; line = carol.sees("* ") {
		if strings.Contains(line, "alice") || strings.Contains(line, "bob") {
			t.Errorf("the plain chat sees %q", line)
		}
		if line == "* carol (you)" {
			break
		}
	}
}

// Key options are checked together, and an error says what is wrong.
func TestSecureOptions(t *testing.T) {
	path := t.TempDir() + "/us"
	certificate, err := zre.NewCertificate()
	if err == nil {
		err = certificate.Save(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	peer := "tcp://127.0.0.1:9|" + certificate.PublicKey().String()
	for _, c := range []struct {
		name    string
		options settings
		want    string
		isUsage bool
	}{
		{"a peer with its key", settings{cert: path, peers: []string{peer}}, "", false},
		{"a key, and no certificate", settings{peers: []string{peer}}, "--peer: ", true},
		{"no certificate there", settings{cert: path + "x"}, "--cert: there is no file", false},
		{"nobody to let in", settings{cert: path, authorize: []string{path + "x"}}, "--authorize: there is no file", false},
		{"no certificate at all", settings{authorize: []string{path}}, "--authorize needs --cert", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := options(&c.options)
			if c.want == "" {
				if err == nil {
					_, err = zre.NewNode(list...)
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
			_, isUsage := errors.AsType[*optionError](err)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || isUsage != c.isUsage {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A member that is away is marked in its messages and in the list. The others are told when that changes.
func TestAway(t *testing.T) {
	group := fmt.Sprint("test", rand.Uint64())
	alice := startChat(t, "--name", "alice", "--group", group)
	alice.sees("* you are alice in " + group)
	alice.types("/away", "/who")
	alice.sees("* you are away")
	alice.sees("* alice (you, away)")
	bob := startChat(t, "--name", "bob", "--group", group)
	bob.sees("* alice (away) enters") // a later member sees it, too
	alice.sees("* bob enters")
	bob.types("/who")
	line := bob.sees("* alice (away) at ")
	if _, transport, ok := strings.Cut(line, ", by "); !ok || transport == "" {
		t.Errorf("%q does not tell the transport", line)
	}
	alice.types("/msg bob a", "b", "/back")
	bob.sees("(alice (away) whispers) a")
	bob.sees("alice (away): b")
	bob.sees("* alice is back")
	alice.sees("* you are back")
	alice.types("c", "/away")
	bob.sees("alice: c")
	bob.sees("* alice is away")
}

// Other programs in the group have other states. Another node with our UUID gives a warning.
func TestOthers(t *testing.T) {
	group := fmt.Sprint("test", rand.Uint64())
	chat := startChat(t, "--name", "alice", "--group", group)
	chat.sees("* you are")
	robot := start(t, group, zre.WithName("robot"))
	var alice *zre.Peer
	for event := range robot.AllEvents(t.Context()) {
		if join, ok := event.(zre.Join); ok && join.Group == group {
			alice = join.Peer
			break
		}
	}
	chat.sees("* robot enters")
	for _, step := range []struct {
		state zre.State
		line  string
		mark  string
	}{
		{zre.StateReceiving, "", "robot (receiving): "}, // not worth a line: it may come with each message
		{zre.StateIdle, "", "robot: "},
		{zre.StateError, "* robot is in state error", "robot (error): "},
		{zre.StateProcessing, "* robot is away", "robot (away): "},
		{zre.StateReceiving, "* robot is back", "robot (receiving): "},
		{zre.StateInit, "* robot is in state init", "robot (init): "},
		{zre.StateIdle, "* robot is back", "robot: "},
	} {
		if err := robot.SetState(step.state); err != nil {
			t.Fatal(err)
		}
		told := ""
		for line := ""; line != step.mark+"hi"; line = chat.sees("") {
			switch {
			case strings.HasPrefix(line, "* robot") && !strings.Contains(line, " at "):
				told += line
			case line == "", strings.HasPrefix(line, "* robot"): // the state takes a moment to arrive
				chat.types("/who")
			}
			if strings.HasPrefix(line, "* "+strings.TrimSuffix(step.mark, ": ")+" at ") {
				if err := robot.Shout(t.Context(), group, []byte("hi")); err != nil {
					t.Fatal(err)
				}
			}
		}
		if told != step.line {
			t.Errorf("%v: it tells %q, want %q", step.state, told, step.line)
		}
	}
	start(t, group, zre.WithName("twin"), zre.WithUUID(alice.UUID))
	chat.sees("! another chat, at tcp://127.0.0.1:")
}

// An unreachable peer that the user named is reported in one line. So is a problem that keeps others from finding this chat.
func TestUnreachable(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "tcp://" + free.Addr().String()
	free.Close()
	startChat(t, "--group", fmt.Sprint("test", rand.Uint64()), "--peer", endpoint).sees("! cannot reach " + endpoint + ": dial tcp")

	node, err := zre.NewNode() // not started
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	r := newRoom(node, "CHAT", plainLines{&out, func(err error) { t.Error(err) }})
	member := &zre.Peer{Name: "bob", Groups: []string{"CHAT"}}
	stranger := &zre.Peer{Name: "eve", UUID: uuid.New(), Groups: []string{"OTHER"}}
	r.handle(zre.Join{Peer: member, Group: "CHAT"})
	out.Reset()
	r.handle(zre.Problem{Kind: zre.ProblemTooManyPeers, About: "Limits.Peers"})
	r.handle(zre.Problem{Kind: zre.ProblemUnreachable, About: endpoint, Solved: true})
	r.handle(zre.Problem{Kind: zre.ProblemUnreachable, About: "x", Peer: &zre.Peer{Name: "bob\x1b"}, Err: io.EOF})
	r.handle(zre.Problem{Kind: zre.ProblemUnreachable, About: "x", Peer: stranger, Err: io.EOF})
	r.handle(zre.Exit{Peer: member, Reason: zre.ReasonUnreachable, Err: io.EOF})
	r.handle(zre.Exit{Peer: stranger, Reason: zre.ReasonLeft})
	r.handle(zre.Problem{Kind: zre.ProblemInterfaceMissing, About: "wlan0"})
	r.handle(zre.Problem{Kind: zre.ProblemInterfaceMissing, About: "wlan0", Solved: true})
	r.handle(zre.Problem{Kind: zre.ProblemBeaconPort, About: "UDP port 5670", Err: io.EOF})
	r.handle(zre.Problem{Kind: zre.ProblemNotAccepting, About: endpoint, Err: io.EOF})
	if got, want := out.String(), "! cannot reach bob\\x1b: EOF\n* bob is gone: unreachable (EOF)\n"+
		"! there is no interface or address wlan0 here, waiting for it\n* wlan0 is there\n"+
		"! others may not find this chat (zre doctor tells more): EOF\n! others cannot connect: EOF\n"; got != want {
		t.Errorf("it prints %q, want %q", got, want)
	}
}

// Messages that were not sent are reported for each receiver. The user does not see other errors of Close.
func TestUnsent(t *testing.T) {
	one := fmt.Errorf("close: %w", &zre.LostError{Name: "bob\a", Messages: 1, Bytes: 9, Err: io.EOF})
	two := fmt.Errorf("close: %w", &zre.LostError{Name: "carol", Messages: 2, Bytes: 9, Err: io.EOF})
	if got, want := fmt.Sprint(unsent(errors.Join(one, two, net.ErrClosed))), "1 message to bob\\x07 not sent: EOF\n2 messages to carol not sent: EOF"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	for _, err := range []error{nil, net.ErrClosed} {
		if got := unsent(err); got != nil {
			t.Errorf("of %v it says %v", err, got)
		}
	}
}

// start starts a node in a group, on this machine only.
func start(t *testing.T, group string, options ...zre.Option) *zre.Node {
	t.Helper()
	node, err := zre.NewNode(append(options, zre.WithInterfaces("127.0.0.1"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	if err := node.Join(group); err != nil {
		t.Fatal(err)
	}
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return node
}
