package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// A silent peer gets a PING as evasive, is reported as silent, and expires.
func TestTimers(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{EvasiveTimeout: 50 * time.Millisecond, ExpiredTimeout: 300 * time.Millisecond}))
	f := newFakePeer(t, n)
	f.enter()
	f.expect(msg.Ping)
	n.waitKind(Exit, f.uuid)
	// On a busy machine the node itself may stall, and give the peer another grace.
	events := n.eventsOf(f.uuid)
	evasive, silent := slices.Index(events, "EVASIVE"), slices.Index(events, "SILENT")
	if evasive != 2 || silent < evasive || events[len(events)-1] != "EXIT(expired)" {
		t.Errorf("got events %q, want EVASIVE, then SILENT, then EXIT(expired)", events)
	}
}

// A peer that answers PINGs stays.
func TestAnswersAreLife(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{EvasiveTimeout: 40 * time.Millisecond, ExpiredTimeout: 2 * time.Second}))
	f := newFakePeer(t, n)
	f.enter()
	// The peer is silent until it is asked, again and again, for longer than the expired timeout.
	sequence := uint16(1)
	for began := time.Now(); time.Since(began) < 3*time.Second; {
		f.expect(msg.Ping)
		sequence++
		f.send(msg.AppendPingOK(nil, sequence))
	}
	if events := n.eventsOf(f.uuid); slices.Contains(events, "EXIT(expired)") {
		t.Errorf("the peer expired: %q", events)
	}
}

// A peer that beacons is not silent. If it answers no PING for the expired timeout, it does not hear us, and gets another HELLO.
func TestBeaconsAreLife(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{EvasiveTimeout: 500 * time.Millisecond, ExpiredTimeout: 2 * time.Second}))
	f := newFakePeer(t, n)
	f.enter()
	<-f.hellos
	beacons := time.NewTicker(20 * time.Millisecond)
	defer beacons.Stop()
	deadline := time.After(patience)
	for len(f.hellos) == 0 {
		select {
		case <-beacons.C:
			f.beacon(f.port())
		case <-deadline:
			t.Fatalf("no second HELLO; events %q", n.eventsOf(f.uuid))
		}
	}
	n.waitKind(Exit, f.uuid)
	if events := n.eventsOf(f.uuid); !slices.Equal(events, []string{"ENTER(fake)", "JOIN(G)", "EXIT(crashed)"}) {
		t.Errorf("got events %q, want ENTER, JOIN and EXIT(crashed)", events)
	}
}

// A peer whose connection closes exits at once if nothing answers at its port, and enters again if it is alive.
func TestConnectionLost(t *testing.T) {
	t.Run("the process is gone", func(t *testing.T) {
		t.Parallel()
		n := start(t, onLoopback(beaconPort(), Config{}))
		f := newFakePeer(t, n)
		f.enter()
		f.router.Close()
		f.hangUp()
		n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "EXIT(crashed)"})
		if peers := n.Peers(); len(peers) != 0 {
			t.Errorf("got peers %v, want none", peers)
		}
	})
	t.Run("the peer lives", func(t *testing.T) {
		t.Parallel()
		n := start(t, onLoopback(beaconPort(), Config{}))
		f := newFakePeer(t, n)
		f.enter()
		f.hangUp()
		f.expect(msg.Hello) // a new session, over a new connection
		f.connect()
		f.send(f.hello(1, nil))
		f.send(msg.AppendWhisper(nil, 2), []byte("x"))
		n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "EXIT(crashed)", "ENTER(fake)", "JOIN(G)", "WHISPER:1f"})
	})
	t.Run("with a farewell", func(t *testing.T) {
		t.Parallel()
		n := start(t, onLoopback(beaconPort(), Config{}))
		f := newFakePeerWith(t, n, zmtp.Config{Identity: identity(uuid.New())})
		f.enter()
		// What it sent before its farewell still arrives, though the farewell overtakes it.
		for i := range 1000 {
			f.send(msg.AppendWhisper(nil, uint16(i+2)), []byte("x"))
		}
		f.beacon(0)
		f.router.Close()
		f.hangUp()
		n.wait("exit", func(e Event) bool { return e.Kind == Exit })
		events := n.eventsOf(f.uuid)
		if len(events) != 1003 || events[1002] != "EXIT(left)" {
			t.Errorf("got %d events, the last is %s; want 1003 and EXIT(left)", len(events), events[len(events)-1])
		}
	})
}

// A peer that closes our connection to it, but keeps sending beacons and keeps its own connection, gets a new session.
func TestMailboxLost(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	f.mailboxed.Load().Close(nil)
	beacons := time.NewTicker(20 * time.Millisecond)
	defer beacons.Stop()
	deadline := time.After(patience)
	for len(f.hellos) < 2 {
		select {
		case <-beacons.C:
			f.beacon(f.port())
		case <-deadline:
			t.Fatalf("no second HELLO; events %q", n.eventsOf(f.uuid))
		}
	}
	f.conn = nil
	f.send(f.hello(1, nil))
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "EXIT(crashed)", "ENTER(fake)", "JOIN(G)"})
}

