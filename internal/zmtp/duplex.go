package zmtp

import (
	"errors"
	"syscall"
	"time"
)

// By default a connection that cannot be written to ends soon, and keeps the queue that it began with. The methods here are for protocols
// that use one connection for both directions.

// OwnQueue gives a connection of Open its own queue, as a Router's connections have; the one that Open was given stays untouched until
// Adopt. Only first may call it.
func (c *Conn) OwnQueue() { c.queue = NewQueue(routerMessages, routerOctets) }

// KeepReading keeps the connection when a write fails: what the peer sent before it closed is still read, however slowly. The queue is closed
// then, onWriteError is called from the writer's goroutine, and the connection ends when the reader does. Only first may call it.
func (c *Conn) KeepReading(onWriteError func(error)) { c.onWriteError = onWriteError }

// Adopt makes a socket's connection drain q from now on, behind what is in its own queue, with first ahead of what waits in q; onWriteError is
// as in KeepReading. Call it during Receive, on any goroutine. If it fails nothing has changed: the connection or q is closed, or a connection
// drains q already.
func (c *Conn) Adopt(q *Queue, first [][]byte, onWriteError func(error)) error {
	s, ok := c.link.(socket)
	if !ok {
		return errors.New("zmtp: only a socket's connection adopts a queue")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if err := q.attach(c, first); err != nil {
		return err
	}
	own := c.queue
	c.queue, c.onWriteError = q, onWriteError
	own.stopDraining(func() { s.drain(c, q) })
	return nil
}

// readAfterWriteError is how long a connection without KeepReading is still read once it cannot be written to.
const readAfterWriteError = time.Second

// writerEnded notes that the writer has ended, because its queue was closed or a write failed. If the peer has hung up, what it sent before,
// perhaps its GOODBYE, is still to be read: the reader will reach the end.
func (c *Conn) writerEnded(q *Queue, err error) {
	if errno, ok := errors.AsType[syscall.Errno](err); ok && errno != syscall.EPIPE {
		c.mu.Lock()
		c.writeErr = err
		c.mu.Unlock()
	}
	if q.isClosed() {
		c.closeFromLoop(err)
		return
	}
	c.mu.Lock()
	onWriteError, current := c.onWriteError, c.queue
	c.mu.Unlock()
	current.closeQueue(err, false)
	if onWriteError != nil {
		onWriteError(err)
	} else {
		time.AfterFunc(readAfterWriteError, func() { c.Close(err) }) // mostly too late, and then it does nothing
	}
	c.loopEnded()
}
