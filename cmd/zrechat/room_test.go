package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A recorder is a display that records everything.
type recorder struct {
	mu      sync.Mutex
	lines   []string
	members []string
}

func (r *recorder) show(e entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, e.String())
}

func (r *recorder) setMembers(list []member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members = nil
	for _, m := range list {
		r.members = append(r.members, m.String())
	}
}

func (r *recorder) maxBytes() int { return 0 }

// A guest is a room in a simulated network.
type guest struct {
	t     *testing.T
	node  *zre.Node
	typed chan string
	recorder
}

func enter(t *testing.T, host *zretest.Host, options ...zre.Option) *guest {
	t.Helper()
	node, err := zre.NewNode(append(options, zre.WithNetwork(host))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Join("CHAT"); err != nil {
		t.Fatal(err)
	}
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := &guest{t: t, node: node, typed: make(chan string, 100)}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- newRoom(node, "CHAT", g).run(ctx, g.typed) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		node.Close()
	})
	return g
}

func (g *guest) types(lines ...string) {
	for _, line := range lines {
		g.typed <- line
	}
	settle()
}

// settle lets fake time pass until all pending events are handled.
func settle() {
	time.Sleep(3 * time.Second) // fake time
	synctest.Wait()
}

// sees compares the entries shown since the last call.
func (g *guest) sees(want ...string) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Equal(g.lines, want) {
		g.t.Errorf("%s sees\n\t%q, want\n\t%q", g.node.Name(), g.lines, want)
	}
	g.lines = nil
}

func (g *guest) with(want ...string) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Equal(g.members, want) {
		g.t.Errorf("%s has %q at the side, want %q", g.node.Name(), g.members, want)
	}
}

func inRoom(t *testing.T, test func(t *testing.T, lan *zretest.LAN)) {
	synctest.Test(t, func(t *testing.T) { test(t, zretest.NewLAN(t)) })
}

const greeting = "* " + commandSummary

func TestRoom(t *testing.T) {
	inRoom(t, func(t *testing.T, lan *zretest.LAN) {
		alice := enter(t, lan.Host("10.0.0.1"), zre.WithName("alice"))
		settle()
		alice.sees("* you are alice in CHAT", greeting)
		alice.types("hello?")
		alice.sees("alice: hello?", "! nobody heard that: nobody else is here")
		bob := enter(t, lan.Host("10.0.0.2"), zre.WithName("bob"))
		settle()
		alice.sees("* bob enters")
		bob.sees("* you are bob in CHAT", greeting, "* alice enters")
		bob.with("bob", "alice")
		alice.types("hi", "/away", "//etc", "  ", "/msg bob psst, you")
		alice.sees("alice: hi", "* you are away", "alice: /etc", "(to bob) psst, you")
		bob.sees("alice: hi", "* alice is away", "alice (away): /etc", "(alice (away) whispers) psst, you")
		bob.with("bob", "alice (away)")
		alice.with("alice (away)", "bob")
		alice.types("/back", "/help")
		bob.sees("* alice is back")
		if alice.lines[0] != "* you are back" || len(alice.lines) != 1+len(commandHelp) {
			t.Errorf("help is %q", alice.lines)
		}
		bob.types("/quit")
		bob.node.Close() // the chat does this after its room ends
		settle()
		if last := alice.lines[len(alice.lines)-1]; last != "* bob is gone: left" {
			t.Errorf("alice sees %q", last)
		}
		alice.with("alice")
	})
}

