package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/outbox"
	"github.com/go-zre/go-zre/msg"
)

// A PING and a PING-OK overtake the messages that wait for a peer that reads nothing for a while. The sequence has no gap, and the messages
// stay in order, even if the numbers of the waiting messages wrap.
func TestPingOvertakes(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]uint16{"amid the numbers": 100, "across the wrap": 65_500} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t, onLoopback(beaconPort(), Config{}))
			f := newFakePeer(t, n)
			f.enter()
			n.pretendSent(f, sent)
			n.do(func() { n.sessions[f.uuid].out.UseFullCycle() })
			read, all := make(chan struct{}), make(chan error, 1)
			release := sync.OnceFunc(func() { close(read) })
			defer release() // otherwise the peer would keep reading after a failure
			ended := func(err error) {
				select {
				case all <- err:
				default: // not the first
				}
			}
			last, whispers, overtaken := sent, 0, 0
			total := 0 // set before read is closed
			listen := func(m *msg.Message) {
				<-read
				last++
				switch {
				case m.Sequence != last:
					ended(fmt.Errorf("%v has the number %d, want %d", m.ID, m.Sequence, last))
				case m.ID != msg.Whisper:
					overtaken = max(overtaken, total-whispers)
				case string(m.Content[0]) != fmt.Sprint(whispers):
					ended(fmt.Errorf("message %q came, want %d", m.Content[0], whispers))
				default:
					whispers++
				}
				if int(last-sent) == total+3 {
					ended(nil)
				}
			}
			f.listen.Store(&listen)
			depth := func() int { p, _ := n.Peer(f.uuid); return p.QueuedMessages }
			for ; depth() < 1000; total++ {
				if err := n.Whisper(t.Context(), f.uuid, fmt.Append(nil, total), make([]byte, 10_000)); err != nil {
					t.Fatal(err)
				}
			}
			var p *session
			n.do(func() { p = n.sessions[f.uuid]; p.out.Ping() })
			f.send(msg.AppendPing(nil, 2))
			f.send(msg.AppendPing(nil, 3))
			eventually(t, "the answers wait", func() bool { return p.out.Sequence() == sent+uint16(total)+3 })
			release()
			if err := <-all; err != nil {
				t.Error(err)
			}
			if overtaken < 500 {
				t.Errorf("%d of %d messages were overtaken, want 500 at least", overtaken, total)
			}
		})
	}
}

// Ping waits for its own answer: each of several calls, in their order.
func TestPing(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	const calls = 5
	type result struct {
		call int
		err  error
	}
	results := make(chan result)
	for i := range calls {
		go func() {
			_, err := n.Ping(t.Context(), f.uuid)
			results <- result{i, err}
		}()
		f.expect(msg.Ping)
	}
	for i := range calls {
		f.send(msg.AppendPingOK(nil, uint16(2+i)))
		if r := <-results; r.err != nil || r.call != i {
			t.Errorf("answer %d ended call %d with %v, want the call of the same number", i, r.call, r.err)
		}
	}
	f.send(msg.AppendPingOK(nil, 2+calls)) // to no PING: it must not count for the next
	f.send(must(msg.AppendJoin(nil, 3+calls, "seen", 2)))
	n.wait("JOIN(seen)", func(e Event) bool { return e.Kind == Join && e.Group == "seen" })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := n.Ping(ctx, f.uuid)
		results <- result{err: err}
	}()
	f.expect(msg.Ping)
	cancel()
	if r := <-results; r.err == nil || errors.Is(r.err, ErrPeerBusy) || !errors.Is(r.err, context.Canceled) {
		t.Errorf("Ping returns %v", r.err)
	}
	if _, err := n.Ping(ctx, f.uuid); !errors.Is(err, context.Canceled) {
		t.Errorf("Ping returns %v", err)
	}
}

