package eventqueue

import (
	"testing"
	"testing/synctest"
)

var noPeer = &Peer{}

func TestEventsOrderAndExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, s := New(Limits{2, 100}), new(Stream)
		q.Push(s, Event{Peer: noPeer, Kind: Enter})
		q.Deliver(s, &Event{Kind: Whisper}, 10, nil)
		q.Push(s, Event{Peer: noPeer, Kind: Exit})
		q.Push(s, Event{Peer: noPeer, Kind: Join})
		if q.Deliver(s, &Event{Kind: Whisper}, 10, nil) {
			t.Error("a message was delivered after the exit")
		}
		batch, ok := q.Take(nil, nil)
		if !ok || len(batch) != 3 || batch[0].Kind != Enter || batch[1].Kind != Whisper || batch[2].Kind != Exit {
			t.Errorf("got %v, %v", batch, ok)
		}
	})
}

func TestEventsBound(t *testing.T) {
	for _, test := range []struct {
		name   string
		octets []int64 // of each message; all but the last find room
	}{
		{"count", []int64{1, 1, 1}},
		{"bytes", []int64{60, 60}},
		{"one larger than the bound fits an empty queue", []int64{1000, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, s := New(Limits{2, 100}), new(Stream)
				delivered := 0
				go func() {
					for _, octets := range test.octets {
						q.Deliver(s, &Event{Kind: Whisper}, octets, nil)
						delivered++
					}
				}()
				synctest.Wait()
				if want := len(test.octets) - 1; delivered != want {
					t.Fatalf("%d messages found room, want %d", delivered, want)
				}
				q.Push(s, Event{Peer: noPeer, Kind: Join}) // membership finds room all the same
				if batch, _ := q.Take(nil, nil); len(batch) != len(test.octets) {
					t.Errorf("took %d events, want %d", len(batch), len(test.octets))
				}
				synctest.Wait()
				if delivered != len(test.octets) {
					t.Error("the reader still waits though there is room")
				}
			})
		})
	}
}

// A reader that waits for room returns when its session, its connection or the node ends.
func TestEventsRelease(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(q *Queue, s *Stream, stop chan struct{})
	}{
		{"exit", func(q *Queue, s *Stream, _ chan struct{}) { q.Push(s, Event{Peer: noPeer, Kind: Exit}) }},
		{"connection", func(_ *Queue, _ *Stream, stop chan struct{}) { close(stop) }},
		{"node", func(q *Queue, _ *Stream, _ chan struct{}) { q.Close() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, s, stop := New(Limits{1, 100}), new(Stream), make(chan struct{})
				q.Deliver(s, &Event{Kind: Whisper}, 1, stop)
				result := make(chan bool, 1)
				go func() { result <- q.Deliver(s, &Event{Kind: Whisper}, 1, stop) }()
				synctest.Wait()
				if !s.Stalled() {
					t.Fatal("the reader does not wait")
				}
				test.end(q, s, stop)
				if <-result {
					t.Error("the message was delivered")
				}
				if s.Stalled() {
					t.Error("the reader still counts as waiting")
				}
			})
		})
	}
}

func TestEventsTakeStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, s, stop := New(Limits{1, 100}), new(Stream), make(chan struct{})
		ended := make(chan bool, 1)
		go func() {
			_, ok := q.Take(nil, stop)
			ended <- ok
		}()
		synctest.Wait()
		close(stop)
		if <-ended {
			t.Error("take brought events")
		}
		q.Push(s, Event{Peer: noPeer, Kind: Enter}) // must not block on a token for the taker that is gone
		if batch, ok := q.Take(nil, nil); !ok || len(batch) != 1 {
			t.Errorf("the next take got %d events, %v", len(batch), ok)
		}
		go func() {
			_, ok := q.Take(nil, nil)
			ended <- ok
		}()
		synctest.Wait()
		q.Close()
		if <-ended {
			t.Error("take brought events of a closed queue")
		}
	})
}

