package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// A script is a ROUTER that a test controls by hand. Each connection's messages come on conns' sessions.
type script struct {
	t      testing.TB
	router *zmtp.Router
	conns  chan *part
}

// A part is one connection of a script.
type part struct {
	rawClient
	answer atomic.Bool // PINGs
}

func (l lab) script(address string, properties map[string]string) *script {
	s := &script{t: l, conns: make(chan *part, 1000)}
	s.router = zmtp.NewRouter(zmtp.Config{Properties: properties}, func(c *zmtp.Conn) (zmtp.Receiver, error) {
		p := &part{rawClient: rawClient{t: l, conn: c, messages: make(chan [][]byte, 1000), closed: make(chan error, 1)}}
		p.answer.Store(true)
		s.conns <- p
		return p, nil
	})
	served := make(chan struct{})
	listener := l.net.listen(l, address)
	go func() { defer close(served); _ = s.router.Serve(listener) }()
	l.Cleanup(func() { _ = s.router.Close(); <-served })
	return s
}

// Receive leaves PINGs out.
func (p *part) Receive(frames [][]byte) error {
	if m, err := decode(frames); err == nil && m.Kind == Ping {
		if p.answer.Load() {
			p.sendAll(pong)
		}
		return nil
	}
	return p.rawClient.Receive(frames)
}

func (s *script) next() *part {
	s.t.Helper()
	synctest.Wait()
	select {
	case p := <-s.conns:
		return p
	default:
		s.t.Fatal("no connection came")
		return nil
	}
}

func (l *learned) lines() (s []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.changes {
		switch {
		case c.Up:
			s = append(s, "up")
		case errors.Is(c.Err, ErrInvalid):
			s = append(s, "invalid")
		case errors.Is(c.Err, ErrSilent):
			s = append(s, "silent")
		case errors.Is(c.Err, errRefused):
			s = append(s, "refused")
		case c.Err != nil:
			s = append(s, "ended")
		}
	}
	return s
}

// TestClient checks that what a hub sends reaches the application, and the other way round.
func TestClient(t *testing.T) {
	inLab(t, func(l lab) {
		s := l.script("hub:1", nil)
		var got learned
		c := l.client("hub:1", got.config())
		publish(l, c, "own", "1")
		p := s.next()
		p.expect(hello, pub("own", "1", 0))
		p.send([]byte("rubbish"))
		p.send(pub("x", "y", 0).AppendTo(nil), nil)
		p.sendAll(hello, ping, pub("a", "1", 5*time.Second), pub("own", "1", 0), pub("long", string(make([]byte, 9)), 0))
		synctest.Wait()
		if got.size() != 1 || got.tuples["a"] != (Tuple{Key: "a", Value: "1"}) {
			t.Errorf("learned %+v; a TTL of a hub that may be czmq's means nothing", got.tuples)
		}
		publish(l, c, "own", "2")
		publish(l, c, "other", "3")
		p.expect(pub("own", "2", 0), pub("other", "3", 0))
		if err := c.Publish(Tuple{Key: "\x00"}); err == nil {
			t.Error("a tuple with a NUL was accepted")
		}
		if story := got.lines(); !slices.Equal(story, []string{"up"}) {
			t.Error(story)
		}
	})
}

func TestTrustedTTL(t *testing.T) {
	inLab(t, func(l lab) {
		s := l.script("hub:1", map[string]string{PropertyTTL: "1"})
		var got learned
		l.client("hub:1", got.config())
		s.next().sendAll(pub("a", "1", 5*time.Second))
		synctest.Wait()
		if got.tuples["a"].TTL != 5*time.Second {
			t.Errorf("learned %+v", got.tuples)
		}
	})
}

// TestInterval checks that PINGs come often enough for czmq's 1 s.
func TestInterval(t *testing.T) {
	inLab(t, func(l lab) {
		var last, longest atomic.Int64
		last.Store(time.Now().UnixNano())
		var n atomic.Int64
		recv := receiver(func(frames [][]byte) {
			now := time.Now().UnixNano()
			longest.Store(max(longest.Load(), now-last.Swap(now)))
			n.Add(1)
		})
		r := zmtp.NewRouter(zmtp.Config{}, func(c *zmtp.Conn) (zmtp.Receiver, error) {
			go func() { // something other than PONG is an answer, too
				for range 40 {
					<-time.After(4 * time.Second)
					_ = c.Queue().Push(pub("k", "v", 0).AppendTo(nil))
				}
			}()
			return recv, nil
		})
		go r.Serve(l.net.listen(l, "hub:1"))
		l.Cleanup(func() { _ = r.Close() })
		var got learned
		c := l.client("hub:1", got.config())
		elapse(2 * time.Minute)
		_ = c.Close()
		if d := time.Duration(longest.Load()); d > time.Second/2 || n.Load() < 240 {
			t.Errorf("silent for %v, %d messages", d, n.Load())
		}
		if story := got.lines(); !slices.Equal(story, []string{"up"}) {
			t.Error(story)
		}
		elapse(time.Minute)
	})
}