// A peer that does not answer gets no more than a hundred PINGs. A peer that leaves answers none.
func TestPingHasBounds(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	results := make(chan error, outbox.MaxPings)
	for range outbox.MaxPings {
		go func() {
			_, err := n.Ping(t.Context(), f.uuid)
			results <- err
		}()
		f.expect(msg.Ping)
	}
	var failed *PeerError
	if _, err := n.Ping(t.Context(), f.uuid); !errors.Is(err, ErrPeerBusy) || !errors.As(err, &failed) || failed.UUID != f.uuid || failed.Name != "fake" {
		t.Errorf("Ping returns %v", err)
	}
	n.do(func() { n.remove(n.sessions[f.uuid], Expired) })
	for range outbox.MaxPings {
		if err := <-results; !errors.Is(err, ErrUnknownPeer) || !errors.As(err, &failed) || failed.Name != "fake" {
			t.Errorf("Ping returns %v", err)
		}
	}
	if _, err := n.Ping(t.Context(), uuid.New()); !errors.Is(err, ErrUnknownPeer) || !errors.As(err, &failed) {
		t.Errorf("Ping of an unknown peer returns %v", err)
	}
}

// The node's own unanswered PINGs do not keep the application from asking.
func TestPingBesideTheNodesOwn(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	n.do(func() {
		for range outbox.MaxPings {
			n.sessions[f.uuid].out.Ping()
		}
	})
	result := make(chan error)
	go func() {
		_, err := n.Ping(t.Context(), f.uuid)
		result <- err
	}()
	for range outbox.MaxPings + 1 {
		f.expect(msg.Ping)
	}
	for i := range uint16(outbox.MaxPings + 1) {
		f.send(msg.AppendPingOK(nil, 2+i))
	}
	if err := <-result; err != nil {
		t.Errorf("Ping returns %v", err)
	}
}

// The end of the node ends a Ping.
func TestPingOfClosed(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	result := make(chan error)
	go func() {
		_, err := n.Ping(t.Context(), f.uuid)
		result <- err
	}()
	f.expect(msg.Ping)
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, ErrClosed) {
		t.Errorf("Ping returns %v", err)
	}
	if _, err := n.Ping(t.Context(), f.uuid); !errors.Is(err, ErrClosed) {
		t.Errorf("Ping returns %v", err)
	}
}

// When the sequence may wrap, the PING asks how, and its answer comes in this session or the next.
func TestPingAtWrap(t *testing.T) {
	t.Parallel()
	n, f, heard := nearWrap(t)
	n.pretendSent(f, 65534)
	result := make(chan error)
	ping := func() {
		_, err := n.Ping(t.Context(), f.uuid)
		result <- err
	}
	go ping()
	next(t, heard, "PING 65535")
	f.mailboxed.Load().Close(nil)
	f.hangUp()
	next(t, heard, "HELLO 1", "PING 2")
	f.conn = nil
	f.send(f.hello(1, nil))
	f.send(msg.AppendPingOK(nil, 2))
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// A node of the same process answers too.
func TestPingInproc(t *testing.T) {
	t.Parallel()
	a, b := neighbours(t, Config{}, Config{})
	for range 100 {
		if err := a.Whisper(t.Context(), b.UUID(), []byte("text")); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Ping(t.Context(), b.UUID()); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkPing measures the round trip of a PING by tcp, alone and during an endless flood of whispers.
func BenchmarkPing(b *testing.B) {
	for _, size := range []int{0, 16, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("flood-of-%d", size), func(b *testing.B) {
			port := beaconPort()
			from := start(b, onLoopback(port, Config{Transports: []string{TCP}}))
			other, err := New(onLoopback(port, Config{Transports: []string{TCP}}))
			if err != nil {
				b.Fatal(err)
			}
			to := startDeaf(b, other)
			to.skip = func(e Event) bool { return e.Kind == Whisper }
			to.listen()
			to.waitKind(Enter, from.UUID())
			from.waitKind(Enter, to.UUID())
			ctx, cancel := context.WithCancel(b.Context())
			sent := make(chan int)
			go func() {
				i := 0
				for ; size > 0 && from.Whisper(ctx, to.UUID(), make([]byte, size)) == nil; i++ {
				}
				sent <- i
			}()
			var took []time.Duration
			began := time.Now()
			for b.Loop() {
				time.Sleep(2 * time.Millisecond)
				answer, err := from.Ping(b.Context(), to.UUID())
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, answer)
			}
			elapsed := time.Since(began)
			cancel()
			slices.Sort(took)
			b.ReportMetric(float64(<-sent)/elapsed.Seconds(), "msg/s")
			b.ReportMetric(took[len(took)/2].Seconds()*1000, "ms-p50")
			b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "ms-p99")
			b.ReportMetric(0, "ns/op")
		})
	}
}
