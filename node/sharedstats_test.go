package node

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// askFor asks for a peer's figures in a goroutine. The channel gets the result.
func askFor(t *testing.T, n *testNode, id uuid.UUID) <-chan error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	ended := make(chan error, 1)
	go func() {
		_, err := n.SharedStats(ctx, id)
		ended <- err
	}()
	return ended
}

// A peer that floods requests gets one answer per second, in the right form.
func TestStatsFlood(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{ShareStats: true}))
	f := newFakePeerWith(t, n, oursWith("state"))
	f.properties = map[string]string{extensionsProperty: "state"}
	answers := make(chan time.Time, 100)
	listen := func(m *msg.Message) {
		if m.ID != msg.Stats {
			return
		}
		figures, err := msg.ParseFigures(m.Figures)
		if err != nil || figures.Peers != 1 || len(figures.List) != 1 || figures.List[0].UUID != f.uuid {
			t.Errorf("got figures %+v, %v; want one peer in them", figures, err)
		}
		answers <- time.Now()
	}
	f.listen.Store(&listen)
	f.enter()
	n.until(t, "it is connected", func() bool { return n.sessions[f.uuid].mailbox != nil })
	began := time.Now()
	for i := range 2000 {
		f.send(msg.AppendAskStats(nil, uint16(2+i)))
	}
	f.send(msg.AppendWhisper(nil, 2002), []byte("still here"))
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "WHISPER:1f"})
	for i := range 2 {
		select {
		case at := <-answers:
			if d := at.Sub(began); d < time.Duration(i)*statsGap {
				t.Errorf("answer %d came after %v, too early", i, d)
			}
			f.send(msg.AppendAskStats(nil, uint16(2003+i))) // the flood may be read before the first answer
		case <-time.After(patience):
			t.Fatal("no answer")
		}
	}
	if len(answers) > 0 && time.Since(began) < 2*statsGap {
		t.Errorf("%d answers more than one per second", len(answers))
	}
}

// These requests get no answer: any peer's to a node that does not share; a foreign peer's, or a malformed one, to a node that shares.
func TestStatsNotAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		shares bool
		peer   zmtp.Config
		words  map[string]string
		ask    []byte
	}{
		"it does not share":   {false, oursWith("state stats"), map[string]string{extensionsProperty: "state stats"}, msg.AppendAskStats(nil, 2)},
		"a foreign peer asks": {true, zmtp.Config{}, nil, msg.AppendAskStats(nil, 2)},
		"form 0":              {true, oursWith("state"), map[string]string{extensionsProperty: "state"}, append(msg.AppendPing(nil, 2)[:2], 130, 2, 0, 2, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t, onLoopback(beaconPort(), Config{ShareStats: c.shares}))
			f := newFakePeerWith(t, n, c.peer)
			f.properties = c.words
			heard := listenTo(f)
			f.enter()
			n.until(t, "it is connected", func() bool { return n.sessions[f.uuid].mailbox != nil })
			f.send(c.ask)
			f.send(msg.AppendWhisper(nil, 3), []byte("still here"))
			n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "WHISPER:1f"})
			if err := n.Join("end"); err != nil {
				t.Fatal(err)
			}
			next(t, heard, "HELLO 1", "JOIN 2")
		})
	}
}

// A node announces that it shares its figures, and otherwise announces the same as always.
func TestStatsWord(t *testing.T) {
	for _, c := range []struct {
		cfg           Config
		network, want string
	}{
		{Config{}, "tcp", "goodbye state headers"},
		{Config{}, "unix", "duplex goodbye state headers"},
		{Config{ShareStats: true}, "tcp", "goodbye state headers stats"},
		{Config{ShareStats: true}, "unix", "duplex goodbye state headers stats"},
	} {
		if got := c.cfg.extensions(c.network); got != c.want {
			t.Errorf("%+v by %s: %q, want %q", c.cfg.ShareStats, c.network, got, c.want)
		}
		n := &Node{cfg: c.cfg}
		if got := n.properties(c.network)[extensionsProperty]; got != c.want {
			t.Errorf("%+v by %s: property %q, want %q", c.cfg.ShareStats, c.network, got, c.want)
		}
	}
}