// Nodes in other groups are never mentioned.
func TestOthersAreNotSpokenOf(t *testing.T) {
	inRoom(t, func(t *testing.T, lan *zretest.LAN) {
		alice := enter(t, lan.Host("10.0.0.1"), zre.WithName("alice"))
		host := lan.Host("10.0.0.2")
		robot := zretest.Start(t, host, zre.WithName("robot"))
		settle()
		alice.sees("* you are alice in CHAT", greeting)
		alice.types("/who", "/msg robot hi", "anybody?")
		alice.sees("* alice (you)", `! nobody here is called "robot"; /who lists who is`, "alice: anybody?", "! nobody heard that: nobody else is here")
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			settle()
		}
		do(robot.Join("ROBOTS"))
		do(robot.SetState(zre.StateProcessing))
		do(robot.Whisper(t.Context(), alice.node.UUID(), []byte("buy")))
		do(robot.Shout(t.Context(), "ROBOTS", []byte("beep")))
		do(robot.Leave("ROBOTS"))
		alice.sees()
		do(robot.Join("CHAT"))
		do(robot.Whisper(t.Context(), alice.node.UUID(), []byte("buy")))
		do(robot.Leave("CHAT"))
		alice.sees("* robot (away) enters", "(robot (away) whispers) buy", "* robot leaves")
		host.Kill()
		settle()
		alice.sees()
		alice.with("alice")
	})
}

// If two members have the same name, a whisper to that name is an error.
func TestTwoOfOneName(t *testing.T) {
	one, two := uuid.MustParse("aabb0000-0000-4000-8000-000000000001"), uuid.MustParse("aabb1100-0000-4000-8000-000000000002")
	inRoom(t, func(t *testing.T, lan *zretest.LAN) {
		alice := enter(t, lan.Host("10.0.0.1"), zre.WithName("alice"))
		a := enter(t, lan.Host("10.0.0.2"), zre.WithName("bob"), zre.WithUUID(one))
		settle()
		b := enter(t, lan.Host("10.0.0.3"), zre.WithName("bob"), zre.WithUUID(two))
		settle()
		alice.sees("* you are alice in CHAT", greeting, "* bob enters", "* bob#AABB enters")
		alice.with("alice", "bob#AABB", "bob#AABB")
		a.sees("* you are bob in CHAT", greeting, "* alice enters", "* bob#AABB enters")
		b.lines = nil
		alice.types("/msg bob hi")
		endpoint := func(g *guest) string { p, _ := alice.node.Peer(g.node.UUID()); return p.Endpoint }
		alice.sees(fmt.Sprintf("! 2 here are called bob: /msg bob#AABB0 TEXT for the one at %s, /msg bob#AABB1 TEXT for the one at %s", endpoint(a), endpoint(b)))
		alice.types("/msg bob#aabb1 hi", "/msg #AABB0 ho")
		alice.sees("(to bob) hi", "(to bob) ho")
		a.sees("(alice whispers) ho")
		b.sees("(alice whispers) hi")
	})
}

// A member that stops reading blocks nothing forever, and is named.
func TestHangingMember(t *testing.T) {
	inRoom(t, func(t *testing.T, lan *zretest.LAN) {
		alice := enter(t, lan.Host("10.0.0.1"), zre.WithName("alice"), zre.WithLimits(zre.Limits{QueueMessages: 2}), zre.WithSendTimeout(2*time.Second))
		bob := lan.Host("10.0.0.2")
		enter(t, bob, zre.WithName("bob"))
		settle()
		alice.lines = nil
		bob.Freeze()
		defer bob.Thaw()
		big := strings.Repeat("x", 1<<20)
		for range 8 {
			alice.types(big)
		}
		settle()
		if !slices.Contains(alice.lines, "! bob did not get that: it takes no messages now") {
			for _, line := range alice.lines {
				t.Logf("%.100s", line)
			}
			t.Error("got no warning that bob did not get the message")
		}
	})
}

// A silent member is reported once. Silent nodes outside the group are not.
func TestSilentMember(t *testing.T) {
	inRoom(t, func(t *testing.T, lan *zretest.LAN) {
		alice := enter(t, lan.Host("10.0.0.1"), zre.WithName("alice"))
		bob, robot := lan.Host("10.0.0.2"), lan.Host("10.0.0.3")
		enter(t, bob, zre.WithName("bob"))
		zretest.Start(t, robot, zre.WithName("robot"))
		settle()
		alice.sees("* you are alice in CHAT", greeting, "* bob enters")
		bob.Freeze()
		robot.Freeze()
		for range 5 {
			settle()
		}
		alice.sees("* bob does not answer now, and may not receive your messages")
		bob.Thaw()
		robot.Thaw()
		alice.types("back?")
		alice.sees("alice: back?")
	})
}

