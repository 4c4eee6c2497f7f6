package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/outbox"
)

// neighbours are two nodes of one process that know each other.
func neighbours(t *testing.T, a, b Config) (*testNode, *testNode) {
	t.Helper()
	port := beaconPort()
	x, y := start(t, onLoopback(port, a)), start(t, onLoopback(port, b))
	x.waitKind(Enter, y.UUID())
	y.waitKind(Enter, x.UUID())
	return x, y
}

// Messages that bypass the queue keep their order with JOIN and LEAVE, which go through it.
func TestHandOverKeepsOrder(t *testing.T) {
	t.Parallel()
	a, b := neighbours(t, Config{}, Config{})
	var want []string
	for i := range 200 {
		group := fmt.Sprint("g", i)
		if err := a.Join(group); err != nil {
			t.Fatal(err)
		}
		want = append(want, "JOIN("+group+")")
		for range i % 5 {
			if err := a.Whisper(t.Context(), b.UUID(), []byte("x"), []byte("y")); err != nil {
				t.Fatal(err)
			}
			want = append(want, "WHISPER:2f")
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b.waitFor(t, a.UUID(), append(append([]string{fmt.Sprintf("ENTER(%s)", a.Name())}, want...), "EXIT(left)"))
}

// A message handed over belongs to its receiver: neither side sees the other's changes, nor does another message.
func TestHandOverCopies(t *testing.T) {
	t.Parallel()
	a, b := neighbours(t, Config{}, Config{})
	const count = 1000
	frame := make([]byte, 100)
	for i := range count {
		for j := range frame {
			frame[j] = byte(i)
		}
		if err := a.Whisper(t.Context(), b.UUID(), frame[:i%100], frame); err != nil {
			t.Fatal(err)
		}
	}
	b.wait("the last whisper", func(e Event) bool {
		return e.Kind == Whisper && len(e.Frames[0]) == (count-1)%100 && e.Frames[1][0] == (count-1)%256
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	i := 0
	for _, e := range b.events {
		if e.Kind != Whisper {
			continue
		}
		for _, f := range e.Frames {
			if want := bytes.Repeat([]byte{byte(i)}, len(f)); !bytes.Equal(f, want) {
				t.Fatalf("message %d has a frame %x, want %x", i, f, want)
			}
			clear(f[:cap(f)]) // this must not show in the next message
		}
		e.Frames = append(e.Frames[:2], []byte("more"))
		i++
	}
	if i != count {
		t.Errorf("%d messages came, want %d", i, count)
	}
}

// A message over the receiver's limits ends the link, as on a socket, and a new session begins.
func TestHandOverOverLimits(t *testing.T) {
	t.Parallel()
	a, b := neighbours(t, Config{}, Config{Limits: Limits{MessageSize: 10_000, FrameSize: 5_000, Frames: 5}})
	for _, frames := range [][][]byte{
		{make([]byte, 5_001)},
		{make([]byte, 5_000), make([]byte, 5_000)},
		make([][]byte, 5),
	} {
		exits := func(n *testNode) (exits int) {
			n.mu.Lock()
			defer n.mu.Unlock()
			for _, e := range n.events {
				if e.Kind == Exit {
					exits++
				}
			}
			return exits
		}
		before := exits(b)
		if err := a.Whisper(t.Context(), b.UUID(), frames...); err != nil {
			t.Fatal(err)
		}
		b.until(t, "EXIT and ENTER", func() bool { return exits(b) > before && len(b.present) == 1 })
		a.until(t, "EXIT and ENTER", func() bool { return exits(a) > before && len(a.present) == 1 })
	}
	for _, e := range b.eventsOf(a.UUID()) {
		if e[:4] == "WHIS" {
			t.Errorf("%s came, though it breaks a limit", e)
		}
	}
}

// A sender that finds no room waits for it, for as long as the context and the send timeout allow.
func TestHandOverWaits(t *testing.T) {
	t.Parallel()
	port := beaconPort()
	limits := Limits{Events: 3, QueueMessages: 2}
	a := start(t, onLoopback(port, Config{SendTimeout: time.Minute, Limits: limits}))
	b, err := New(onLoopback(port, Config{Limits: limits}))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.waitKind(Enter, b.UUID())
	a.until(t, "the link is idle", func() bool { p := a.sessions[b.UUID()]; return p.mailbox != nil && p.out.Queue().Idle() == nil })
	ctx, cancel := context.WithCancel(t.Context())
	for range 5 {
		if err := a.Whisper(ctx, b.UUID(), []byte("fits")); err != nil {
			t.Fatal(err)
		}
	}
	result := make(chan error, 1)
	for _, c := range []struct {
		name string
		free func()
		want error
	}{
		{"the context ends", cancel, ErrPeerBusy},
		{"there is room", func() { b.Take(nil, nil) }, nil},
		{"the peer leaves", func() { b.Close() }, ErrUnknownPeer},
	} {
		go func() { result <- a.Whisper(ctx, b.UUID(), []byte("waits")) }()
		select {
		case err := <-result:
			t.Fatalf("%s: it did not wait: %v", c.name, err)
		case <-time.After(20 * time.Millisecond):
		}
		c.free()
		if err := <-result; !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		ctx = t.Context()
		for c.want == nil && err == nil { // full again
			short, end := context.WithTimeout(ctx, 10*catchUpTime) // the queue behind it is full, too
			err = a.Whisper(short, b.UUID(), []byte("fills"))
			end()
		}
	}
}

// Messages that went through the queue, for example before the peer handled our HELLO, may wait for its application. They do not block later
// messages: the queue has room.
func TestQueueBehindSlowApplication(t *testing.T) {
	t.Parallel()
	cfg := onLoopback(beaconPort(), Config{Limits: Limits{Events: 10}})
	slow, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	deaf := startDeaf(t, slow)
	fast := start(t, onLoopback(cfg.BeaconPort, Config{}))
	fast.waitKind(Enter, slow.UUID())
	var p *session
	fast.until(t, "it is connected", func() bool { p = fast.sessions[slow.UUID()]; return p.mailbox != nil })
	var in *inbox
	deaf.until(t, "the other end took our HELLO", func() bool { in = slow.sessions[fast.UUID()].inbox; return in != nil })
	const count = 2000
	p.out.HandOverTo(nil)
	for i := range count {
		if i == 100 {
			p.out.HandOverTo(func() outbox.Receiver { return &receiver{in, &fast.cfg.Limits} })
		}
		if err := fast.Whisper(t.Context(), slow.UUID(), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	deaf.listen()
	deaf.wait("the last", func(e Event) bool { return e.Kind == Whisper && string(e.Frames[0]) == fmt.Sprint(count-1) })
	next := 0
	deaf.mu.Lock()
	defer deaf.mu.Unlock()
	for _, e := range deaf.events {
		if e.Kind == Whisper {
			if string(e.Frames[0]) != fmt.Sprint(next) {
				t.Fatalf("message %q, want %d", e.Frames[0], next)
			}
			next++
		}
	}
}
