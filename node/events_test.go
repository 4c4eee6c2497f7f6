package node

import (
	"testing"
	"testing/synctest"
)

var nobody = &Peer{}

func TestEventsOrderAndExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, p := newEvents(2, 100), new(session)
		q.push(p, Event{Peer: nobody, Kind: Enter})
		q.deliver(p, &Event{Kind: Whisper}, 10, nil)
		q.push(p, Event{Peer: nobody, Kind: Exit})
		q.push(p, Event{Peer: nobody, Kind: Join})
		if q.deliver(p, &Event{Kind: Whisper}, 10, nil) {
			t.Error("a message was delivered after the exit")
		}
		batch, ok := q.take(nil, nil)
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
		{"octets", []int64{60, 60}},
		{"one larger than the bound fits an empty queue", []int64{1000, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, p := newEvents(2, 100), new(session)
				delivered := 0
				go func() {
					for _, octets := range test.octets {
						q.deliver(p, &Event{Kind: Whisper}, octets, nil)
						delivered++
					}
				}()
				synctest.Wait()
				if want := len(test.octets) - 1; delivered != want {
					t.Fatalf("%d messages found room, want %d", delivered, want)
				}
				q.push(p, Event{Peer: nobody, Kind: Join}) // membership finds room all the same
				if batch, _ := q.take(nil, nil); len(batch) != len(test.octets) {
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
		end  func(q *events, p *session, stop chan struct{})
	}{
		{"exit", func(q *events, p *session, _ chan struct{}) { q.push(p, Event{Peer: nobody, Kind: Exit}) }},
		{"connection", func(_ *events, _ *session, stop chan struct{}) { close(stop) }},
		{"node", func(q *events, _ *session, _ chan struct{}) { q.close() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, p, stop := newEvents(1, 100), new(session), make(chan struct{})
				q.deliver(p, &Event{Kind: Whisper}, 1, stop)
				result := make(chan bool, 1)
				go func() { result <- q.deliver(p, &Event{Kind: Whisper}, 1, stop) }()
				synctest.Wait()
				if !p.stuck.Load() {
					t.Fatal("the reader does not wait")
				}
				test.end(q, p, stop)
				if <-result {
					t.Error("the message was delivered")
				}
				if p.stuck.Load() {
					t.Error("the reader still counts as waiting")
				}
			})
		})
	}
}

func TestEventsTakeStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, p, stop := newEvents(1, 100), new(session), make(chan struct{})
		ended := make(chan bool, 1)
		go func() {
			_, ok := q.take(nil, stop)
			ended <- ok
		}()
		synctest.Wait()
		close(stop)
		if <-ended {
			t.Error("take brought events")
		}
		q.push(p, Event{Peer: nobody, Kind: Enter}) // must not block on a token for the taker that is gone
		if batch, ok := q.take(nil, nil); !ok || len(batch) != 1 {
			t.Errorf("the next take got %d events, %v", len(batch), ok)
		}
		go func() {
			_, ok := q.take(nil, nil)
			ended <- ok
		}()
		synctest.Wait()
		q.close()
		if <-ended {
			t.Error("take brought events of a closed queue")
		}
	})
}

// What repeats without end is dropped, not stored, when nobody reads; admit makes readers wait then.
func TestEventsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, p := newEvents(1, 100), new(session)
		for range slack + 1 {
			q.push(p, Event{Peer: nobody, Kind: Join})
		}
		q.push(p, Event{Peer: nobody, Kind: Evasive})
		if got := len(q.pending); got != slack+1 {
			t.Errorf("%d events pending, want %d", got, slack+1)
		}
		admitted := make(chan bool, 1)
		go func() { admitted <- q.admit(nil) }()
		synctest.Wait()
		select {
		case <-admitted:
			t.Fatal("admitted to a full queue")
		default:
		}
		q.take(nil, nil)
		if !<-admitted {
			t.Error("not admitted though there is room")
		}
	})
}
