package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/discovery"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// checkGossip checks the endpoints of gossip hubs.
func (c *Config) checkGossip() error {
	for _, endpoint := range c.GossipBind {
		if _, port, err := listenAddress(endpoint); err != nil || port == 0 {
			return withSentinel(fmt.Errorf("node: WithGossipBind: cannot listen on %q: want tcp://*:PORT or tcp://ADDRESS:PORT", endpoint), ErrInvalidEndpoint)
		}
	}
	return c.checkEndpoints("WithGossipConnect", c.GossipConnect)
}

// openGossip listens for gossip clients, if the configuration says so.
func (o *opening) openGossip(ctx context.Context) error {
	n := o.node
	if len(n.cfg.GossipBind) == 0 {
		return nil
	}
	var listeners []net.Listener
	for _, endpoint := range n.cfg.GossipBind {
		host, port, _ := listenAddress(endpoint) // was checked
		l, err := n.listenTCP(ctx, host, port, nil)
		if err != nil {
			return withSentinel(fmt.Errorf("node: start: WithGossipBind: cannot listen on %s: %w", endpoint, errors.Join(err, closeAll(listeners))), ErrListen)
		}
		listeners = append(listeners, l)
	}
	o.gossip = n.newHub(listeners)
	o.closers = append(o.closers, o.gossip.Close)
	return nil
}

func (n *Node) newHub(listeners []net.Listener) *discovery.Hub {
	return n.seeker.NewHub(discovery.HubConfig{
		Dial:      n.cfg.Network.Dial,
		IsLocal:   func(addr netip.Addr) bool { return n.agent.IsLocal(addr) },
		PublicKey: n.publicKey(),
		Curve:     n.curveOfHub(),
		CurveTo:   func(hub PublicKey) *zmtp.Curve { return n.curveTo(uuid.Nil, hub, true) },
	}, listeners)
}

// connectGossip connects to a gossip hub.
func (n *Node) connectGossip(endpoint string) error {
	if n.gossip == nil {
		n.gossip = n.newHub(nil)
		n.publishEndpoint()
	}
	return n.noteKey(endpoint, n.gossip.Connect(endpoint))
}

func closeAll(listeners []net.Listener) (err error) {
	for _, l := range listeners {
		err = errors.Join(err, l.Close())
	}
	return err
}

// publishEndpoint sends our endpoint to the gossip hubs.
func (n *Node) publishEndpoint() {
	if n.gossip != nil {
		n.gossip.Publish(n.endpoint())
	}
}

// stopGossip disconnects from the gossip hubs.
func (n *Node) stopGossip() error {
	if n.gossip == nil {
		return nil
	}
	return n.gossip.Close()
}
