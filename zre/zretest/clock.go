package zretest

import (
	"container/heap"
	"time"
)

// A clock runs functions at their time. Functions due at one instant run in the order in which they were added. It has no goroutine while
// nothing is due, so it does not need to be stopped. The LAN's lock guards it and is held while the functions run.
type clock struct {
	start time.Time
	queue alarms
	count uint64
	timer *time.Timer // fires at the first alarm
	set   time.Duration
}

// An alarm is a function and its time since the start of the clock.
type alarm struct {
	due   time.Duration
	order uint64
	run   func()
}

// now returns the time since the start.
func (l *LAN) now() time.Duration { return time.Since(l.clock.start) }

// at schedules f at a time since the start. The caller holds the lock, and f runs with the lock held.
func (l *LAN) at(due time.Duration, f func()) {
	c := &l.clock
	c.count++
	heap.Push(&c.queue, &alarm{due, c.count, f})
	l.wind()
}

// wind sets the timer to the first alarm.
func (l *LAN) wind() {
	c := &l.clock
	if len(c.queue) == 0 {
		return
	}
	first := c.queue[0].due
	switch {
	case c.timer == nil:
		c.timer = time.AfterFunc(first-l.now(), l.ring)
	case c.set != first:
		c.timer.Reset(first - l.now())
	}
	c.set = first
}

// ring runs what is due.
func (l *LAN) ring() {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.clock
	c.set = -1
	for len(c.queue) > 0 && c.queue[0].due <= l.now() {
		heap.Pop(&c.queue).(*alarm).run()
	}
	l.wind()
}

// alarms is a heap, the first one on top.
type alarms []*alarm

func (a alarms) Len() int      { return len(a) }
func (a alarms) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(x any)   { *a = append(*a, x.(*alarm)) }

func (a alarms) Less(i, j int) bool {
	if a[i].due != a[j].due {
		return a[i].due < a[j].due
	}
	return a[i].order < a[j].order
}

func (a *alarms) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	return x
}
