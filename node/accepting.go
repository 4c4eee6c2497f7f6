package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/go-zre/go-zre/internal/paths"
)

// acceptQuiet is how long Accept must not fail before the listener counts as working again. During a flood, each descriptor that becomes free
// is used at once, so Accept fails and works in turn.
const acceptQuiet = 5 * time.Second

// samePortTries is how many times a node tries the mailbox's old port after its listener is gone. Then it moves to another port.
const samePortTries = 3

var errListenerGone = errors.New("the listener is gone")

// serve accepts the peers that connect to a listener. If the listener fails, though the node did not close it, serve listens again.
func (n *Node) serve(l net.Listener, listen func(ctx context.Context, try int) (net.Listener, error)) {
	n.wg.Go(func() {
		for l != nil {
			err := n.router.Serve(l)
			if n.life.Err() != nil {
				return
			}
			if errors.Is(err, net.ErrClosed) {
				err = errListenerGone
			}
			n.noteAcceptFailure(l, err)
			l = n.listenAgain(l, listen)
		}
	})
}

// listenAgain tries to listen until it succeeds, with pauses. It returns nil if the node ends meanwhile.
func (n *Node) listenAgain(old net.Listener, listen func(ctx context.Context, try int) (net.Listener, error)) net.Listener {
	for try := 1; ; try++ {
		l, err := listen(n.life, try)
		if err == nil {
			return l
		}
		if n.life.Err() != nil {
			return nil
		}
		n.noteAcceptFailure(old, err)
		select {
		case <-time.After(backoff(n.cfg.Network, try)):
		case <-n.life.Done():
			return nil
		}
	}
}

// relistenMailbox listens on the mailbox's old port. If that port is taken and any port will do, it moves to another one; beacons then
// announce it.
func (n *Node) relistenMailbox(ctx context.Context, try int) (net.Listener, error) {
	host, port, err := listenAddress(n.cfg.Listen)
	if err != nil {
		return nil, err
	}
	if port == 0 && try > samePortTries {
		l, err := n.listenMailbox(ctx)
		if err == nil && !isLate(l) {
			n.post(func() { n.announceNewPort(paths.AddrPortOf(l.Addr()).Port()) })
		}
		return l, err
	}
	return n.cfg.Network.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(n.mailboxPort()))))
}

func (n *Node) relistenIPC(ctx context.Context, _ int) (net.Listener, error) {
	return n.cfg.Network.Listen(ctx, "unix", ipcAddress(n.cfg.UUID))
}

// announceNewPort announces the mailbox's new port. It runs in the control loop. Sessions stay, because their connections do.
func (n *Node) announceNewPort(port uint16) {
	n.movedTo.Store(uint32(port))
	if !n.stopping {
		n.agent.Announce(port, n.State())
		n.reportEndpoints()
		n.publishEndpoint()
	}
}

// mailboxPort returns the port of the mailbox.
func (n *Node) mailboxPort() uint16 {
	if port := n.movedTo.Load(); port != 0 {
		return uint16(port)
	}
	return n.port
}

// noteAcceptFailure records that accepting from a listener failed, or that listening in its place did. It does not block.
func (n *Node) noteAcceptFailure(l net.Listener, err error) {
	about := "tcp://" + l.Addr().String()
	if l.Addr().Network() == "unix" {
		about = "ipc://" + l.Addr().String()
	}
	n.acceptFailures.Store(about, time.Now())
	n.problems.raise(ProblemNotAccepting, about, nil, fmt.Errorf("cannot accept connections: %w", err))
}

// checkAccepting runs once a tick. It solves the problems of listeners that have not failed again.
func (n *Node) checkAccepting(now time.Time) {
	n.acceptFailures.Range(func(about, last any) bool {
		if now.Sub(last.(time.Time)) >= acceptQuiet {
			n.acceptFailures.CompareAndDelete(about, last)
			n.problems.solve(ProblemNotAccepting, about.(string))
		}
		return true
	})
}

// hasPeerFrom reports whether a present peer came from an address. Connections from there have their own share of the pending handshakes.
func (n *Node) hasPeerFrom(remote net.Addr) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.hosts[hostOf(remote)] > 0
}

func hostOf(a net.Addr) netip.Addr { return paths.AddrPortOf(a).Addr() }

// addHost needs mu.
func (n *Node) addHost(s *session, from net.Addr) {
	n.removeHost(s)
	if s.host = hostOf(from); s.host.IsValid() {
		n.hosts[s.host]++
	}
}

// removeHost needs mu.
func (n *Node) removeHost(s *session) {
	if !s.host.IsValid() {
		return
	}
	if n.hosts[s.host]--; n.hosts[s.host] == 0 {
		delete(n.hosts, s.host)
	}
	s.host = netip.Addr{}
}