// Events that repeat without end are dropped, not stored, when the application does not read; AwaitMembershipRoom makes readers wait then.
func TestEventsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, s := New(Limits{1, 100}), new(Stream)
		for range membershipEvents + 1 {
			q.Push(s, Event{Peer: noPeer, Kind: Join})
		}
		q.Push(s, Event{Peer: noPeer, Kind: Evasive})
		if got := len(q.pending); got != membershipEvents+1 {
			t.Errorf("%d events pending, want %d", got, membershipEvents+1)
		}
		admitted := make(chan bool, 1)
		go func() { admitted <- q.AwaitMembershipRoom(s, nil) }()
		synctest.Wait()
		select {
		case <-admitted:
			t.Fatal("there is room in a full queue")
		default:
		}
		q.Take(nil, nil)
		if !<-admitted {
			t.Error("a reader still waits though there is room")
		}
	})
}

// A stream is stalled as long as one of its readers waits, in AwaitMembershipRoom or in Deliver.
func TestStalled(t *testing.T) {
	deliver := func(q *Queue, s *Stream, stop chan struct{}) { q.Deliver(s, &Event{Kind: Whisper}, 1, stop) }
	admit := func(q *Queue, s *Stream, stop chan struct{}) { q.AwaitMembershipRoom(s, stop) }
	for _, test := range []struct {
		name    string
		readers []func(q *Queue, s *Stream, stop chan struct{})
	}{
		{"one in Deliver", []func(*Queue, *Stream, chan struct{}){deliver}},
		{"one in AwaitMembershipRoom", []func(*Queue, *Stream, chan struct{}){admit}},
		{"one in each", []func(*Queue, *Stream, chan struct{}){admit, deliver}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, s, other := New(Limits{1, 100}), new(Stream), new(Stream)
				for range membershipEvents {
					q.Push(other, Event{Peer: noPeer, Kind: Join})
				}
				q.Deliver(other, &Event{Kind: Whisper}, 1, nil)
				stops := make([]chan struct{}, len(test.readers))
				for i, read := range test.readers {
					stops[i] = make(chan struct{})
					go read(q, s, stops[i])
				}
				for _, stop := range stops {
					synctest.Wait()
					if !s.Stalled() {
						t.Error("a reader waits, and the stream is not stalled")
					}
					close(stop)
				}
				synctest.Wait()
				if s.Stalled() || other.Stalled() {
					t.Error("no reader waits, and a stream is stalled")
				}
			})
		})
	}
}

