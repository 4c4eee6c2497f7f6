package zmtp

import (
	"errors"
	"syscall"
	"time"
)

// By default a connection that cannot be written to is over soon, and drains the queue that it began with. These are for protocols that
// use one connection for both directions.

// OwnQueue has a connection of Open drain a queue of its own, as a Router's connections do, and leave the one that Open was given alone
// until Adopt. It is to be called by first.
func (c *Conn) OwnQueue() { c.queue = NewQueue(routerMessages, routerOctets) }

// ReadOn has a write that fails not end the connection at all: what the peer sent before it closed is still to be read, however slowly. The queue is closed
// then, broken is called, from the writer's goroutine, and the connection ends when the reader does. It is to be called by first.
func (c *Conn) ReadOn(broken func(error)) { c.broken = broken }

// Adopt has a socket's connection drain q from now on, behind what is in its own queue, with first ahead of what waits in q; broken is
// as in ReadOn. It is to be called during Receive, on whatever goroutine. If it fails all is as before: the connection or q is closed,
// or a connection drains q already.
func (c *Conn) Adopt(q *Queue, first [][]byte, broken func(error)) error {
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
	c.queue, c.broken = q, broken
	own.retire(func() { s.drain(c, q) })
	return nil
}

// readOn is how long a connection is read at most once it cannot be written to, if nobody asked for ReadOn.
const readOn = time.Second

// unwritten says that the writer has ended, because its queue was closed or a write failed. If that is because the peer has hung up, what
// it sent before, its farewell perhaps, is still to be read: the reader comes to the end.
func (c *Conn) unwritten(q *Queue, err error) {
	if errno, ok := errors.AsType[syscall.Errno](err); ok && errno != syscall.EPIPE {
		c.mu.Lock()
		c.failed = err
		c.mu.Unlock()
	}
	if q.isClosed() {
		c.ended(err)
		return
	}
	c.mu.Lock()
	broken, now := c.broken, c.queue
	c.mu.Unlock()
	now.shut(err, false)
	if broken != nil {
		broken(err)
	} else {
		time.AfterFunc(readOn, func() { c.Close(err) }) // too late mostly, and then nothing
	}
	c.leave()
}
