package zretest

import (
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Reasons for the end of a connection, besides io.EOF.
var (
	errReset   = syscall.ECONNRESET
	errTimeout = syscall.ETIMEDOUT
)

// A conn is one end of a stream connection. The LAN's lock guards it.
type conn struct {
	host          *Host
	order         int // in order of creation
	peer          *conn
	network       string // "tcp" or "unix"
	dialled       bool   // by this end
	local, remote net.Addr
	src, dst      netip.Addr // TCP only

	readable, writable          sync.Cond
	readDeadline, writeDeadline deadline
	unread                      [][]byte // has arrived
	unreadBytes                 int
	peerClosed                  bool  // the peer has closed its end
	failure                     error // why the connection is broken
	closed                      bool
	out                         []segment // in transit to the peer
	outBytes                    int
	delivered                   int64         // bytes
	lastDue                     time.Duration // when the last segment sent is due
	arrivalScheduled            bool          // there is an alarm for the first segment
	pathOpen                    bool          // both directions are free
	pathChanges                 int           // counts the changes of pathOpen
	heldSince                   time.Duration // since when the first segment waits for the path
	isHeld, resetSent, vanished bool          // vanished: the other end will never learn of the close
}

// A segment is one transfer: bytes, the end of the stream, or a reset.
type segment struct {
	data       []byte
	due        time.Duration
	fin, reset bool
}

// connect makes both ends of a connection, from client to server.
func (l *LAN) connect(network string, client, server *Host, local, remote net.Addr, src, dst netip.Addr) (c, s *conn) {
	c = &conn{host: client, network: network, dialled: true, local: local, remote: remote, src: src, dst: dst}
	s = &conn{host: server, network: network, local: remote, remote: local, src: dst, dst: src}
	c.peer, s.peer = s, c
	for _, end := range []*conn{c, s} {
		end.readable.L, end.writable.L = &l.mu, &l.mu
		end.pathOpen = true
		l.connCount++
		end.order = l.connCount
		l.conns[end] = struct{}{}
	}
	return c, s
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	defer c.host.lan.lock()()
	for {
		switch {
		case c.closed:
			return 0, c.error("read", net.ErrClosed)
		case c.readDeadline.passed():
			return 0, c.error("read", os.ErrDeadlineExceeded)
		case c.host.frozen:
		case len(c.unread) > 0 && len(b) > 0:
			return c.readUnread(b), nil
		case len(b) == 0:
			return 0, nil
		case c.failure != nil:
			return 0, c.error("read", c.failure)
		case c.peerClosed:
			return 0, io.EOF
		}
		c.readable.Wait()
	}
}

// readUnread moves bytes that have arrived to b.
func (c *conn) readUnread(b []byte) (n int) {
	for n < len(b) && len(c.unread) > 0 {
		moved := copy(b[n:], c.unread[0])
		n += moved
		if c.unread[0] = c.unread[0][moved:]; len(c.unread[0]) == 0 {
			c.unread[0] = nil
			c.unread = c.unread[1:]
		}
	}
	c.unreadBytes -= n
	c.peer.writable.Broadcast()
	return n
}

// Write implements net.Conn. It waits while the peer has not read earlier data.
func (c *conn) Write(b []byte) (n int, err error) {
	defer c.host.lan.lock()()
	for {
		room := window - c.outBytes - c.peer.unreadBytes
		switch {
		case c.closed:
			return n, c.error("write", net.ErrClosed)
		case c.writeDeadline.passed():
			return n, c.error("write", os.ErrDeadlineExceeded)
		case c.failure != nil:
			return n, c.error("write", c.failure)
		case c.host.frozen:
		case len(b) == 0:
			return n, nil
		case room > 0:
			part := min(room, len(b))
			c.send(segment{data: slices.Clone(b[:part])})
			n += part
			b = b[part:]
			continue
		}
		c.writable.Wait()
	}
}

// Close implements net.Conn. The peer can read what was sent before. If this end has not read everything, the peer then finds the connection
// reset, as with TCP.
func (c *conn) Close() error {
	defer c.host.lan.lock()()
	if c.closed {
		return c.error("close", net.ErrClosed)
	}
	c.closeNotifying()
	return nil
}

// closeNotifying closes this end and notifies the peer.
func (c *conn) closeNotifying() {
	if c.closed {
		return
	}
	if c.failure == nil {
		c.resetSent = c.unreadBytes > 0
		c.send(segment{fin: !c.resetSent, reset: c.resetSent})
	}
	c.closeEnd()
}

// closeSilently closes this end; the peer gets no message.
func (c *conn) closeSilently() {
	if !c.closed {
		c.out, c.outBytes, c.vanished = nil, 0, true
		c.closeEnd()
	}
}

func (c *conn) closeEnd() {
	c.closed = true
	c.unread, c.unreadBytes = nil, 0
	c.readDeadline.stop()
	c.writeDeadline.stop()
	c.wake()
	c.peer.writable.Broadcast()
	if c.peer.closed {
		delete(c.host.lan.conns, c)
		delete(c.host.lan.conns, c.peer)
	}
}

// fail breaks this end. What has arrived can still be read.
func (c *conn) fail(err error) {
	if c.failure == nil && !c.closed {
		c.failure = err
		c.out, c.outBytes = nil, 0
		c.wake()
	}
}

func (c *conn) wake() {
	c.readable.Broadcast()
	c.writable.Broadcast()
}

func (c *conn) error(op string, err error) error {
	return opError(op, c.network, c.local, c.remote, err)
}

// opError makes an error like package net.
func opError(op, network string, source, addr net.Addr, err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: network, Source: source, Addr: addr, Err: err}
}

// Delivery reports what became of written data, as a node asks the operating system for a real connection: how many bytes have arrived, how
// many have not, and whether some of those are in transit.
func (c *conn) Delivery() (acknowledged, unacknowledged int64, inTransit bool) {
	defer c.host.lan.lock()()
	return c.delivered, int64(c.outBytes), c.outBytes > 0
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return c.setDeadlines(t, &c.readDeadline, &c.writeDeadline)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.readDeadline) }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.writeDeadline) }

func (c *conn) setDeadlines(t time.Time, limits ...*deadline) error {
	defer c.host.lan.lock()()
	if c.closed {
		return c.error("set", net.ErrClosed)
	}
	for _, d := range limits {
		d.stop()
		d.at = t
		if !t.IsZero() && !d.passed() {
			d.timer = time.AfterFunc(time.Until(t), func() {
				defer c.host.lan.lock()()
				c.wake()
			})
		}
	}
	c.wake()
	return nil
}

// A deadline is unset while at is zero.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