// Figures without a request, and junk, count in the sequence and have no effect. Requested figures are returned unchanged.
func TestFalseStats(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeerWith(t, n, oursWith("state stats"))
	f.properties = map[string]string{extensionsProperty: "state stats"}
	asked := make(chan struct{}, 10)
	listen := func(m *msg.Message) {
		if m.ID == msg.AskStats {
			asked <- struct{}{}
		}
	}
	f.listen.Store(&listen)
	f.enter()
	n.until(t, "it is connected", func() bool { return n.sessions[f.uuid].mailbox != nil })
	sequence := uint16(1)
	send := func(frame []byte) {
		sequence++
		frame[4], frame[5] = byte(sequence>>8), byte(sequence)
		f.send(frame)
	}
	junk := append(msg.AppendPing(nil, 0), bytes.Repeat([]byte{0xff}, 5000)...)
	junk[2] = byte(msg.Stats)
	for range 100 {
		send(bytes.Clone(junk))
		send(msg.AppendStats(nil, 0, &msg.Figures{Uptime: 1}))
	}

	send(msg.AppendWhisper(nil, 0))
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "WHISPER:1f"})

	ended := askFor(t, n, f.uuid)
	<-asked
	send(bytes.Clone(junk))
	all := &msg.Figures{Uptime: math.MaxUint64, QueuedMessages: math.MaxUint64, QueuedOctets: math.MaxUint64, WaitingEvents: math.MaxUint32, Peers: math.MaxUint32,
		List: []msg.PeerFigures{{QueuedMessages: math.MaxUint32, RTT: math.MaxUint32}}}
	send(msg.AppendStats(nil, 0, all))
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	s := sharedStatsOf(all)
	if s.Uptime <= 0 || s.QueuedMessages <= 0 || s.QueuedOctets <= 0 || s.WaitingEvents <= 0 || s.Peers <= 0 || s.Busiest[0].QueuedMessages <= 0 || s.Busiest[0].RTT <= 0 {
		t.Errorf("figures out of range were not limited: %+v", s)
	}
	if got := n.Stats().Invalid; got != 1 { // only the junk that came while figures were awaited
		t.Errorf("%d invalid messages, want 1", got)
	}

	ended = askFor(t, n, f.uuid) // the peer leaves without an answer
	<-asked
	send(msg.AppendGoodbye(nil, 0))
	f.hangUp()
	if err := <-ended; !errors.Is(err, ErrUnknownPeer) {
		t.Errorf("of a peer that left: %v", err)
	}
}

// A peer that does not answer is asked once more while a caller waits; callers that ask meanwhile share the answer.
func TestStatsAskedAgain(t *testing.T) {
	var f peerFigures
	now := time.Now()
	first, isAsked := f.wait(now)
	if isAsked {
		t.Error("the first caller does not ask the peer")
	}
	if second, isAsked := f.wait(now.Add(statsRetry - 1)); second != first || !isAsked {
		t.Error("a second caller asks the peer again, or has another wait")
	}
	third, isAsked := f.wait(now.Add(statsRetry))
	if third != first || isAsked {
		t.Error("the peer is not asked again")
	}
	if !f.take(msg.AppendStats(nil, 1, &msg.Figures{Peers: 7})[6:]) {
		t.Error("the figures are refused")
	}
	select {
	case <-first.came:
		if first.stats.Peers != 7 {
			t.Errorf("got figures %+v, want those of the STATS", first.stats)
		}
	default:
		t.Error("the waiting callers get no figures")
	}
	if fresh, isAsked := f.wait(now.Add(statsRetry)); fresh == first || isAsked {
		t.Error("a later caller gets old figures")
	}
}

func TestStatsErrors(t *testing.T) {
	t.Parallel()
	n, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.SharedStats(t.Context(), uuid.New()); !errors.Is(err, ErrNotStarted) {
		t.Errorf("before the start: %v", err)
	}
	n.Close()
	if _, err := n.SharedStats(t.Context(), uuid.New()); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	m := start(t, onLoopback(beaconPort(), Config{}))
	if _, err := m.SharedStats(t.Context(), uuid.New()); !errors.Is(err, ErrUnknownPeer) {
		t.Errorf("of an unknown peer: %v", err)
	}
	f := newFakePeerWith(t, m, oursWith("state"))
	f.enter()
	m.until(t, "it is connected", func() bool { return m.sessions[f.uuid].mailbox != nil })
	if _, err := m.SharedStats(t.Context(), f.uuid); !errors.Is(err, ErrStatsNotShared) {
		t.Errorf("of one that does not share: %v", err)
	}
	g := newFakePeerWith(t, m, oursWith("stats"))
	g.enter()
	m.until(t, "it is connected", func() bool { return m.sessions[g.uuid].mailbox != nil })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.SharedStats(ctx, g.uuid); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	ended := askFor(t, m, g.uuid)
	m.until(t, "it is asked", func() bool {
		g := &m.sessions[g.uuid].figures
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.pending != nil
	})
	m.Close()
	if err := <-ended; !errors.Is(err, ErrClosed) && !errors.Is(err, ErrUnknownPeer) {
		t.Errorf("of a node that ends: %v", err)
	}
}