// A message that waits for a slow application is not lost when its sender leaves.
func TestSlowApplicationGetsAll(t *testing.T) {
	t.Parallel()
	cfg := onLoopback(beaconPort(), Config{Limits: Limits{Events: 10}})
	slow, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if err := slow.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	fast := start(t, onLoopback(cfg.BeaconPort, Config{}))
	fast.waitKind(Enter, slow.UUID())
	const count = 5000
	for i := range count {
		if err := fast.Whisper(t.Context(), slow.UUID(), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	go fast.Close()
	received, exited := 0, false
	var batch []Event
	for !exited {
		var ok bool
		if batch, ok = slow.Take(batch, t.Context().Done()); !ok {
			t.Fatal("stopped")
		}
		for _, e := range batch {
			switch e.Kind {
			case Whisper:
				if want := fmt.Sprint(received); string(e.Frames[0]) != want {
					t.Fatalf("message %q, want %s", e.Frames[0], want)
				}
				received++
			case Exit:
				exited = true
				if e.Reason != Left {
					t.Errorf("the peer exited as %v, want left", e.Reason)
				}
			}
		}
	}
	if received != count {
		t.Errorf("%d messages came before the exit, want %d", received, count)
	}
}

// A peer that reads no messages makes its senders wait, and is dropped then.
func TestNotResponding(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{SendTimeout: 200 * time.Millisecond}))
	f := newFakePeer(t, n)
	f.enter()
	f.freeze()
	good := newFakePeer(t, n)
	good.enter()

	frame := make([]byte, 1<<20)
	err := fill(n.Node, f.uuid, frame)
	var failed *PeerError
	if !errors.Is(err, ErrPeerBusy) || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &failed) || failed.UUID != f.uuid || failed.Dropped {
		t.Fatalf("at the end of the context: got %v", err)
	}
	if _, present := n.Peer(f.uuid); !present {
		t.Fatal("dropped before the send timeout")
	}
	// A shout waits once, and still reaches the other members.
	for err = nil; err == nil; { // the system's buffers may hold some more
		err = n.Shout(t.Context(), "G", frame)
	}
	if !errors.Is(err, ErrPeerBusy) || !strings.Contains(err.Error(), f.uuid.String()) {
		t.Fatalf("after the send timeout: %v", err)
	}
	good.expect(msg.Shout)
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "EXIT(not responding)"})
	if err := n.Shout(t.Context(), "G", frame); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// fill whispers to a peer until its queue stays full for a while.
func fill(n *Node, id uuid.UUID, frame []byte) error {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		err := n.Whisper(ctx, id, frame)
		cancel()
		if err != nil && (errors.Is(err, ErrPeerBusy) || !errors.Is(err, context.DeadlineExceeded)) { // on a busy machine time may be up before
			return err
		}
	}
}

// An application that reads no events can still use the node and list the present peers.
func TestApplicationReadsNoEvents(t *testing.T) {
	t.Parallel()
	cfg := onLoopback(beaconPort(), Config{})
	deafNode, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer deafNode.Close()
	if err := deafNode.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := start(t, onLoopback(cfg.BeaconPort, Config{SendTimeout: time.Minute}))
	a.waitKind(Enter, deafNode.UUID())
	if err := fill(a.Node, deafNode.UUID(), make([]byte, 10_000)); !errors.Is(err, ErrPeerBusy) {
		t.Fatal(err)
	}
	if _, octets := deafNode.events.Depth(); octets > deafNode.cfg.Limits.EventBytes+a.cfg.Limits.QueueBytes {
		t.Errorf("%d bytes wait for the application, more than the limits", octets)
	}
	if err := deafNode.Join("G"); err != nil {
		t.Fatal(err)
	}
	a.waitKind(Join, deafNode.UUID())
	b := start(t, onLoopback(cfg.BeaconPort, Config{}))
	b.waitKind(Enter, deafNode.UUID())
	if err := deafNode.Whisper(t.Context(), b.UUID(), []byte("x")); err != nil && !errors.Is(err, ErrUnknownPeer) {
		t.Error(err)
	}
}

// Messages continue past the end of the sequence, for either way that peers count.
func TestSequenceWrap(t *testing.T) {
	const full, short = 65536, 65535 // RFC 36, and pyre
	for _, length := range []int{full, short} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			t.Parallel()
			n := start(t, onLoopback(beaconPort(), Config{}))
			f := newFakePeer(t, n)
			heard := listenTo(f)
			f.enter()
			const count = 200_000
			for i := range count {
				f.send(msg.AppendPingOK(nil, uint16((i+2)%length)))
			}
			f.send(msg.AppendWhisper(nil, uint16((count+2)%length)), []byte("last"))
			n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "WHISPER:1f"})
			// Messages to the peer are numbered the way it counts.
			n.pretendSent(f, 65533)
			whisper(t, n, f, "a", "b")
			want := "WHISPER 65535 b"
			if length == short {
				want = "WHISPER 0 b"
			}
			next(t, heard, "HELLO 1", "WHISPER 65534 a", want)
		})
	}
}

