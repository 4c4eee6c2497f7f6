package discovery

import (
	"container/heap"
	"time"
)

// A queue holds candidates by the time when they are due.
type queue []*Candidate

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if !q[i].due.Equal(q[j].due) {
		return q[i].due.Before(q[j].due)
	}
	return q[i].order < q[j].order
}

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is for package heap.
func (q *queue) Push(x any) {
	c := x.(*Candidate)
	c.queue, c.index = q, len(*q)
	*q = append(*q, c)
}

// Pop is for package heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	c.queue = nil
	return c
}

// isDue tells whether the first candidate is due.
func (q queue) isDue(now time.Time) bool { return len(q) > 0 && !q[0].due.After(now) }

func (q *queue) popFirst() *Candidate { return heap.Pop(q).(*Candidate) }

// enqueue moves a candidate to a queue.
func (s *Seeker) enqueue(c *Candidate, q *queue, due time.Time) {
	c.leaveQueue()
	s.order++
	c.due, c.order = due, s.order
	heap.Push(q, c)
}

func (c *Candidate) leaveQueue() {
	if c.queue != nil {
		heap.Remove(c.queue, c.index)
	}
}
