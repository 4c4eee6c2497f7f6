package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// Load says what a client sends.
type Load struct {
	Shout bool // to the group; otherwise WHISPERs, to the servers in turn
	Given bool // in newly allocated memory that is given away, instead of a frame that is copied each time
	Size  int  // bytes of a message
	Count int  // how many; 0 means for Time
	Time  time.Duration

	// Progress is called now and then with the part that is done, 0 to 1. It may be nil.
	Progress func(part float64)
}

// repeat calls do until the load is over. It checks the clock after every checkEvery messages.
func (l *Load) repeat(ctx context.Context, checkEvery int, do func(i int) error) error {
	began := time.Now()
	for i := 0; l.Count == 0 || i < l.Count; i++ {
		if i%checkEvery == 0 {
			part := float64(i) / float64(max(l.Count, 1))
			if l.Count == 0 {
				part = float64(time.Since(began)) / float64(l.Time)
			}
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case part >= 1:
				return nil
			case l.Progress != nil:
				l.Progress(part)
			}
		}
		if err := do(i); err != nil {
			return err
		}
	}
	return nil
}

// Rate is the result of a load.
type Rate struct {
	Sent      int           // messages; a SHOUT counts once
	Delivered uint64        // a SHOUT counts once for each member
	Bytes     uint64        // bytes of those delivered
	Elapsed   time.Duration // from the first until the servers had taken all
	Here      Cost          // of this process
	There     Cost          // of the servers' processes
}

// PerSecond returns the number of messages delivered per second.
func (r Rate) PerSecond() float64 { return float64(r.Delivered) / r.Elapsed.Seconds() }

// Processor returns the processor time that a delivered message costs, in all processes, in microseconds.
func (r Rate) Processor() float64 {
	return float64((r.Here.Processor + r.There.Processor).Nanoseconds()) / 1000 / float64(r.Delivered)
}

// Send sends a load, and waits until the servers have taken it. It is an error if messages are missing.
func (c *Client) Send(ctx context.Context, load Load) (Rate, error) {
	if load.Shout { // every member gets it, including those that the client does not know yet
		c.peers = c.members()
	}
	before, err := c.reports(ctx)
	if err != nil {
		return Rate{}, err
	}
	var rate Rate
	frame := make([]byte, load.Size)
	here, began := Spent(), time.Now()
	err = load.repeat(ctx, 64, func(i int) error {
		rate.Sent++
		peer := c.peers[i%len(c.peers)]
		if load.Given {
			if frame = zre.NewFrame(load.Size); load.Size > 0 {
				frame[0] = 0 // no echo
			}
		}
		switch { // direct calls: through function values the compiler would not know that their arguments may stay on the stack
		case load.Shout && load.Given:
			return c.node.ShoutNoCopy(ctx, Group, frame)
		case load.Shout:
			return c.node.Shout(ctx, Group, frame)
		case load.Given:
			return c.node.WhisperNoCopy(ctx, peer, frame)
		}
		return c.node.Whisper(ctx, peer, frame)
	})
	if err != nil {
		return rate, err
	}
	sent := Spent()
	after, err := c.reports(ctx)
	if err != nil {
		return rate, err
	}
	rate.Elapsed = time.Since(began)
	rate.Here = sent.minus(here)
	rate.Here.Processor = processor() - here.Processor // what still had to be written counts too

	processes := make(map[string]Cost) // servers may share one
	for id, r := range after {
		rate.Delivered += r.messages
		rate.Bytes += r.bytes
		spent := r.cost.minus(before[id].cost)
		if known, ok := processes[r.process]; !ok || spent.Processor > known.Processor {
			processes[r.process] = spent
		}
	}
	for process, spent := range processes {
		if process != thisProcess {
			rate.There = rate.There.plus(spent)
		}
	}
	want := uint64(rate.Sent)
	if load.Shout {
		want *= uint64(len(c.peers))
	}
	if rate.Delivered != want {
		return rate, fmt.Errorf("%d messages were sent, %d arrived", want, rate.Delivered)
	}
	return rate, nil
}

// Latency echoes messages, one at a time, and returns how long each took, in order.
func (c *Client) Latency(ctx context.Context, load Load) ([]time.Duration, error) {
	took := make([]time.Duration, 0, max(load.Count, 10_000))
	err := load.repeat(ctx, 1, func(int) error {
		d, err := c.Echo(ctx, load.Size)
		took = append(took, d)
		return err
	})
	return took, err
}
