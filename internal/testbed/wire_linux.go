package testbed

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// Wire is a cable between a host and its LAN that can be bad, in both directions alike or in one. The frames pass through this process. A
// new one is as good as any.
type Wire struct {
	host     tap             // the interface of the host
	bridge   tap             // the port of the bridge
	out, in  *cableDirection // from the host, to the host
	end      chan struct{}
	carriers sync.WaitGroup
}

// Trouble is what happens to the frames on a Wire. Shares are from 0 to 1; each frame is drawn separately.
type Trouble struct {
	Loss      float64 // share of frames that never arrive
	Duplicate float64 // share that arrives twice
	Reorder   float64 // share that is held back for 20 ms, while others pass
	Delay     time.Duration
	Jitter    time.Duration // up to this much is added to the delay; frames stay in order
	Largest   int           // longer IP packets never arrive, without an error; 0 for none
}

const reorderDelay = 20 * time.Millisecond

// WiredHost is Host with a Wire for its cable. The seed decides what happens to each frame.
func (l *LAN) WiredHost(name string, seed uint64) (*Host, *Wire) {
	l.t.Helper()
	h := l.host(name)
	w := &Wire{end: make(chan struct{})}
	h.wire = w
	w.host, w.bridge = mustTap(l.t, h.port+"h"), mustTap(l.t, h.port)
	w.out = newLane(w.host, w.bridge, rand.New(rand.NewPCG(seed, 1)))
	w.in = newLane(w.bridge, w.host, rand.New(rand.NewPCG(seed, 2)))
	l.t.Cleanup(func() {
		close(w.end)
		w.host.Close()
		w.bridge.Close()
		w.carriers.Wait()
	})
	for _, lane := range []*cableDirection{w.out, w.in} {
		w.carriers.Go(lane.readFrames)
		w.carriers.Go(func() { lane.deliver(w.end) })
	}
	must(l.t, "link", "set", h.port+"h", "netns", h.namespace, "name", h.Interface)
	h.connect()
	return h, w
}

func mustTap(t testing.TB, name string) tap {
	t.Helper()
	d, err := newTap(name)
	if err != nil {
		Missing(t, "tap devices: %v", err)
	}
	return d
}

// Set makes the wire bad in some way, in both directions; frames under way are not affected. The zero Trouble makes it good.
func (w *Wire) Set(trouble Trouble) {
	w.out.set(trouble)
	w.in.set(trouble)
}

// Block stops frames from the host, or to it, or both, or neither.
func (w *Wire) Block(out, in bool) {
	w.out.block(out)
	w.in.block(in)
}
