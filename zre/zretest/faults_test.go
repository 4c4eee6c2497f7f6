package zretest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A member is a node of a cluster that talks all the time: it sends numbered whispers to every peer and numbered shouts to the group.
type member struct {
	*zretest.Watched
	t       testing.TB
	host    *zretest.Host
	id      uuid.UUID
	name    string
	options []zre.Option

	talking repeater

	mu       sync.Mutex
	whispers map[uuid.UUID]uint64 // queued so far
	shouts   uint64
}

const group = "ALL"

func newMember(t testing.TB, host *zretest.Host, name string, more ...zre.Option) *member {
	m := &member{t: t, host: host, name: name, id: uuid.New(), options: more}
	m.start()
	return m
}

func (m *member) start() {
	m.whispers, m.shouts = make(map[uuid.UUID]uint64), 0
	options := append([]zre.Option{zre.WithName(m.name), zre.WithUUID(m.id)}, m.options...)
	if flag.Lookup("zretest.seed").Value.String() != "0" { // a given seed asks for details
		options = append(options, zre.WithLogger(zerolog.New(zerolog.NewTestWriter(m.t)).With().Timestamp().Logger()))
	}
	m.Watched = zretest.Start(m.t, m.host, options...)
	if err := m.Join(group); err != nil {
		m.t.Errorf("%s: %v", m.name, err)
	}
	m.startTalking()
}

// A repeater repeats what a node sends until it is stopped.
type repeater struct {
	stop context.CancelFunc
	wait sync.WaitGroup
}

