package gossip

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// memNet is a network in memory for synctest bubbles: its connections are net.Pipes with a buffer each way.
type memNet struct {
	mu        sync.Mutex
	listeners map[string]*memListener
	dials     int
}

func newMemNet() *memNet { return &memNet{listeners: make(map[string]*memListener)} }

type memListener struct {
	net     *memNet
	address string
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

var longAgo = time.Unix(1, 0)

type memAddr string

func (memAddr) Network() string  { return "mem" }
func (a memAddr) String() string { return string(a) }

func (n *memNet) listen(t testing.TB, address string) *memListener {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[address] != nil {
		t.Fatalf("%s is in use", address)
	}
	l := &memListener{net: n, address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[address] = l
	return l
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Addr() net.Addr { return memAddr(l.address) }

func (l *memListener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		delete(l.net.listeners, l.address)
		close(l.closed)
	})
	return nil
}

var errRefused = errors.New("refused")

// dial is a Config.Dial.
func (n *memNet) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[address]
	n.dials++
	n.mu.Unlock()
	if l == nil {
		return nil, errRefused
	}
	a, b := net.Pipe()
	near, far := newMemConn(a, address), newMemConn(b, "192.0.2.7:1")
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		_ = near.Close()
		_ = far.Close()
		return nil, errRefused
	case <-ctx.Done():
		_ = near.Close()
		_ = far.Close()
		return nil, ctx.Err()
	}
}

// A memConn is an end of a net.Pipe whose Write needs no reader while the buffer has room.
type memConn struct {
	net.Conn
	remote memAddr

	mu       sync.Mutex
	changed  sync.Cond
	data     []byte
	closed   bool
	deadline time.Time // of Write; the pump has none
	timer    *time.Timer
}

const memBuffer = 4096

func newMemConn(c net.Conn, remote string) *memConn {
	m := &memConn{Conn: c, remote: memAddr(remote)}
	m.changed.L = &m.mu
	go m.pump()
	return m
}

func (m *memConn) RemoteAddr() net.Addr { return m.remote }

func (m *memConn) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := 0; ; {
		if m.closed {
			return n, net.ErrClosed
		}
		if fits := min(len(p)-n, memBuffer-len(m.data)); fits > 0 {
			m.data = append(m.data, p[n:n+fits]...)
			n += fits
			m.changed.Broadcast()
		}
		if n == len(p) {
			return n, nil
		}
		if !m.deadline.IsZero() && !time.Now().Before(m.deadline) {
			return n, os.ErrDeadlineExceeded
		}
		m.changed.Wait()
	}
}

func (m *memConn) SetWriteDeadline(t time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.timer != nil {
		m.timer.Stop()
	}
	m.deadline = t
	m.changed.Broadcast()
	if time.Until(t) > 0 {
		m.timer = time.AfterFunc(time.Until(t), func() { m.mu.Lock(); defer m.mu.Unlock(); m.changed.Broadcast() })
	}
	return nil
}

func (m *memConn) SetDeadline(t time.Time) error {
	_ = m.SetWriteDeadline(t)
	return m.SetReadDeadline(t)
}

// pump writes until everything is out and the connection closed.
func (m *memConn) pump() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		for len(m.data) == 0 && !m.closed {
			m.changed.Wait()
		}
		if len(m.data) == 0 {
			_ = m.Conn.Close()
			return
		}
		data := m.data
		m.data = nil
		m.changed.Broadcast()
		m.mu.Unlock()
		_, err := m.Conn.Write(data)
		m.mu.Lock()
		if err != nil {
			m.closed = true
			m.data = nil
			m.changed.Broadcast()
		}
	}
}

// Close lets what was written go out, if it is read.
func (m *memConn) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	m.changed.Broadcast()
	if len(m.data) > 0 { // the pump closes the rest, but nothing more is read here
		return m.Conn.SetReadDeadline(longAgo)
	}
	return m.Conn.Close()
}
