package eventqueue

import (
	"strings"
	"testing"
)

// Each letter is a sample: what happened, and the resulting state.
//
//	.  nothing    a  a message arrived and was taken    w  the application works at what it took
//	b  both: a message arrived while it works           f  the queue is half full
func TestAutoState(t *testing.T) {
	for _, c := range []struct{ name, samples, want string }{
		{"nothing", "....", "iiii"},
		{"one message", "a......", "rrrrrii"},
		{"now and then", "a..a...a.......", "rrrrrrrrrrrriii"},
		{"work that is soon done", "aw......", "rrrrriii"},
		{"is behind", "awww......", "rrrpppppii"},
		{"is behind while more comes", "abbbbb......", "rrrpppppppii"},
		{"catches up while more comes", "awwwaaaaaaa", "rrrppppprrr"},
		{"half full", "ff.......", "ipppppiii"},
	} {
		t.Run(c.name, func(t *testing.T) {
			auto := NewAutoState()
			var now Activity
			var got strings.Builder
			for _, s := range c.samples {
				if strings.ContainsRune("ab", s) {
					now.arrived++
				}
				if strings.ContainsRune(".a", s) {
					now.takes++
				}
				now.work = strings.ContainsRune("wb", s)
				now.halfFull = s == 'f'
				got.WriteByte(auto.Sample(now).String()[0])
			}
			if got.String() != c.want {
				t.Errorf("%s gives\n%s, want\n%s", c.samples, got.String(), c.want)
			}
		})
	}
}

// An Activity shows the queue: it is half full beyond half of either bound.
func TestActivity(t *testing.T) {
	noMore := make(chan struct{})
	close(noMore)
	for _, test := range []struct {
		name string
		do   func(q *Queue, s *Stream)
		want Activity
	}{
		{"nothing", func(*Queue, *Stream) {}, Activity{}},
		{"half of the messages", func(q *Queue, s *Stream) { fill(q, s, 2, 1) }, Activity{arrived: 2, work: true}},
		{"more than half of them", func(q *Queue, s *Stream) { fill(q, s, 3, 1) }, Activity{arrived: 3, work: true, halfFull: true}},
		{"half of the bytes", func(q *Queue, s *Stream) { fill(q, s, 1, 50) }, Activity{arrived: 1, work: true}},
		{"more than half of them", func(q *Queue, s *Stream) { fill(q, s, 1, 51) }, Activity{arrived: 1, work: true, halfFull: true}},
		{"membership", func(q *Queue, s *Stream) { q.Push(s, Event{Peer: noPeer, Kind: Enter}) }, Activity{work: true}},
		{"taken", func(q *Queue, s *Stream) { fill(q, s, 3, 1); q.Take(nil, nil) }, Activity{arrived: 3, takes: 1, work: true}},
		{"the application has come for more", func(q *Queue, s *Stream) { fill(q, s, 3, 1); q.Take(nil, nil); q.Take(nil, noMore) }, Activity{arrived: 3, takes: 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			q, s := New(Limits{4, 100}), new(Stream)
			test.do(q, s)
			if got := q.Activity(); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}
