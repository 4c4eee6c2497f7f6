package outbox

import "context"

// lost counts messages, and their bytes, that were accepted but never sent. The outbox's mu guards it.
type lost struct {
	messages int
	bytes    int64
}

func (l *lost) add(messages int, octets int64) {
	l.messages += messages
	l.bytes += octets
}

// AwaitSent waits until all that Send has accepted was handed to the operating system, by this session or its successors, or the session is
// over, or ctx ends. Within a process it returns as soon as there is a connection.
func (o *Outbox) AwaitSent(ctx context.Context) {
	for out := o; out != nil && ctx.Err() == nil; out = out.Successor() {
		out.awaitSent(ctx)
	}
}

// awaitSent is AwaitSent for this session.
func (o *Outbox) awaitSent(ctx context.Context) {
	for ctx.Err() == nil {
		over := o.queue.WaitSent(ctx) != nil
		if over || !o.IsWrapping() {
			return
		}
		select {
		case <-o.Unparked():
		case <-ctx.Done():
		}
	}
}

// IsSent tells whether all that Send has accepted was handed to the operating system.
func (o *Outbox) IsSent() bool {
	messages, _ := o.queue.Unsent()
	return messages == 0 && !o.IsWrapping()
}

// Lost returns how many messages that Send had accepted were not fully written when the session ended, and their bytes; those of queued
// messages include frame headers. What a successor inherited counts there. The result is final once the session's connection has ended.
func (o *Outbox) Lost() (messages int, octets int64) {
	messages, octets = o.queue.Lost()
	o.mu.Lock()
	defer o.mu.Unlock()
	return messages + o.lost.messages, octets + o.lost.bytes
}

// loseParked counts what is parked as lost, and ends the wait for it. It needs mu.
func (o *Outbox) loseParked() {
	if o.wrap != nil {
		for m := range o.wrap.all {
			o.lost.add(1, m.Size)
		}
	}
	o.dropParked()
}