// A message that a node of this process hands over has room beyond the limits, and never waits for it.
func TestOffer(t *testing.T) {
	for _, test := range []struct {
		name   string
		before func(q *Queue, s *Stream)
		octets int64
		want   error
	}{
		{"empty", func(*Queue, *Stream) {}, 1, nil},
		{"empty, a message over every limit", func(*Queue, *Stream) {}, 1000, nil},
		{"room of its own", func(q *Queue, s *Stream) { fill(q, s, 2, 1) }, 1, nil},
		{"count", func(q *Queue, s *Stream) { fill(q, s, 5, 1) }, 1, ErrFull},
		{"bytes", func(q *Queue, s *Stream) { fill(q, s, 1, 60) }, 91, ErrFull},
		{"bytes that just fit", func(q *Queue, s *Stream) { fill(q, s, 1, 60) }, 90, nil},
		{"events of membership take none", func(q *Queue, s *Stream) {
			for range 10 {
				q.Push(s, Event{Peer: noPeer, Kind: Join})
			}
		}, 1, nil},
		{"taken", func(q *Queue, s *Stream) { fill(q, s, 5, 1); q.Take(nil, nil) }, 1, nil},
		{"ended", func(q *Queue, s *Stream) { q.Push(s, Event{Peer: noPeer, Kind: Exit}) }, 1, ErrEnded},
		{"closed", func(q *Queue, _ *Stream) { q.Close() }, 1, ErrEnded},
	} {
		t.Run(test.name, func(t *testing.T) {
			q, s := New(Limits{2, 100}), new(Stream)
			test.before(q, s)
			before, size := q.Depth()
			if err := q.Offer(s, &Event{Kind: Whisper}, test.octets, moreRoom); err != test.want {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if test.want == nil {
				before, size = before+1, size+test.octets
			}
			if messages, octets := q.Depth(); messages != before || octets != size {
				t.Errorf("%d messages of %d bytes wait, want %d of %d", messages, octets, before, size)
			}
			if s.Stalled() || q.HasWaiters() {
				t.Error("an offer counts as a waiting reader")
			}
		})
	}
}

var moreRoom = Limits{3, 50}

// fill offers messages, all of which find room.
func fill(q *Queue, s *Stream, count int, octets int64) {
	for range count {
		if err := q.Offer(s, &Event{Kind: Whisper}, octets, moreRoom); err != nil {
			panic(err)
		}
	}
}

// The channel of Room is closed when the application has taken what was in the way.
func TestRoom(t *testing.T) {
	q, s := New(Limits{2, 100}), new(Stream)
	isClosed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	if !isClosed(q.Room(s)) {
		t.Error("an empty queue has no room")
	}
	fill(q, s, 5, 1)
	room := q.Room(s)
	if isClosed(room) || !q.HasWaiters() {
		t.Error("a full queue has room")
	}
	q.Take(nil, nil)
	if !isClosed(room) || q.HasWaiters() {
		t.Error("there is no room after all was taken")
	}
}

// Snapshots of peers in many groups count by these, once each, though there are few events; events of no peer are dropped in their favour.
func TestMembershipTotal(t *testing.T) {
	q, s := New(Limits{2, 100}), new(Stream)
	inMany := &Peer{Groups: make([]string, membershipTotal/2-2)}
	for range 3 { // that and 3
		q.Push(s, Event{Peer: inMany, Kind: Join})
	}
	if q.membershipFull() {
		t.Fatal("a snapshot counts more than once")
	}
	q.Announce(Event{Kind: ProblemChanged})
	q.Push(s, Event{Peer: &Peer{Groups: inMany.Groups}, Kind: Join})
	if !q.membershipFull() {
		t.Fatal("there is still room")
	}
	q.Announce(Event{Kind: ProblemChanged})
	if batch, _ := q.Take(nil, nil); len(batch) != 5 || batch[3].Kind != ProblemChanged {
		t.Errorf("got %v", batch)
	}
	if q.membershipFull() {
		t.Error("no room in an empty queue")
	}
}

// While messages are large on average, Take looks for more before it sleeps, a bounded number of times.
func TestTakeLooksAgain(t *testing.T) {
	for _, test := range []struct {
		name   string
		count  int
		octets int64 // of each message
		looks  uint64
	}{
		{"at the bound", 1, largeEvent, 1},
		{"above it", 1, largeEvent + 1, 1 + largeTries},
		{"many small ones", 10, largeEvent / 2, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, s := New(Limits{100, 100 * largeEvent}), new(Stream)
				fill(q, s, test.count, test.octets)
				batch, _ := q.Take(nil, nil)
				before := q.takes
				go q.Take(batch, nil)
				synctest.Wait()
				if got := q.takes - before; got != test.looks {
					t.Errorf("%d looks, want %d", got, test.looks)
				}
				q.Close()
			})
		})
	}
}

// After Drop messages count as taken, also those that wait for room; what was pending and membership events stay.
func TestDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, s := New(Limits{2, 100}), new(Stream)
		fill(q, s, 2, 1)
		delivered := make(chan bool)
		go func() { delivered <- q.Deliver(s, &Event{Kind: Whisper}, 1, nil) }()
		synctest.Wait()
		if !s.Stalled() {
			t.Fatal("there is room")
		}
		q.Drop()
		if !<-delivered || !q.Deliver(s, &Event{Kind: Shout}, 1, nil) || q.Offer(s, &Event{Kind: Whisper}, 1000, moreRoom) != nil {
			t.Error("a message is refused")
		}
		q.Push(s, Event{Peer: noPeer, Kind: Join})
		q.Push(s, Event{Peer: noPeer, Kind: Exit})
		batch, _ := q.Take(nil, nil)
		if len(batch) != 4 || batch[1].Kind != Whisper || batch[2].Kind != Join || batch[3].Kind != Exit {
			t.Errorf("events are pending after Drop: %v", batch)
		}
	})
}
