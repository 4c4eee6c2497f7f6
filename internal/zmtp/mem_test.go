package zmtp

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// memConn is an in-memory net.Conn with buffers and deadlines, which runs in a synctest bubble: it blocks on a sync.Cond.
type memConn struct {
	in, out       *memPipe
	local, remote net.Addr
}

type memPipe struct {
	mu       sync.Mutex
	changed  sync.Cond
	data     []byte
	most     int          // octets that fit
	ended    bool         // by the writer
	dropped  bool         // by the reader
	deadline [2]time.Time // of reading and writing
	timer    [2]*time.Timer
}

func newMemPipe(most int) *memPipe {
	p := &memPipe{most: most}
	p.changed.L = &p.mu
	return p
}

// memPair returns the two ends of a connection that holds so many octets each way.
func memPair(most int) (*memConn, *memConn) {
	ab, ba := newMemPipe(most), newMemPipe(most)
	a, b := memAddr("a"), memAddr("b")
	return &memConn{ba, ab, a, b}, &memConn{ab, ba, b, a}
}

func (p *memPipe) expired(side int) bool {
	return !p.deadline[side].IsZero() && !time.Now().Before(p.deadline[side])
}

func (p *memPipe) setDeadline(side int, t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer[side] != nil {
		p.timer[side].Stop()
		p.timer[side] = nil
	}
	p.deadline[side] = t
	// Two timers that are due at once may crash the race detector in a bubble of synctest, up to Go 1.26: they share its context.
	if time.Until(t) > 0 {
		p.timer[side] = time.AfterFunc(time.Until(t), func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.changed.Broadcast()
		})
	}
	p.changed.Broadcast()
}

func (p *memPipe) close(end *bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*end = true
	for _, t := range p.timer {
		if t != nil {
			t.Stop()
		}
	}
	p.changed.Broadcast()
}

func (c *memConn) Read(b []byte) (int, error) {
	p := c.in
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.dropped:
			return 0, net.ErrClosed
		case p.expired(0):
			return 0, os.ErrDeadlineExceeded
		case len(p.data) > 0:
			n := copy(b, p.data)
			p.data = p.data[n:]
			p.changed.Broadcast()
			return n, nil
		case p.ended:
			return 0, io.EOF
		}
		p.changed.Wait()
	}
}

func (c *memConn) Write(b []byte) (n int, err error) {
	p := c.out
	p.mu.Lock()
	defer p.mu.Unlock()
	for n < len(b) {
		switch {
		case p.ended:
			return n, net.ErrClosed
		case p.dropped:
			return n, io.ErrClosedPipe
		case p.expired(1):
			return n, os.ErrDeadlineExceeded
		case len(p.data) < p.most:
			m := min(len(b)-n, p.most-len(p.data))
			p.data = append(p.data, b[n:n+m]...)
			n += m
			p.changed.Broadcast()
			continue
		}
		p.changed.Wait()
	}
	return n, nil
}

func (c *memConn) Close() error {
	c.in.close(&c.in.dropped)
	c.out.close(&c.out.ended)
	return nil
}

// closeWrite ends the octets to the other side, which may still write.
func (c *memConn) closeWrite() { c.out.close(&c.out.ended) }

func (c *memConn) LocalAddr() net.Addr               { return c.local }
func (c *memConn) RemoteAddr() net.Addr              { return c.remote }
func (c *memConn) SetReadDeadline(t time.Time) error { c.in.setDeadline(0, t); return nil }
func (c *memConn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(1, t)
	return nil
}
func (c *memConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

type memAddr string

func (memAddr) Network() string  { return "mem" }
func (a memAddr) String() string { return string(a) }

// memListener hands out the connections that dial makes.
type memListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
	fail   chan error // errors for Accept to return
}

func newMemListener() *memListener {
	return &memListener{conns: make(chan net.Conn), closed: make(chan struct{}), fail: make(chan error)}
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.fail:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *memListener) Addr() net.Addr { return memAddr("listener") }

func (l *memListener) dial() *memConn { return l.dialFrom(memAddr("a")) }

func (l *memListener) dialFrom(from net.Addr) *memConn {
	a, b := memPair(64 << 10)
	a.local, b.remote = from, from
	l.conns <- b
	return a
}
