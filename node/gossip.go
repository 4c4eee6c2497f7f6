package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/gossip"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/seek"
)

// gossiper is a node's part in gossip.
type gossiper struct {
	hub       *gossip.Hub
	listeners []net.Listener // for clients
	published string         // where we are
}

// checkGossip checks the endpoints of hubs.
func (c *Config) checkGossip() error {
	for _, endpoint := range c.GossipBind {
		if _, port, err := listenAddress(endpoint); err != nil || port == 0 {
			return fmt.Errorf("node: WithGossipBind: cannot listen on %q: want tcp://*:PORT or tcp://ADDRESS:PORT", endpoint)
		}
	}
	for _, endpoint := range c.GossipConnect {
		if _, _, err := paths.Parse(endpoint); err != nil {
			return fmt.Errorf("node: WithGossipConnect: %w", err)
		}
	}
	return nil
}

// openGossip listens for clients and connects to hubs, if the configuration says so.
func (n *Node) openGossip(ctx context.Context) (*gossiper, error) {
	if len(n.cfg.GossipBind)+len(n.cfg.GossipConnect) == 0 {
		return nil, nil
	}
	hub := gossip.NewHub(gossip.Config{
		Learned: n.learned,
		Ended:   n.unlearned,
		Changed: n.hubChanged,
		Dial:    n.cfg.Network.Dial,
		Log:     n.log,
	})
	g := &gossiper{hub: hub}
	for _, endpoint := range n.cfg.GossipBind {
		host, port, _ := listenAddress(endpoint) // was checked
		l, err := n.cfg.Network.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
		if err != nil {
			return g, fmt.Errorf("node: start: WithGossipBind: cannot listen on %s: %w", endpoint, err)
		}
		g.listeners = append(g.listeners, l)
	}
	for _, endpoint := range n.cfg.GossipConnect {
		host, port, _ := paths.Parse(endpoint) // was checked
		if err := hub.Connect(net.JoinHostPort(host, strconv.Itoa(int(port)))); err != nil {
			return g, fmt.Errorf("node: WithGossipConnect: %w", err)
		}
	}
	return g, nil
}

// close ends gossip that was opened and not served. Its callbacks must not wait: the hub waits for them.
func (g *gossiper) close() (err error) {
	for _, l := range g.listeners {
		err = errors.Join(err, l.Close())
	}
	return errors.Join(err, g.hub.Close())
}

// serveGossip takes clients, until the hub is closed, and tells where we are.
func (n *Node) serveGossip() {
	if n.gossip == nil {
		return
	}
	for _, l := range n.gossip.listeners {
		n.wg.Go(func() {
			if err := n.gossip.hub.Serve(l); !errors.Is(err, gossip.ErrClosed) {
				n.log.Error().Err(err).Stringer("listener", l.Addr()).Msg("gossip hub closed")
			}
		})
	}
	n.publish()
}

// publish tells the hubs where we are.
func (n *Node) publish() {
	if n.gossip == nil {
		return
	}
	endpoint := n.endpoint()
	if endpoint == n.gossip.published {
		return
	}
	n.gossip.published = endpoint
	err := n.gossip.hub.Publish(gossip.Tuple{Key: gossip.FormatKey(n.cfg.UUID), Value: gossip.FormatValue(endpoint, "")})
	if err != nil {
		n.log.Error().Err(err).Str("endpoint", endpoint).Msg("gossip: not published")
	}
}

// stopGossip takes leave of the hubs.
func (n *Node) stopGossip() error {
	if n.gossip == nil {
		return nil
	}
	return n.gossip.hub.Close()
}

func (n *Node) hubChanged(c gossip.Change) {
	if c.Up {
		n.log.Info().Str("hub", c.Address).Msg("gossip: connected")
	} else {
		n.log.Warn().Err(c.Err).Str("hub", c.Address).Msg("gossip: no connection to a hub, trying on")
	}
}

// learned takes a tuple. It must not wait for the control loop's wait for the hub.
func (n *Node) learned(t gossip.Tuple) {
	id, endpoint, key, err := gossip.ParseTuple(t.Key, t.Value)
	switch {
	case err != nil:
		n.log.Debug().Err(err).Msg("gossip: tuple ignored")
		return
	case id == n.cfg.UUID:
		return
	case key != "":
		n.log.Warn().Stringer("peer", id).Msg("gossip: peer ignored, it wants CURVE, which this node does not speak")
		return
	}
	n.post(func() { n.introduced(id, endpoint, t.From) })
}

// unlearned: a tuple has ended.
func (n *Node) unlearned(key string) {
	if id, err := uuid.Parse(key); err == nil {
		n.post(func() { n.seeker.RemoveSource(gossiped(id)) })
	}
}

// introduced: gossip tells where a peer is, by a connection from that address.
func (n *Node) introduced(id uuid.UUID, endpoint string, from netip.Addr) {
	usable := func(at netip.AddrPort) bool {
		if !paths.UsableHearsay(at, from, n.agent.IsLocal) {
			n.log.Debug().Stringer("peer", id).Stringer("address", at).Stringer("from", from).Msg("gossip: address ignored, it is not for others to name")
			return false
		}
		return true
	}
	if err := n.seeker.AddEndpoint(gossiped(id), endpoint, usable); err != nil {
		level := zerolog.DebugLevel // it is the peer's mistake
		if errors.Is(err, seek.ErrTooManyHosts) {
			level = zerolog.WarnLevel
		}
		n.log.WithLevel(level).Err(err).Stringer("peer", id).Msg("gossip: peer ignored")
	}
}

// gossiped is the source that gossip about a peer is.
func gossiped(id uuid.UUID) seek.Source { return seek.Source{Kind: seek.Gossip, Peer: id} }