type receiver func(frames [][]byte)

func (r receiver) Receive(frames [][]byte) error { r(frames); return nil }
func (r receiver) Closed(error)                  {}

func TestInvalid(t *testing.T) {
	inLab(t, func(l lab) {
		s := l.script("hub:1", nil)
		var got learned
		c := l.client("hub:1", got.config())
		publish(l, c, "own", "1")
		p := s.next()
		p.expect(hello, pub("own", "1", 0))
		elapse(10 * time.Second)
		p.got()
		p.sendAll(invalid, invalid)
		elapse(2 * shortestWait)
		s.next().expect(hello, pub("own", "1", 0))
		if story := got.lines(); !slices.Equal(story, []string{"up", "invalid", "up"}) {
			t.Error(story)
		}
	})
}

// TestAlwaysInvalid has a hub that never serves us: we reconnect, but not often.
func TestAlwaysInvalid(t *testing.T) {
	inLab(t, func(l lab) {
		r := zmtp.NewRouter(zmtp.Config{}, func(c *zmtp.Conn) (zmtp.Receiver, error) {
			return receiver(func([][]byte) { _ = c.Queue().Push(invalid.AppendTo(nil)) }), nil
		})
		go r.Serve(l.net.listen(l, "hub:1"))
		l.Cleanup(func() { _ = r.Close() })
		var got learned
		l.client("hub:1", got.config())
		elapse(5 * time.Minute)
		if n := l.net.count(); n < 50 || n > 200 {
			t.Errorf("%d connections in 5 minutes", n)
		}
		if story := got.lines(); !slices.Equal(story, []string{"invalid"}) {
			t.Error(story)
		}
	})
}

func (n *memNet) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

func TestSilentHub(t *testing.T) {
	inLab(t, func(l lab) {
		s := l.script("hub:1", nil)
		var got learned
		l.client("hub:1", got.config())
		p := s.next()
		elapse(time.Minute)
		p.answer.Store(false)
		elapse(maxUnanswered*pingEvery - pingEvery)
		if story := got.lines(); !slices.Equal(story, []string{"up"}) {
			t.Fatal(story)
		}
		elapse(3 * pingEvery)
		s.next()
		if story := got.lines(); !slices.Equal(story, []string{"up", "silent", "up"}) {
			t.Error(story)
		}
	})
}

// TestSlowApplication has a Learned that takes a long time, which is not the hub's fault.
func TestSlowApplication(t *testing.T) {
	inLab(t, func(l lab) {
		s := l.script("hub:1", nil)
		var got learned
		cfg := got.config()
		learn := cfg.Learned
		cfg.Learned = func(t Tuple) { <-time.After(time.Minute); learn(t) }
		l.client("hub:1", cfg)
		p := s.next()
		for i := range 5 {
			p.sendAll(pub(fmt.Sprint(i), "1", 0))
		}
		elapse(6 * time.Minute)
		if story := got.lines(); got.size() != 5 || !slices.Equal(story, []string{"up"}) {
			t.Error(got.size(), story)
		}
	})
}

func TestReconnect(t *testing.T) {
	inLab(t, func(l lab) {
		var got, second learned
		c := l.client("hub:1", got.config())
		publish(l, c, "own", "1")
		elapse(10 * time.Minute)
		if n := l.net.count(); n < 100 || n > 400 {
			t.Errorf("%d attempts in 10 minutes", n)
		}
		h, stop := l.hub("hub:1", Config{})
		publish(l, h, "a", "1")
		elapse(4 * longestWait)
		if got.value("a") != "1" || h.Len() != 2 {
			t.Errorf("a is %q, %d tuples", got.value("a"), h.Len())
		}
		stop()
		h, stop = l.hub("hub:1", Config{})
		elapse(2 * shortestWait)
		if h.Clients() != 1 {
			t.Error("after a connection that held the first attempt should come soon")
		}
		stop()
		elapse(10 * time.Second)
		h, _ = l.hub("hub:1", second.config())
		publish(l, h, "b", "1")
		elapse(2 * longestWait)
		if got.value("b") != "1" || second.value("own") != "1" {
			t.Errorf("b is %q, own %q", got.value("b"), second.value("own"))
		}
		if story := got.lines(); !slices.Equal(story, []string{"refused", "up", "ended", "up", "ended", "up"}) {
			t.Error(story)
		}
	})
}

