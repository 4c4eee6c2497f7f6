package discovery

import (
	"testing"
	"time"
)

// Candidates leave a queue when they are due, the earlier first, and of equals the one that came first.
func TestQueue(t *testing.T) {
	s, now := New(Config{}), time.Now()
	var want []*Candidate
	for _, after := range []time.Duration{2, 1, 0} {
		var equals []*Candidate
		for range 10 {
			c := new(Candidate)
			s.enqueue(c, &s.waiting, now.Add(after))
			equals = append(equals, c)
		}
		want = append(equals, want...)
	}
	for i, c := range want {
		if got := s.waiting.popFirst(); got != c {
			t.Fatalf("position %d: due after %v, want %v", i, got.due.Sub(now), c.due.Sub(now))
		}
	}
	s.enqueue(want[0], &s.waiting, now)
	for after, due := range map[time.Duration]bool{-1: false, 0: true, 1: true} {
		if got := s.waiting.isDue(now.Add(after)); got != due {
			t.Errorf("due after %v: %v", after, got)
		}
	}
}
