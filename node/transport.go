package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/ipc"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// The transports by which messages reach a peer.
const (
	Inproc = "inproc" // to a node of our own process: frames are handed over
	IPC    = "ipc"    // to a process of the same user on the same host, by a unix socket
	TCP    = "tcp"
)

var allTransports = []string{Inproc, IPC, TCP}

// uses reports whether the node may use a transport.
func (c *Config) uses(transport string) bool { return slices.Contains(c.Transports, transport) }

// checkTransports fills in the default.
func (c *Config) checkTransports() error {
	if len(c.Transports) == 0 {
		c.Transports = allTransports
	}
	for _, t := range c.Transports {
		if !slices.Contains(allTransports, t) {
			return fmt.Errorf("node: transport %q is none of %v", t, allTransports)
		}
	}
	if !c.uses(TCP) {
		return fmt.Errorf("node: transports %v: tcp is needed: other hosts and implementations use no other", c.Transports)
	}
	return nil
}

// ipcAddress returns the address of a node's unix socket in a Network.
func ipcAddress(id uuid.UUID) string { return id.String() }

// listenIPC listens for processes on this host. It returns nil if it cannot: then they connect by tcp.
func (n *Node) listenIPC(ctx context.Context) net.Listener {
	if !n.cfg.uses(IPC) {
		return nil
	}
	listener, err := n.cfg.Network.Listen(ctx, "unix", ipcAddress(n.cfg.UUID))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		n.log.Debug().Err(err).Msg("the system has no ipc")
	case err != nil:
		n.log.Warn().Err(err).Msg("cannot listen by ipc: other processes on this host connect by tcp")
	default:
		return listener
	}
	return nil
}

// connect makes one attempt to reach a peer, by the best transport that leads to it, and says HELLO.
func (p *session) connect(ctx context.Context, id uuid.UUID, attempt int, hello msg.OutHello) (*zmtp.Conn, error) {
	n := p.node
	if other := n.neighbour(id); other != nil {
		conn, err := p.linkInproc(id, other, hello)
		if err == nil {
			return conn, nil
		}
		n.log.Debug().Err(err).Stringer("peer", id).Msg("cannot connect by inproc")
	}
	if p.sameHost.Load() && n.cfg.uses(IPC) {
		conn, err := p.openIPC(ctx, id, hello)
		switch {
		case err == nil:
			return conn, nil
		case ctx.Err() != nil || errors.Is(err, errOffer):
			return nil, err
		case errors.Is(err, ipc.ErrAbsent) || errors.Is(err, errors.ErrUnsupported): // another user's process, in a container, or a foreign one
		default:
			level := zerolog.WarnLevel
			if isHangUp(err) || n.ipcWarned.Swap(true) { // a peer that dies meanwhile is no fault of ipc
				level = zerolog.DebugLevel
			}
			n.log.WithLevel(level).Err(err).Stringer("peer", id).Msg("cannot connect by ipc, trying tcp")
		}
	}
	return p.dialBest(ctx, attempt, func(ctx context.Context, at netip.AddrPort) (conn *zmtp.Conn, err error) {
		if err = p.reserve(at, false); err == nil {
			conn, err = p.open(ctx, "tcp", at.String(), p.connectionConfig(id, "tcp"), hello, &mailbox{session: p})
		}
		if err != nil {
			return nil, &dialError{at, err}
		}
		return conn, nil
	})
}

// open dials and does the handshake.
func (p *session) open(ctx context.Context, network, address string, cfg zmtp.Config, hello msg.OutHello, box *mailbox) (*zmtp.Conn, error) {
	n := p.node
	dialling, cancel := context.WithTimeout(ctx, dialTimeout)
	nc, err := n.cfg.Network.Dial(dialling, network, address)
	cancel()
	if err != nil {
		return nil, err
	}
	if network == "tcp" && n.leadsToSelf(nc) {
		return nil, errors.Join(errOwnMailbox, nc.Close())
	}
	first := p.firstMessage(hello)
	n.wg.Add(1) // until mailbox.Closed
	conn, err := zmtp.Open(ctx, nc, cfg, p.out.Queue(), func(conn *zmtp.Conn) ([][]byte, error) {
		box.open(conn)
		return first(conn)
	}, box)
	if err != nil {
		n.wg.Done()
	}
	return conn, err
}

// errOwnMailbox: an endpoint of a peer led to this node itself.
var errOwnMailbox = errors.New("this node listens at that address itself")

// leadsToSelf reports whether a connection leads to our own mailbox. A peer may name an address that exists only on its own host, and also on ours.
// Such an address is not dialled (see paths.Usable), unless we do not know our own addresses.
func (n *Node) leadsToSelf(nc net.Conn) bool {
	local, remote := paths.AddrPortOf(nc.LocalAddr()), paths.AddrPortOf(nc.RemoteAddr())
	if host, _, _ := listenAddress(n.cfg.Listen); host != "" && host != remote.Addr().String() {
		return false // another process may have the port at that address
	}
	return remote.IsValid() && remote.Port() == n.port && local.Addr() == remote.Addr()
}

// linkInproc makes a connection within the process.
func (p *session) linkInproc(id uuid.UUID, other *Node, hello msg.OutHello) (*zmtp.Conn, error) {
	n := p.node
	n.wg.Add(1) // until mailbox.Closed
	conn, err := other.router.Link(p.connectionConfig(id, Inproc), p.out.Queue(), p.firstMessage(hello), &mailbox{session: p})
	if err != nil {
		n.wg.Done()
	}
	return conn, err
}

// firstMessage makes the HELLO that a connection begins with. It names the local address of this connection, because the peer can reach us there;
// on this host any address will do. An advertised endpoint replaces it.
func (p *session) firstMessage(hello msg.OutHello) func(*zmtp.Conn) ([][]byte, error) {
	return func(conn *zmtp.Conn) ([][]byte, error) {
		if len(conn.Identity()) == 0 { // during the dial, another peer may have been shown there
			if err := p.reserve(paths.AddrPortOf(conn.RemoteAddr()), true); err != nil {
				return nil, err
			}
		}
		hello.Endpoint = p.node.endpoint()
		if local := paths.AddrOf(conn.LocalAddr()); local.IsValid() && p.node.cfg.Advertise == "" {
			format := paths.Format
			if len(conn.Identity()) == 0 { // C zyre: the other implementations without identity do not speak IPv6
				format = paths.FormatBare
			}
			hello.Endpoint = format(netip.AddrPortFrom(local, p.node.mailboxPort()))
		}
		header, err := msg.AppendHello(nil, 1, &hello, p.node.cfg.Limits.msg())
		return [][]byte{header}, err
	}
}

// transportOf returns the transport of a connection.
func transportOf(conn *zmtp.Conn) string { return transportTo(conn.RemoteAddr()) }

// transportTo returns the transport to an address.
func transportTo(addr net.Addr) string {
	switch addr.Network() {
	case "unix":
		return IPC
	case "inproc":
		return Inproc
	}
	return TCP
}

// isHangUp tells whether a dial failed because the other end closed the connection.
func isHangUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
