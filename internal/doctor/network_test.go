package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A faulty network is a host's network with a fault.
type faulty struct {
	*zretest.Host
	listenPacket func(network string, port int) error // the error of ListenPacket
	swallow      func(to netip.AddrPort) bool         // datagrams that never leave
	lookUp       func(ctx context.Context, host string) ([]netip.Addr, error)
	dial         func(address string) error           // the error of Dial
	accept       func(net.Listener) (net.Conn, error) // instead of Accept
}

func (f *faulty) ListenPacket(network string, port int) (beacon.PacketConn, error) {
	if f.listenPacket != nil {
		if err := f.listenPacket(network, port); err != nil {
			return nil, fmt.Errorf("listening: %w", err)
		}
	}
	c, err := f.Host.ListenPacket(network, port)
	if err != nil {
		return nil, err
	}
	return faultyPacketConn{c, f}, nil
}

type faultyPacketConn struct {
	beacon.PacketConn
	network *faulty
}

func (c faultyPacketConn) WriteTo(b []byte, to beacon.Destination) error {
	if c.network.swallow != nil && c.network.swallow(to.Dst) {
		return nil
	}
	return c.PacketConn.WriteTo(b, to)
}

func (f *faulty) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if f.lookUp != nil {
		return f.lookUp(ctx, host)
	}
	return f.Host.LookupNetIP(ctx, network, host)
}

func (f *faulty) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if f.dial != nil {
		if err := f.dial(address); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) { // nothing comes back
				<-ctx.Done()
				err = ctx.Err()
			}
			return nil, &net.OpError{Op: "dial", Net: network, Err: err}
		}
	}
	return f.Host.Dial(ctx, network, address)
}

func (f *faulty) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	l, err := f.Host.Listen(ctx, network, address)
	if err != nil || f.accept == nil {
		return l, err
	}
	return faultyListener{l, f}, nil
}

type faultyListener struct {
	net.Listener
	network *faulty
}

func (l faultyListener) Accept() (net.Conn, error) { return l.network.accept(l.Listener) }

// swallowed makes connections vanish before they are accepted, as with a firewall that drops them, until the listener is closed.
func swallowed(l net.Listener) (net.Conn, error) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return nil, err
		}
		go func() { // held open; it is closed when the other side has hung up
			for b := make([]byte, 1000); err == nil; {
				_, err = nc.Read(b)
			}
			nc.Close()
		}()
	}
}

// speak sends datagrams from a host to the classic port until the test ends.
func speak(t *testing.T, h *zretest.Host, beacons ...beacon.Beacon) {
	t.Helper()
	i, err := h.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := h.ListenPacket("udp4", 9999)
	if err != nil {
		t.Fatal(err)
	}
	from := i[1].Addrs[0].Addr()
	to := from.As4()
	to[3] = 255
	stop := make(chan struct{})
	var speaking sync.WaitGroup
	speaking.Go(func() {
		for {
			for n, b := range beacons {
				if n%500 == 499 {
					<-time.After(time.Millisecond) // a receive buffer does not hold more at once
				}
				_ = conn.WriteTo(b.Append(nil), beacon.Destination{Dst: netip.AddrPortFrom(netip.AddrFrom4(to), 5670), Src: from, IfIndex: 2})
			}
			select {
			case <-time.After(time.Second):
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		speaking.Wait()
		conn.Close()
	})
}

// serve answers every connection to a port of a host with answer, until the test ends.
func serve(t *testing.T, h *zretest.Host, port int, answer func(net.Conn)) {
	t.Helper()
	l, err := h.Listen(t.Context(), "tcp", fmt.Sprint(":", port))
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer nc.Close()
				answer(nc)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
}

// untilClosed reads until the other side hangs up.
func untilClosed(nc net.Conn) {
	for b := make([]byte, 1000); ; {
		if _, err := nc.Read(b); err != nil {
			return
		}
	}
}

func said(id uuid.UUID, port uint16) beacon.Beacon {
	return beacon.Beacon{UUID: id, Port: port, State: beacon.Unknown}
}
