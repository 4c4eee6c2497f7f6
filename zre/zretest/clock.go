package zretest

import (
	"container/heap"
	"time"
)

// A clock runs functions at their time. Functions due at one instant run in the order in which they were added. It has no goroutine while
// nothing is due, so it does not need to be stopped. The LAN's lock guards it and is held while the functions run.
type clock struct {
	start    time.Time
	queue    alarmHeap
	count    uint64
	timer    *time.Timer // fires at the first alarm
	timerDue time.Duration
}

// An alarm is a function and its time since the start of the clock.
type alarm struct {
	due   time.Duration
	order uint64
	run   func()
}

// now returns the time since the start.
func (l *LAN) now() time.Duration { return time.Since(l.clock.start) }

// schedule runs f at a time since the start. The caller holds the lock, and f runs with the lock held.
func (l *LAN) schedule(due time.Duration, f func()) {
	c := &l.clock
	c.count++
	heap.Push(&c.queue, &alarm{due, c.count, f})
	l.setTimer()
}

// setTimer sets the timer to the first alarm.
func (l *LAN) setTimer() {
	c := &l.clock
	if len(c.queue) == 0 {
		return
	}
	first := c.queue[0].due
	switch {
	case c.timer == nil:
		c.timer = time.AfterFunc(first-l.now(), l.runDue)
	case c.timerDue != first:
		c.timer.Reset(first - l.now())
	}
	c.timerDue = first
}

// runDue runs what is due.
func (l *LAN) runDue() {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.clock
	c.timerDue = -1
	for len(c.queue) > 0 && c.queue[0].due <= l.now() {
		heap.Pop(&c.queue).(*alarm).run()
	}
	l.setTimer()
}

// alarmHeap is a heap, the first one on top.
type alarmHeap []*alarm

func (a alarmHeap) Len() int      { return len(a) }
func (a alarmHeap) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *alarmHeap) Push(x any)   { *a = append(*a, x.(*alarm)) }

func (a alarmHeap) Less(i, j int) bool {
	if a[i].due != a[j].due {
		return a[i].due < a[j].due
	}
	return a[i].order < a[j].order
}

func (a *alarmHeap) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	return x
}
