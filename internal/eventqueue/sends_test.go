package eventqueue

import (
	"fmt"
	"runtime"
	"testing"
)

// whisperOf returns a WHISPER of one frame.
func whisperOf(octets int) *Event {
	return &Event{Kind: Whisper, Peer: &Peer{}, Frames: [][]byte{make([]byte, octets)}}
}

// offer offers messages until there is no room, at most most of them, and returns how many were taken.
func offer(q *Queue, s *Stream, octets, most int) (taken int) {
	for taken < most {
		e := whisperOf(octets)
		if q.Offer(s, e, Size(e.Frames), Limits{}) != nil {
			return taken
		}
		taken++
	}
	return taken
}

// While a send waits and nothing is read, the memory of events bounds them; else their number does.
func TestLiftBound(t *testing.T) {
	const octets = 100
	cost := eventCost + FrameCost + octets
	for _, test := range []struct {
		name string
		do   func(q *Queue)
		want int
	}{
		{"no send waits", func(*Queue) {}, 4},
		{"one waits", func(q *Queue) { q.BeginWait() }, 4},
		{"a send waits, and nothing is read", func(q *Queue) { q.BeginWait(); q.LiftBound() }, 20},
		{"the send has ended", func(q *Queue) { q.BeginWait(); q.LiftBound(); q.EndWait(true) }, 4},
		{"one of two sends has ended", func(q *Queue) { q.BeginWait(); q.BeginWait(); q.LiftBound(); q.LiftBound(); q.EndWait(true) }, 20},
		{"a send without the lift has ended", func(q *Queue) { q.BeginWait(); q.BeginWait(); q.LiftBound(); q.EndWait(false) }, 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			q, s := New(Limits{4, 20 * cost}), new(Stream)
			test.do(q)
			if got := offer(q, s, octets, 100); got != test.want {
				t.Errorf("%d messages had room, want %d", got, test.want)
			}
		})
	}
}

// When no send waits any more, the messages beyond the bound decrease as they are taken, and there is room all the while.
func TestBoundReturnsAfterLift(t *testing.T) {
	q, s := New(Limits{8, 1 << 20}), new(Stream)
	q.BeginWait()
	q.LiftBound()
	offer(q, s, 10, 100)
	q.EndWait(true)
	if got := offer(q, s, 10, 1); got != 0 {
		t.Fatal("there is room beyond what waits")
	}
	pending, all := 100, 100
	var batch []Event
	for pending > 8 {
		batch, _ = q.Take(batch, nil)
		if len(batch) > 8 {
			t.Fatalf("%d events at a time, want 8", len(batch))
		}
		pending -= len(batch)
		got := offer(q, s, 10, 100)
		if got == 0 || pending > 8 && got > len(batch)/2 {
			t.Fatalf("%d are taken, and then %d have room; %d wait", len(batch), got, pending)
		}
		pending += got
		all += got
	}
	if messages, _ := q.Depth(); messages != pending || all > 200 {
		t.Errorf("%d messages wait, want %d; %d in all", messages, pending, all)
	}
	q.Take(batch, nil)
	if got := offer(q, s, 10, 100); got != 8 {
		t.Errorf("in the end there is room for %d, want 8", got)
	}
}

// The counts are right when events are taken in portions.
func TestPortions(t *testing.T) {
	q, s := New(Limits{3, 1 << 20}), new(Stream)
	q.BeginWait()
	q.LiftBound()
	first, second := &Peer{Groups: []string{"a"}}, &Peer{Groups: []string{"a", "b"}}
	for i := range 50 {
		peer := first
		if i%7 > 3 {
			peer = second
		}
		q.Push(s, Event{Kind: Join, Peer: peer})
		q.Announce(Event{Kind: ProblemChanged, Peer: first})
		offer(q, s, i, 1)
		offer(q, s, 1, 1)
	}
	var batch []Event
	next := 0
	for len(q.pending) > 0 {
		batch, _ = q.Take(batch, nil)
		for _, e := range batch {
			if e.Kind == Whisper && len(e.Frames[0]) != 1 {
				if len(e.Frames[0]) < next {
					t.Fatalf("message %d after %d", len(e.Frames[0]), next)
				}
				next = len(e.Frames[0])
			}
		}
		if q.messages < 0 || q.bytes < 0 || q.membership < 0 {
			t.Fatalf("%d messages, %d bytes, membership %d", q.messages, q.bytes, q.membership)
		}
		if len(q.pending) <= 3 && q.messages != countMessages(q.pending) {
			t.Fatalf("%d messages are counted, %d wait", q.messages, countMessages(q.pending))
		}
	}
	if next != 49 || q.messages != 0 || q.bytes != 0 || q.membership != 0 {
		t.Errorf("the last is %d; %d messages, %d bytes, membership %d are left", next, q.messages, q.bytes, q.membership)
	}
}

func countMessages(events []Event) (count int) {
	for _, e := range events {
		if e.Kind == Whisper {
			count++
		}
	}
	return count
}

// A portion of large messages is some of them, though their number would allow all. If no send waits it is all.
func TestPortionOfLargeMessages(t *testing.T) {
	q, s := New(Limits{100, 64 << 20}), new(Stream)
	q.BeginWait()
	offer(q, s, 1<<20, 20)
	batch, _ := q.Take(nil, nil)
	if messages, octets := q.Depth(); len(batch) != 4 || messages != 16 || octets != 16*(1<<20+FrameCost) {
		t.Errorf("%d taken; %d messages of %d bytes are left", len(batch), messages, octets)
	}
	q.EndWait(false)
	if batch, _ = q.Take(batch, nil); len(batch) != 16 {
		t.Errorf("%d taken while no send waits, want 16", len(batch))
	}
}

// An application reads while a send waits, or not.
func TestReads(t *testing.T) {
	q, s := New(Limits{4, 1 << 20}), new(Stream)
	offer(q, s, 1, 1)
	q.NoteRead()
	if q.Reads() != 0 {
		t.Error("it counts though no send waits")
	}
	q.BeginWait()
	q.NoteRead()
	if q.Reads() != 1 {
		t.Error("an event that was read does not count")
	}
	q.Take(nil, nil)
	if q.Reads() != 2 {
		t.Error("an application that comes for more does not count")
	}
}

// While the bound is lifted, waiting messages hold no more memory than Octets allows, whatever their size.
func TestLiftedMemory(t *testing.T) {
	const most = 16 << 20
	for _, size := range []int{0, 8, 100, 1000, 10_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			q, s := New(Limits{1024, most}), new(Stream)
			q.BeginWait()
			q.LiftBound()
			before := heap()
			peer := &Peer{}
			for {
				e := Event{Kind: Whisper, Peer: peer, Frames: [][]byte{make([]byte, size)}}
				if q.Offer(s, &e, Size(e.Frames), Limits{}) != nil {
					break
				}
			}
			used := heap() - before
			if messages, _ := q.Depth(); used > most*11/10 || used < most/4 {
				t.Errorf("%d messages hold %d bytes, the bound is %d", messages, used, most)
			}
			runtime.KeepAlive(q)
		})
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
