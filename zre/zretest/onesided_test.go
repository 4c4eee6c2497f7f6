package zretest_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// lateMailbox is a host whose first accepted connection delivers nothing after the greeting for six seconds. Its READY is late, so the
// ROUTER gives up after the DEALER on the other side has finished its handshake.
type lateMailbox struct{ *zretest.Host }

func (h *lateMailbox) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	l, err := h.Host.Listen(ctx, network, address)
	return &lateListener{Listener: l}, err
}

type lateListener struct {
	net.Listener
	accepted int
}

func (l *lateListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if l.accepted++; err == nil && l.accepted == 1 {
		c = &lateConn{Conn: c}
	}
	return c, err
}

type lateConn struct {
	net.Conn
	read int
}

func (c *lateConn) Read(b []byte) (int, error) {
	if c.read >= 64 {
		time.Sleep(6 * time.Second)
	}
	n, err := c.Conn.Read(b)
	c.read += n
	return n, err
}

// If the ROUTER gives up a handshake that the DEALER has finished, no session may remain on one side only.
func TestOneSidedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		bob := zretest.Start(t, &lateMailbox{lan.Host("10.0.0.2")}, zre.WithName("bob"))
		alice := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("alice"))
		zretest.Next[zre.Enter](alice)
		time.Sleep(10 * time.Minute)
		if _, ok := bob.Peer(alice.UUID()); !ok {
			t.Errorf("after ten minutes alice sees bob and bob does not see alice")
		}
	})
}