// A node that restarts with the same UUID, at another port, exits and enters.
func TestRestartWithSameUUID(t *testing.T) {
	t.Parallel()
	port, id := beaconPort(), uuid.New()
	watcher := start(t, onLoopback(port, Config{}))
	for i, name := range []string{"first", "second"} {
		n := start(t, onLoopback(port, Config{UUID: id, Name: name}))
		n.waitKind(Enter, watcher.UUID())
		watcher.wait("enter of "+name, func(e Event) bool { return e.Kind == Enter && e.Peer.Name == name })
		n.Close()
		watcher.wait("exit of "+name, func(e Event) bool { return e.Kind == Exit && e.Peer.Name == name })
		// A state may come in between, if its beacon arrives after HELLO.
		got := slices.DeleteFunc(watcher.eventsOf(id), func(e string) bool { return strings.HasPrefix(e, "STATE") })
		if len(got) != 2*(i+1) {
			t.Errorf("got events %q, want ENTER and EXIT of each run", got)
		}
	}
}

func TestMisuse(t *testing.T) {
	n, err := New(onLoopback(beaconPort(), Config{Name: "n"}))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Join("early"); err != nil {
		t.Error(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	unknown := uuid.New()
	for _, test := range []struct {
		name string
		call func() error
		want error
	}{
		{"start twice", func() error { return n.Start(t.Context()) }, ErrStarted},
		{"whisper to an unknown peer", func() error { return n.Whisper(t.Context(), unknown, nil) }, ErrUnknownPeer},
		{"shout to an empty group", func() error { return n.Shout(t.Context(), "empty", nil) }, nil},
		{"too large", func() error { return n.Shout(t.Context(), "G", make([]byte, 64<<20)) }, ErrTooLarge},
		{"too many frames", func() error { return n.Shout(t.Context(), "G", make([][]byte, 1024)...) }, ErrTooLarge},
		{"context ended", func() error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return n.Whisper(ctx, unknown, nil)
		}, context.Canceled},
		{"group not UTF-8", func() error { return n.Join("\xff") }, msg.ErrNotUTF8},
		{"group too long", func() error { return n.Join(strings.Repeat("g", 256)) }, msg.ErrTooLong},
		{"shout to a group too long", func() error { return n.Shout(t.Context(), strings.Repeat("g", 256), nil) }, msg.ErrTooLong},
		{"shout to the empty group", func() error { return n.Shout(t.Context(), "", nil) }, ErrInvalidGroup},
		{"leave of a group not joined", func() error { return n.Leave("never") }, nil},
		{"close", n.Close, nil},
		{"close twice", n.Close, nil},
		{"join after close", func() error { return n.Join("G") }, ErrClosed},
		{"whisper after close", func() error { return n.Whisper(t.Context(), unknown, nil) }, net.ErrClosed},
		{"start after close", func() error { return n.Start(t.Context()) }, ErrClosed},
	} {
		if err := test.call(); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	if groups := n.Groups(); !slices.Equal(groups, []string{"early"}) {
		t.Errorf("got groups %q, want early alone", groups)
	}
}

func TestBadConfig(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  Config
		says string
	}{
		{"name too long", Config{Name: strings.Repeat("n", 256)}, "256"},
		{"name not UTF-8", Config{Name: "\xff"}, "UTF-8"},
		{"header name too long", Config{Headers: map[string]string{strings.Repeat("h", 256): ""}}, "256"},
		{"header value too long", Config{Headers: map[string]string{"h": strings.Repeat("v", 200_000)}}, "200000"},
		{"port", Config{BeaconPort: 70_000}, "70000"},
		{"interval", Config{BeaconInterval: -1}, "beacon interval"},
		{"interface", Config{Interfaces: []string{"eth["}}, "eth["},
		{"limit", Config{Limits: Limits{Frames: -1}}, "Frames is -1"},
		{"timeouts", Config{EvasiveTimeout: time.Minute}, "longer than the evasive timeout"},
	} {
		_, err := New(test.cfg)
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want it to say %q", test.name, err, test.says)
		}
	}
}

// A large message belongs to the receiver, and the sender may reuse its buffers.
func TestLargeMessage(t *testing.T) {
	t.Parallel()
	port := beaconPort()
	a, b := start(t, onLoopback(port, Config{})), start(t, onLoopback(port, Config{}))
	a.waitKind(Enter, b.UUID())
	frame := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	want := bytes.Clone(frame)
	if err := a.Whisper(t.Context(), b.UUID(), []byte("small"), frame, nil); err != nil {
		t.Fatal(err)
	}
	clear(frame)
	e := b.waitKind(Whisper, a.UUID())
	if len(e.Frames) != 3 || string(e.Frames[0]) != "small" || !bytes.Equal(e.Frames[1], want) || len(e.Frames[2]) != 0 {
		t.Errorf("the message changed on its way")
	}
}
