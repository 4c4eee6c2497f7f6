package eventqueue

import (
	"testing"
	"testing/synctest"
)

// A message of a held stream waits, others do not; it continues when the hold ends, in whatever way.
func TestHold(t *testing.T) {
	for _, test := range []struct {
		name      string
		hold      func(q *Queue, s *Stream)
		end       func(q *Queue, s *Stream) // nil: it does not wait
		delivered bool
	}{
		{"not held", func(*Queue, *Stream) {}, nil, true},
		{"released before", func(q *Queue, s *Stream) { q.Hold(s, true); q.Release(s) }, nil, true},
		{"softly, while a send waits", func(q *Queue, s *Stream) { q.Hold(s, false); q.BeginWait() }, nil, true},
		{"until Release", func(q *Queue, s *Stream) { q.Hold(s, false) }, (*Queue).Release, true},
		{"until a send waits", func(q *Queue, s *Stream) { q.Hold(s, false) }, func(q *Queue, _ *Stream) { q.BeginWait() }, true},
		{"firmly, while a send waits", func(q *Queue, s *Stream) { q.BeginWait(); q.Hold(s, true) }, (*Queue).Release, true},
		{"firmly, after softly", func(q *Queue, s *Stream) { q.BeginWait(); q.Hold(s, false); q.Hold(s, true) }, (*Queue).Release, true},
		{"until all is dropped", func(q *Queue, s *Stream) { q.Hold(s, true) }, func(q *Queue, _ *Stream) { q.Drop() }, true},
		{"until the exit", func(q *Queue, s *Stream) { q.Hold(s, true) }, func(q *Queue, s *Stream) { q.Push(s, Event{Kind: Exit, Peer: noPeer}) }, false},
		{"until the end", func(q *Queue, s *Stream) { q.Hold(s, true) }, func(q *Queue, _ *Stream) { q.Close() }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, s, other := New(Limits{10, 1000}), new(Stream), new(Stream)
				test.hold(q, s)
				waits := test.end != nil
				if err := q.Admits(s, 1, Limits{}); (err == ErrFull) != waits {
					t.Errorf("Admits returns %v", err)
				}
				select {
				case <-q.Room(s):
					if waits {
						t.Error("Room says that there is some")
					}
				default:
					if !waits {
						t.Error("Room says that there is none")
					}
				}
				result := make(chan bool, 1)
				go func() { result <- q.Deliver(s, whisperOf(1), 1, nil) }()
				synctest.Wait()
				if s.Stalled() != waits {
					t.Fatalf("its reader waits: %v", s.Stalled())
				}
				if q.Offer(other, whisperOf(1), 1, Limits{}) != nil {
					t.Error("another stream has no room")
				}
				q.Push(s, Event{Kind: Evasive, Peer: noPeer})
				if waits {
					test.end(q, s)
				}
				if delivered := <-result; delivered != test.delivered {
					t.Errorf("the message was delivered: %v", delivered)
				}
				q.Hold(other, false)
				q.Release(other)
				q.Release(other)
			})
		})
	}
}

// An Exit ends a hold for good, so that the queue counts none.
func TestHoldsAreCounted(t *testing.T) {
	q, s := New(Limits{10, 1000}), new(Stream)
	for range 3 {
		q.Hold(s, false)
	}
	q.Push(s, Event{Kind: Exit, Peer: noPeer})
	q.Hold(s, true)
	q.Release(s)
	if holds := q.sends.holds.Load(); holds != 0 {
		t.Errorf("%d streams are held", holds)
	}
}

// Events that are taken and not handled are work.
func TestServing(t *testing.T) {
	q := New(Limits{10, 1000})
	q.Serving(2)
	first := q.Activity()
	q.Handled()
	second := q.Activity()
	q.Handled()
	if third := q.Activity(); !first.work || !second.work || third.work || first.takes == second.takes {
		t.Errorf("the activity is %+v, %+v, %+v", first, second, third)
	}
}