// Every bad line gets an answer, and none ends the chat.
func TestBadLines(t *testing.T) {
	inRoom(t, func(t *testing.T, lan *zretest.LAN) {
		alice := enter(t, lan.Host("10.0.0.1"), zre.WithName("alice"))
		enter(t, lan.Host("10.0.0.2"), zre.WithName("bob smith"))
		enter(t, lan.Host("10.0.0.3"), zre.WithName("bob"))
		enter(t, lan.Host("10.0.0.4"), zre.WithName("\x1b[2J\u202eevil\xc2\x9b"))
		enter(t, lan.Host("10.0.0.5"), zre.WithName("שלום 東京"))
		settle()
		alice.lines = nil
		for _, c := range []struct{ line, want string }{
			{"/msg", "! to whom? /msg NAME TEXT"},
			{"/msg   ", "! to whom? /msg NAME TEXT"},
			{"/msg bob", "! what? /msg bob TEXT"},
			{"/msg bob ", "! what? /msg bob TEXT"},
			{"/msg bob smith hello", "(to bob smith) hello"},
			{"/msg bob smithy hello", "(to bob) smithy hello"},
			{"/msg bobby x", `! nobody here is called "bobby"; /who lists who is`},
			{"/msg alice x", `! nobody here is called "alice"; /who lists who is`},
			{"/msg \x1b]0;x\a x", `! nobody here is called "\x1b]0;x\x07"; /who lists who is`},
			{`/msg \x1b[2J\u202eevil\u009b x`, `(to \x1b[2J\u202eevil\u009b) x`},
			{"/msg שלום 東京 hi", "(to שלום 東京) hi"},
			{"/msg # x", `! nobody here is called "#"; /who lists who is`},
			{"/dance", "! there is no command /dance; try " + commandSummary},
			{"/\x1b[2J", `! there is no command /\x1b[2J; try ` + commandSummary},
			{"/" + strings.Repeat("x", 1000), "! there is no command /" + strings.Repeat("x", 38) + "…; try " + commandSummary},
			{"\xff\u0085\u202e", `alice: \xff\u0085\u202e`},
			{strings.Repeat("x", 65<<20), "! that is longer than others accept (64 MiB), and was not sent"},
			{"fine", "alice: fine"},
		} {
			alice.types(c.line)
			alice.mu.Lock()
			last := alice.lines[len(alice.lines)-1]
			alice.mu.Unlock()
			if last != c.want {
				t.Errorf("%.60q shows %.200q, want %.200q", c.line, last, c.want)
			}
		}
	})
}

func TestText(t *testing.T) {
	frames := func(list ...string) (out [][]byte) {
		for _, s := range list {
			out = append(out, []byte(s))
		}
		return out
	}
	for _, c := range []struct {
		frames [][]byte
		limit  int
		want   string
	}{
		{frames(""), 0, ""},
		{frames("a", "", "b\n"), 0, `a |  | b\n`},
		{frames("abc", "def"), 6, "abc | def"},
		{frames("abc", "def"), 5, "abc | de… (6 bytes)"},
		{frames("abc", "def", "g"), 3, "abc… (7 bytes)"},
		{frames("\x1b\x1b", "x"), 1, `\x1b… (3 bytes)`},
		{frames("東京"), 4, `東\xe4… (6 bytes)`},
	} {
		if got := messageText(c.frames, c.limit); got != c.want {
			t.Errorf("%q in %d bytes is %q, want %q", c.frames, c.limit, got, c.want)
		}
	}
}

// A request to the chat is answered by an error at once.
func TestRequestToChat(t *testing.T) {
	inRoom(t, func(t *testing.T, lan *zretest.LAN) {
		alice := enter(t, lan.Host("10.0.0.1"), zre.WithName("alice"))
		robot := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("robot"))
		settle()
		_, err := robot.Request(t.Context(), alice.node.UUID(), []byte("status"))
		if refused, ok := errors.AsType[*zre.ReplyError](err); !ok || refused.Text != "zrechat answers no requests" {
			t.Errorf("got %v, want the error that zrechat answers no requests", err)
		}
	})
}
