package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// latePause is the time between attempts to listen on a missing address. It bounds the delay after the address appears.
const latePause = 500 * time.Millisecond

// isAddressMissing reports whether listening failed because the machine has no such address. The address may come by DHCP, or with its interface.
func isAddressMissing(err error) bool {
	const windows = syscall.Errno(10049) // WSAEADDRNOTAVAIL
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, windows)
}

// listenTCP listens on one address and port. If the machine does not have the address yet, the listener waits for it: see lateListener.
func (n *Node) listenTCP(ctx context.Context, host string, port uint16, begun func()) (net.Listener, error) {
	address := net.JoinHostPort(host, fmt.Sprint(port))
	l, err := n.cfg.Network.Listen(ctx, "tcp", address)
	at, wrong := netip.ParseAddrPort(address)
	if !isAddressMissing(err) || wrong != nil {
		return l, err
	}
	late := &lateListener{node: n, address: address, at: net.TCPAddrFromAddrPort(at), onListen: begun}
	late.ctx, late.cancel = context.WithCancel(context.Background())
	return late, nil
}

// A lateListener listens once its address exists. Until then that is a problem of the node, and no connection is accepted.
type lateListener struct {
	node     *Node
	address  string
	at       net.Addr
	onListen func() // called when it listens; may be nil

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu       sync.Mutex // guards listener
	listener net.Listener
}

func (l *lateListener) Addr() net.Addr { return l.at }

// Accept is called by one goroutine, after the node has started.
func (l *lateListener) Accept() (net.Conn, error) {
	listener, err := l.await()
	if err != nil {
		return nil, err
	}
	return listener.Accept()
}

// await listens as soon as possible.
func (l *lateListener) await() (net.Listener, error) {
	about := "tcp://" + l.address
	for {
		l.mu.Lock()
		listener := l.listener
		l.mu.Unlock()
		if listener != nil {
			return listener, nil
		}
		listener, err := l.node.cfg.Network.Listen(l.ctx, "tcp", l.address)
		switch {
		case l.ctx.Err() != nil:
			if err == nil {
				_ = listener.Close()
			}
			return nil, net.ErrClosed
		case err == nil:
			l.keep(listener)
			l.node.problems.solve(ProblemNotAccepting, about)
			continue
		}
		l.node.problems.raise(ProblemNotAccepting, about, nil, fmt.Errorf("cannot listen yet: %w", err))
		select {
		case <-time.After(latePause):
		case <-l.ctx.Done():
			return nil, net.ErrClosed
		}
	}
}

// keep keeps a listener, or closes it if Close was called.
func (l *lateListener) keep(listener net.Listener) {
	l.mu.Lock()
	l.listener = listener
	closed := l.ctx.Err() != nil
	l.mu.Unlock()
	if closed {
		_ = listener.Close()
	} else if l.onListen != nil {
		l.onListen()
	}
}

func (l *lateListener) Close() error {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		return l.listener.Close()
	}
	return nil
}

// isLate reports whether a listener still waits for its address.
func isLate(l net.Listener) bool {
	late, ok := l.(*lateListener)
	if !ok {
		return false
	}
	late.mu.Lock()
	defer late.mu.Unlock()
	return late.listener == nil
}
