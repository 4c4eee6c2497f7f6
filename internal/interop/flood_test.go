//go:build linux

package interop

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// flood is how many messages a flood has: enough for sequence numbers of 16 bits to wrap. ZRE_FLOOD asks for more.
var flood = func() int {
	if n, err := strconv.Atoi(os.Getenv("ZRE_FLOOD")); err == nil {
		return n
	}
	return 70_000
}()

// window is how many messages may be under way to a node. Foreign implementations drop a peer that lags far behind.
const window = 1000

// whispers are the commands that send the messages numbered from first up to, not including, end.
func whispers(to *testbed.Peer, first, end int) []testbed.Command {
	var commands []testbed.Command
	for i := first; i < end; i++ {
		commands = append(commands, testbed.Command{Cmd: "whisper", Peer: to.UUID, Text: []string{strconv.Itoa(i)}})
	}
	return commands
}

// Theirs sends: everything arrives, in order, though pyre and zyre.js skip a sequence number when they wrap.
func TestFloodFromTheirs(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		lan := testbed.NewLAN(t, "")
		a := testbed.Start(t, lan.Host("a"), ours, options("ours"))
		b := testbed.Start(t, lan.Host("b"), kind, options("theirs"))
		meet(t, a, b)
		sent, received := 0, testbed.Event{}
		for sent < flood {
			send(t, b, whispers(a, sent, sent+window))
			received = expectInOrder(t, a, received, b, sent, sent+window)
			sent += window
		}
		a.Never(t, testbed.Event{}, received, "EXIT", testbed.Is("exit", b))
		converse(t, a, b)
	})
}

func send(t *testing.T, p *testbed.Peer, commands []testbed.Command) {
	t.Helper()
	if err := p.Send(commands...); err != nil {
		t.Fatal(err)
	}
}

// expectInOrder waits until a node got the messages from first up to, not including, end, and nothing else from that peer. It returns the last of
// them.
func expectInOrder(t *testing.T, node *testbed.Peer, after testbed.Event, speaker *testbed.Peer, first, end int) testbed.Event {
	t.Helper()
	next, wrong := first, ""
	event := node.WaitAfter(t, after, fmt.Sprintf("message %d", end-1), func(e testbed.Event) bool {
		if !eventsFrom(speaker)(e) || e.Event != "whisper" && e.Event != "exit" {
			return false
		}
		if e.Event == "exit" || len(e.Text) != 1 || e.Text[0] != strconv.Itoa(next) {
			wrong = fmt.Sprintf("%v came where message %d was due", e, next)
			return true
		}
		next++
		return next == end
	})
	if wrong != "" {
		t.Fatalf("%s: %s", node, wrong)
	}
	return event
}

// Ours sends, as fast as it can. C zyre wraps where we do: everything arrives, in order.
func TestFloodFromOurs(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		lan := testbed.NewLAN(t, "")
		speaker, apart := options("ours"), traitsOf[kind].wrap != traitsOf[ours].wrap
		if ours == testbed.Zre { // libzmq reads nothing for long while an application has much to catch up with
			speaker.Args = []string{"--send-timeout", "1m"}
		}
		if apart {
			speaker = allowErrors(speaker)
		}
		a := testbed.Start(t, lan.Host("a"), ours, speaker)
		b := testbed.Start(t, lan.Host("b"), kind, options("theirs"))
		meet(t, a, b)
		if apart {
			wrapApart(t, a, b)
		} else {
			wrapTogether(t, a, b)
		}
		converse(t, a, b)
	})
}

// wrapTogether sends a flood from a to b and expects all of it.
func wrapTogether(t *testing.T, a, b *testbed.Peer) {
	t.Helper()
	sent := make(chan error, 1)
	go func() { sent <- a.Send(whispers(b, 0, flood)...) }()
	received := testbed.Event{}
	for first := 0; first < flood; first += window {
		received = expectInOrder(t, b, received, a, first, first+window)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// wrapApart sends a flood from a to b, which wraps earlier than a and takes that for a loss. It may drop a for that, once: both must
// notice, meet again, and nothing may be lost. At the next wraps a knows.
func wrapApart(t *testing.T, a, b *testbed.Peer) {
	t.Helper()
	sent := make(chan error, 1)
	go func() { sent <- a.Send(whispers(b, 0, flood)...) }()
	received := testbed.Event{}
	for last := window - 1; last < flood; last += window {
		received = b.WaitAfter(t, received, fmt.Sprintf("message %d", last), testbed.Whisper(a, []byte(strconv.Itoa(last))))
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	sessions := sessionsOf(b, a)
	if len(sessions) != 2 || len(sessionsOf(a, b)) != 2 {
		t.Fatalf("%s had %d sessions with %s, which had %d; want 2", b, len(sessions), a, len(sessionsOf(a, b)))
	}
	before, after := sessions[0], sessions[1]
	if before.first != 0 || !before.contiguous || after.first != before.last+1 || !after.contiguous || after.last != flood-1 {
		t.Errorf("before the wrap %s got %+v, after it %+v", b, before, after)
	}
	if wrap := traitsOf[b.Kind].wrap; before.last < wrap-window || before.last > wrap {
		t.Errorf("the wrap came after message %d, want some before %d", before.last, wrap)
	}
}

// session is what a flood brought between ENTER and EXIT.
type session struct {
	first, last, count int
	contiguous         bool
}

// sessionsOf returns the numbered messages that a node got from a peer, by session.
func sessionsOf(node, from *testbed.Peer) []session {
	var sessions []session
	for _, e := range node.Events() {
		switch {
		case testbed.Is("enter", from)(e):
			sessions = append(sessions, session{contiguous: true})
		case testbed.Is("whisper", from)(e) && len(e.Text) == 1:
			number, err := strconv.Atoi(e.Text[0])
			if err != nil {
				continue
			}
			s := &sessions[len(sessions)-1]
			if s.count == 0 {
				s.first = number
			} else if number != s.last+1 {
				s.contiguous = false
			}
			s.last = number
			s.count++
		}
	}
	return sessions
}