// TestRefresh checks that our own tuples are published again now and then, and soon if the hub has another value.
func TestRefresh(t *testing.T) {
	inLab(t, func(l lab) {
		s := l.script("hub:1", nil)
		c := l.client("hub:1", Config{})
		publish(l, c, "own", "1")
		p := s.next()
		p.expect(hello, pub("own", "1", 0))
		elapse(refreshEvery - pingEvery)
		p.expect()
		elapse(2 * pingEvery)
		p.expect(pub("own", "1", 0))
		p.sendAll(pub("own", "stolen", 0), pub("own", "stolen", 0))
		elapse(pingEvery)
		p.expect(pub("own", "1", 0))
		if err := c.Publish(Tuple{Key: "own", Value: "1", TTL: 6 * time.Second}); err != nil {
			t.Fatal(err)
		}
		p.expect(pub("own", "1", 6*time.Second))
		elapse(2*time.Second + pingEvery)
		p.expect(pub("own", "1", 6*time.Second))
	})
}

// TestMany has more tuples than a queue takes at once.
func TestMany(t *testing.T) {
	inLab(t, func(l lab) {
		const many = 1500
		cfg := Config{Limits: Limits{Tuples: 2 * many, TuplesPerAddress: many}}
		h, _ := l.hub("hub:1", cfg)
		var got learned
		up := got.config()
		up.Limits = cfg.Limits
		c := l.client("hub:1", up)
		for i := range many {
			publish(l, h, fmt.Sprint("a", i), "1")
			publish(l, c, fmt.Sprint("b", i), "1")
		}
		elapse(time.Second)
		if h.Len() != 2*many || got.size() != many {
			t.Errorf("%d tuples, %d learned", h.Len(), got.size())
		}
		elapse(time.Minute)
		if n := got.ups(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestFarewell(t *testing.T) {
	inLab(t, func(l lab) {
		s := l.script("hub:1", nil)
		c := l.client("hub:1", Config{})
		publish(l, c, "own", "1")
		p := s.next()
		p.expect(hello, pub("own", "1", 0))
		_ = c.Close()
		_ = c.Close()
		p.expect(pub("own", "1", farewellTTL))
		synctest.Wait()
		if p.conn.Err() == nil {
			t.Error("the connection is open after Close")
		}
		if err := c.Publish(Tuple{Key: "k"}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Publish after Close: %v", err)
		}
	})
}

// TestCloseWhileDialling ends attempts that would never end.
func TestCloseWhileDialling(t *testing.T) {
	inLab(t, func(l lab) {
		cfg := Config{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }}
		c := newTestClient(l, "hub:1", cfg)
		elapse(time.Second)
		began := time.Now()
		_ = c.Close()
		if d := time.Since(began); d != 0 {
			t.Errorf("Close took %v", d)
		}
	})
}

func TestAddress(t *testing.T) {
	h := NewHub(Config{})
	defer h.Close()
	for _, address := range []string{"", "host", ":1", "host:", "tcp://host:1", "fd77::1:1"} {
		if c, err := NewClient(address, Config{}); err == nil {
			t.Errorf("NewClient accepts the address %q", address)
			_ = c.Close()
		}
		if err := h.Connect(address); err == nil {
			t.Errorf("Connect accepts the address %q", address)
		}
	}
}

// TestCallsBesideClose calls everything while a Hub closes.
func TestCallsBesideClose(t *testing.T) {
	inLab(t, func(l lab) {
		var h *Hub
		h, _ = l.hub("hub:1", Config{
			Learned: func(Tuple) { _ = h.Publish(Tuple{Key: "answer"}); _ = h.Connect("hub:3") },
			Changed: func(Change) { h.Unpublish("answer") },
		})
		_ = h.Connect("hub:2")
		c := l.client("hub:1", Config{})
		for i := range 100 {
			publish(l, c, fmt.Sprint(i), "1")
		}
		done := make(chan struct{}, 3)
		for range 3 {
			go func() { _ = h.Close(); done <- struct{}{} }()
		}
		for range 3 {
			<-done
		}
	})
}