// begin calls say every 400 ms.
func (c *repeater) begin(ctx context.Context, say func(ctx context.Context)) {
	ctx, c.stop = context.WithCancel(ctx)
	c.wait.Go(func() {
		tick := time.NewTicker(400 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				say(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
}

// end waits until say no longer runs.
func (c *repeater) end() {
	c.stop()
	c.wait.Wait()
}

// startTalking begins to send messages.
func (m *member) startTalking() { m.talking.begin(m.t.Context(), m.sendOnce) }

// sendOnce sends one message to each peer and one to the group.
func (m *member) sendOnce(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, peer := range m.Peers() {
		err := m.Whisper(ctx, peer.UUID, zretest.Number(m.whispers[peer.UUID]))
		switch {
		case err == nil:
			m.whispers[peer.UUID]++
		case errors.Is(err, zre.ErrUnknownPeer), errors.Is(err, zre.ErrPeerBusy), errors.Is(err, zre.ErrClosed), ctx.Err() != nil:
		default:
			m.t.Errorf("%s: %v", m.name, err)
		}
	}
	// A shout that a member missed leaves a gap for it, which is allowed if the member was dropped for it.
	if err := m.Shout(ctx, group, zretest.Number(m.shouts)); err == nil || errors.Is(err, zre.ErrPeerBusy) {
		m.shouts++
	}
}

// stopTalking ends that.
func (m *member) stopTalking() { m.talking.end() }

// end ends the node by how, then closes it.
func (m *member) end(how func()) {
	m.stopTalking()
	how()
	if err := m.Close(); err != nil && len(zre.Losses(err)) == 0 { // its last messages to hosts that are down are lost
		m.t.Errorf("%s: %v", m.name, err)
	}
}

// restart starts the program again, as a new process with the same UUID.
func (m *member) restart() {
	m.host = m.host.Process()
	m.start()
}

// A fault is something that happens to a cluster. Its result undoes it, if healing the network is not enough.
type fault struct {
	name string
	do   func(lan *zretest.LAN, r *rand.Rand, all []*member, m *member)
}

// faults can happen at any time and in any order. When one begins each member runs, though it may be frozen or unreachable.
var faults = []fault{
	{"partition", func(lan *zretest.LAN, r *rand.Rand, all []*member, m *member) {
		var side []*zretest.Host
		for _, o := range all {
			if r.IntN(2) == 0 {
				side = append(side, o.host)
			}
		}
		lan.Partition(side...)
	}},
	{"block one way", func(lan *zretest.LAN, r *rand.Rand, all []*member, m *member) {
		lan.Block(m.host, all[r.IntN(len(all))].host)
	}},
	{"heal", func(lan *zretest.LAN, _ *rand.Rand, _ []*member, _ *member) { lan.Heal() }},
	{"bad link", func(lan *zretest.LAN, r *rand.Rand, _ []*member, _ *member) { lan.SetLink(anyLink(r)) }},
	{"interface down", func(_ *zretest.LAN, _ *rand.Rand, _ []*member, m *member) { m.host.InterfaceDown("eth0") }},
	{"interface up", func(_ *zretest.LAN, _ *rand.Rand, _ []*member, m *member) { m.host.InterfaceUp("eth0") }},
	{"reset", func(_ *zretest.LAN, _ *rand.Rand, _ []*member, m *member) { m.host.ResetConnections() }},
	{"freeze", func(_ *zretest.LAN, _ *rand.Rand, _ []*member, m *member) { m.host.Freeze() }},
	{"thaw", func(_ *zretest.LAN, _ *rand.Rand, _ []*member, m *member) { m.host.Thaw() }},
	{"pause", func(_ *zretest.LAN, _ *rand.Rand, _ []*member, m *member) { m.Pause() }},
	{"resume", func(_ *zretest.LAN, _ *rand.Rand, _ []*member, m *member) { m.Resume() }},
	{"kill and restart", func(_ *zretest.LAN, r *rand.Rand, _ []*member, m *member) {
		m.end(m.host.Kill)
		time.Sleep(time.Duration(r.Int64N(int64(40 * time.Second))))
		m.restart()
	}},
	{"crash and restart", func(_ *zretest.LAN, r *rand.Rand, _ []*member, m *member) {
		m.end(m.host.Crash)
		time.Sleep(time.Duration(r.Int64N(int64(40 * time.Second))))
		m.host.Boot()
		m.restart()
	}},
	{"close and restart", func(_ *zretest.LAN, r *rand.Rand, _ []*member, m *member) {
		m.host.Thaw()
		m.end(func() {})
		time.Sleep(time.Duration(r.Int64N(int64(10 * time.Second))))
		m.restart()
	}},
	{"another address", func(_ *zretest.LAN, r *rand.Rand, _ []*member, m *member) {
		m.host.SetAddresses("eth0", fmt.Sprintf("10.0.%d.%d/16", 1+r.IntN(200), 1+r.IntN(200)))
	}},
}

func anyLink(r *rand.Rand) zretest.Link {
	link := zretest.Link{Latency: time.Duration(r.Int64N(int64(50 * time.Millisecond)))}
	if r.IntN(2) == 0 {
		link.Jitter = time.Duration(r.Int64N(int64(20 * time.Millisecond)))
	}
	if r.IntN(2) == 0 {
		link.Loss = 0.3 * r.Float64()
	}
	if r.IntN(3) == 0 {
		link.Duplicate, link.Reorder = 0.2*r.Float64(), 0.2*r.Float64()
	}
	if r.IntN(4) == 0 {
		link.Bandwidth = 10_000 + r.IntN(1_000_000)
	}
	return link
}

// Whatever happens to a network, once it is healthy again all nodes meet, and the events of every node were consistent.
func TestFaults(t *testing.T) {
	runs := 200
	if underRace {
		runs = 30
	}
	zretest.Run(t, runs, func(t *testing.T, lan *zretest.LAN) {
		r := lan.Rand()
		lan.SetLink(anyLink(r))
		var all []*member
		var steps []string
		defer func() {
			if t.Failed() {
				t.Logf("steps: %v", steps)
			}
		}()
		for i := range 2 + r.IntN(4) {
			host := lan.Host(fmt.Sprintf("10.0.0.%d/16", i+1))
			if i > 0 && r.IntN(4) == 0 {
				host = all[i-1].host.Process()
			}
			all = append(all, newMember(t, host, string(rune('a'+i))))
		}
		start := time.Now()
		for range r.IntN(12) {
			time.Sleep(time.Duration(r.ExpFloat64() * float64(8*time.Second)))
			m, f := all[r.IntN(len(all))], faults[r.IntN(len(faults))]
			if f.name == "crash and restart" && shared(all, m) {
				continue
			}
			steps = append(steps, fmt.Sprintf("%v %s(%s)", time.Since(start).Round(time.Millisecond), f.name, m.name))
			f.do(lan, r, all, m)
		}
		steps = append(steps, fmt.Sprintf("%v well", time.Since(start).Round(time.Millisecond)))
		healNetwork(lan, all)
		expectConvergence(t, all)
	})
}

// shared reports whether another member is on the same machine.
func shared(all []*member, m *member) bool {
	return slices.ContainsFunc(all, func(o *member) bool { return o != m && o.host.String() == m.host.String() })
}

// healNetwork makes the network healthy.
func healNetwork(lan *zretest.LAN, all []*member) {
	lan.SetLink(zretest.Link{Latency: time.Millisecond})
	lan.Heal()
	for _, m := range all {
		m.host.Thaw()
		m.host.InterfaceUp("eth0")
		m.Resume()
	}
}

// expectConvergence waits until all members see each other and hear everything the others send, twice in a row. That may take as long as TCP
// retransmits on a connection to a vanished address.
func expectConvergence(t *testing.T, all []*member) {
	t.Helper()
	start := time.Now()
	for good := 0; good < 2; good++ {
		advance(15 * time.Second)
		for _, m := range all {
			m.stopTalking()
		}
		advance(2 * time.Second)
		wrong := missing(all)
		if len(wrong) == 0 {
			continue
		}
		if time.Since(start) > 20*time.Minute {
			t.Errorf("after %v on a healthy network:\n%s", time.Since(start), strings.Join(wrong, "\n"))
			return
		}
		good = -1
		for _, m := range all {
			m.startTalking()
		}
	}
}

// missing lists what members do not see or have not heard, while none talks.
func missing(all []*member) (list []string) {
	note := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	for _, m := range all {
		for _, o := range all {
			if o == m {
				continue
			}
			peer, ok := m.Peer(o.id)
			if !ok {
				note("%s does not see %s", m.name, o.name)
				continue
			}
			if !slices.Equal(peer.Groups, []string{group}) {
				note("%s sees %s in groups %q", m.name, o.name, peer.Groups)
			}
			whisper, shout := lastHeard(m, o)
			if whisper+1 != o.whispers[m.id] || shout+1 != o.shouts {
				note("%s received from %s up to whisper %d and shout %d, want %d and %d", m.name, o.name, whisper+1, shout+1, o.whispers[m.id], o.shouts)
			}
		}
		var told zretest.EventChecker
		for _, event := range m.Seen() {
			_ = told.Check(event) // checked before
		}
		if len(m.Peers()) != len(all)-1 || told.Present() != len(all)-1 {
			note("%s sees %d peers, and its events have %d, want %d", m.name, len(m.Peers()), told.Present(), len(all)-1)
		}
	}
	return list
}

// lastHeard returns the numbers of the last messages received from a peer.
func lastHeard(m, from *member) (whisper, shout uint64) {
	for _, event := range m.Seen() {
		if event.From().UUID != from.id {
			continue
		}
		switch e := event.(type) {
		case zre.Whisper:
			whisper, _ = zretest.ParseNumber(e.Frames[0])
		case zre.Shout:
			shout, _ = zretest.ParseNumber(e.Frames[0])
		}
	}
	return whisper, shout
}
