package testbed

import (
	"bytes"
	"container/heap"
	"math/rand/v2"
	"sync"
	"time"
)

// cableDirection carries frames along a Wire, one way.
type cableDirection struct {
	from, to tap
	wake     chan struct{} // holds a token when another frame may be the first under way

	mu       sync.Mutex // also keeps the frames in order while they are written
	trouble  Trouble
	blocked  bool
	random   *rand.Rand
	inFlight frameHeap
	last     time.Time // when the newest frame arrives that was not held back
}

// maxDelayed bounds the frames in flight in one direction; beyond it they are lost.
const maxDelayed = 2000

// maxFrame is more than an interface with Ethernet's usual MTU sends.
const maxFrame = 2048

// ethernetHeader is the length of a header ahead of the IP packet.
const ethernetHeader = 14

func newLane(from, to tap, random *rand.Rand) *cableDirection {
	return &cableDirection{from: from, to: to, random: random, wake: make(chan struct{}, 1)}
}

// readFrames reads frames until its interface is closed.
func (l *cableDirection) readFrames() {
	frame := make([]byte, maxFrame)
	for {
		n, err := l.from.Read(frame)
		if err != nil {
			return
		}
		l.send(frame[:n], time.Now())
	}
}

// send decides what becomes of a frame.
func (l *cableDirection) send(frame []byte, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	happens := func(share float64) bool { return share > 0 && l.random.Float64() < share }
	if l.blocked || happens(l.trouble.Loss) || l.trouble.Largest > 0 && len(frame)-ethernetHeader > l.trouble.Largest {
		return
	}
	copies := 1
	if happens(l.trouble.Duplicate) {
		copies = 2
	}
	for range copies {
		due := now.Add(l.trouble.Delay)
		if l.trouble.Jitter > 0 {
			due = due.Add(time.Duration(l.random.Int64N(int64(l.trouble.Jitter))))
		}
		if happens(l.trouble.Reorder) {
			due = due.Add(reorderDelay)
		} else {
			if !due.After(l.last) {
				due = l.last.Add(1) // not equal, so that the heap keeps the order
			}
			l.last = due
		}
		l.enqueue(frame, due, now)
	}
}

// enqueue sends a frame on its way, at once if nothing delays it. The caller holds the lock.
func (l *cableDirection) enqueue(frame []byte, due, now time.Time) {
	switch {
	case len(l.inFlight) == 0 && !due.After(now):
		l.write(frame)
	case len(l.inFlight) < maxDelayed:
		heap.Push(&l.inFlight, delayedFrame{bytes.Clone(frame), due})
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// write hands a frame over. An interface that is down does not take it, as with any cable.
func (l *cableDirection) write(frame []byte) { _, _ = l.to.Write(frame) }

// deliver writes the frames under way when they are due, until the end.
func (l *cableDirection) deliver(end <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(l.writeDue())
		select {
		case <-timer.C:
		case <-l.wake:
		case <-end:
			return
		}
	}
}

// writeDue writes what is due and returns the time until more is.
func (l *cableDirection) writeDue() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.inFlight) > 0 {
		if wait := time.Until(l.inFlight[0].due); wait > 0 {
			return wait
		}
		l.write(heap.Pop(&l.inFlight).(delayedFrame).frame)
	}
	return time.Hour
}

// set changes what happens to frames that come from now on.
func (l *cableDirection) set(trouble Trouble) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = trouble
}

func (l *cableDirection) block(blocked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blocked = blocked
}

// delayedFrame is a frame that arrives later.
type delayedFrame struct {
	frame []byte
	due   time.Time
}

// frameHeap is a heap of frames, the next one first.
type frameHeap []delayedFrame

func (w frameHeap) Len() int           { return len(w) }
func (w frameHeap) Less(i, j int) bool { return w[i].due.Before(w[j].due) }
func (w frameHeap) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *frameHeap) Push(f any)        { *w = append(*w, f.(delayedFrame)) }
func (w *frameHeap) Pop() any {
	old := *w
	f := old[len(old)-1]
	old[len(old)-1] = delayedFrame{}
	*w = old[:len(old)-1]
	return f
}
