package node

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/go-zre/go-zre/beacon"
)

// The addresses of the node and the peer in a cables network.
var (
	nodeAddr = netip.MustParseAddr("10.0.0.1")
	peerAt   = netip.MustParseAddrPort("10.0.0.2:5000")
)

// cables is a network of a node and one peer, for fake time: nothing takes time, and no beacon arrives. The test decides what happens to dials.
type cables struct {
	mailbox *outlet // of the peer

	mu      sync.Mutex
	dials   int
	hold    bool       // dials wait for verdict
	verdict chan error // for a waiting dial: nil lets it through
}

func newCables() *cables { return &cables{mailbox: newOutlet(), verdict: make(chan error)} }

// holdDials makes later dials wait for a verdict, or go through. It returns what they did before.
func (c *cables) holdDials(hold bool) (before bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, c.hold = c.hold, hold
	return before
}

// dialled returns how many dials have begun.
func (c *cables) dialled() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dials
}

func (c *cables) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if network != "tcp" {
		return nil, errors.ErrUnsupported
	}
	c.mu.Lock()
	c.dials++
	hold := c.hold
	c.mu.Unlock()
	if hold {
		select {
		case err := <-c.verdict:
			if err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	ours, its := newCable(netip.AddrPortFrom(nodeAddr, 40_000), peerAt)
	c.mailbox.plugs <- its
	return ours, nil
}

func (c *cables) Listen(_ context.Context, network, _ string) (net.Listener, error) {
	if network != "tcp" {
		return nil, errors.ErrUnsupported
	}
	return newOutlet(), nil
}

func (c *cables) Interfaces() ([]beacon.Interface, error) {
	return []beacon.Interface{{
		Index: 1, Name: "lan", Flags: net.FlagUp | net.FlagRunning | net.FlagBroadcast | net.FlagMulticast,
		Addrs: []netip.Prefix{netip.PrefixFrom(nodeAddr, 24)},
	}}, nil
}

func (c *cables) ListenPacket(network string, _ int) (beacon.PacketConn, error) {
	if network != "udp4" {
		return nil, errors.ErrUnsupported
	}
	return &silence{done: make(chan struct{})}, nil
}

// silence is a socket that receives nothing.
type silence struct {
	once sync.Once
	done chan struct{}
}

func (s *silence) ReadFrom([]byte) (int, beacon.Origin, error) {
	<-s.done
	return 0, beacon.Origin{}, net.ErrClosed
}

func (s *silence) WriteTo([]byte, beacon.Destination) error { return nil }
func (s *silence) Join(netip.Addr, int) error               { return nil }

func (s *silence) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// outlet is a listener whose connections a test plugs in.
type outlet struct {
	plugs chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newOutlet() *outlet { return &outlet{plugs: make(chan net.Conn, 10), done: make(chan struct{})} }

func (o *outlet) Accept() (net.Conn, error) {
	select {
	case c := <-o.plugs:
		return c, nil
	case <-o.done:
		return nil, net.ErrClosed
	}
}

func (o *outlet) Close() error {
	o.once.Do(func() { close(o.done) })
	return nil
}

func (o *outlet) Addr() net.Addr { return net.TCPAddrFromAddrPort(netip.AddrPortFrom(nodeAddr, 5000)) }

// cable is one end of a connection in memory, which holds everything written. A deadline counts if it is over when it is set.
type cable struct {
	local, remote net.Addr
	far           *cable
	mu            *sync.Mutex // shared by both ends; guards the rest
	news          *sync.Cond
	unread        []byte
	late          bool
	closed        bool
}

func newCable(a, b netip.AddrPort) (*cable, *cable) {
	mu := new(sync.Mutex)
	news := sync.NewCond(mu)
	x := &cable{local: net.TCPAddrFromAddrPort(a), remote: net.TCPAddrFromAddrPort(b), mu: mu, news: news}
	y := &cable{local: x.remote, remote: x.local, mu: mu, news: news, far: x}
	x.far = y
	return x, y
}

func (c *cable) Read(b []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case c.late:
			return 0, os.ErrDeadlineExceeded
		case len(c.unread) > 0:
			n = copy(b, c.unread)
			c.unread = c.unread[n:]
			return n, nil
		case c.far.closed:
			return 0, io.EOF
		}
		c.news.Wait()
	}
}

func (c *cable) Write(b []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case c.far.closed:
		return 0, syscall.EPIPE
	}
	c.far.unread = append(c.far.unread, b...)
	c.news.Broadcast()
	return len(b), nil
}

func (c *cable) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.news.Broadcast()
	return nil
}

func (c *cable) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late = !t.IsZero() && !t.After(time.Now())
	c.news.Broadcast()
	return nil
}

func (c *cable) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }
func (c *cable) SetWriteDeadline(time.Time) error  { return nil }
func (c *cable) LocalAddr() net.Addr               { return c.local }
func (c *cable) RemoteAddr() net.Addr              { return c.remote }
