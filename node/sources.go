package node

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/discovery"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/srv"
)

// checkSources checks the configured sources of peers, other than beacons.
func (c *Config) checkSources() error {
	if c.Advertise != "" {
		if _, _, err := paths.Parse(c.Advertise); err != nil {
			return withSentinel(fmt.Errorf("node: WithAdvertise: %w", err), ErrInvalidEndpoint)
		}
	}
	if err := c.checkEndpoints("WithPeers", c.Peers); err != nil {
		return err
	}
	names, err := namesOf("WithSRV", c.SRV)
	if err != nil {
		return err
	}
	c.SRV = names
	if c.Resolver != "" {
		if _, err := srv.Server(c.Resolver); err != nil {
			return fmt.Errorf("node: WithDNSServer: %w", err)
		}
	}
	return c.checkGossip()
}

// findPeers begins to look for peers at the configured sources. It does not block, and runs before the control loop starts. checkSources has
// already found errors.
func (n *Node) findPeers() {
	for _, endpoint := range n.cfg.Peers {
		_ = n.addPeer(endpoint)
	}
	for _, name := range n.cfg.SRV {
		_ = n.addSRV(name)
	}
	for _, endpoint := range n.cfg.GossipConnect {
		_ = n.connectGossip(endpoint)
	}
}

func (n *Node) addPeer(endpoint string) error {
	return n.noteKey(endpoint, n.seeker.AddEndpoint(configuredSource(endpoint), endpoint, nil))
}

// noteKey makes a missing key of an endpoint a problem instead of an error.
func (n *Node) noteKey(endpoint string, err error) error {
	if errors.Is(err, discovery.ErrNoKey) {
		n.problems.raise(ProblemNoKey, endpoint, &Peer{Endpoint: endpoint, Transport: TCP, State: beacon.Unknown}, err)
		return nil
	}
	return err
}

func (n *Node) addSRV(name string) error {
	n.seeker.AddSRV(name)
	return nil
}

// The calls below change the sources of a node, whether it is started or not. None waits for the network. If one value is invalid, the call
// changes nothing.

// AddPeers is zre.Node.AddPeers.
func (n *Node) AddPeers(endpoints ...string) error {
	if err := n.cfg.checkEndpoints("AddPeers", endpoints); err != nil {
		return err
	}
	return n.addSources(&n.cfg.Peers, endpoints, n.addPeer)
}

// RemovePeers is zre.Node.RemovePeers.
func (n *Node) RemovePeers(endpoints ...string) error {
	if err := n.cfg.checkEndpoints("RemovePeers", endpoints); err != nil {
		return err
	}
	return n.removeSources(&n.cfg.Peers, endpoints, func(endpoint string) error {
		n.seeker.RemoveSource(configuredSource(endpoint))
		n.problems.solve(ProblemNoKey, endpoint)
		return nil
	})
}

// AddSRV is zre.Node.AddSRV.
func (n *Node) AddSRV(domains ...string) error {
	names, err := namesOf("AddSRV", domains)
	if err != nil {
		return err
	}
	return n.addSources(&n.cfg.SRV, names, n.addSRV)
}

// RemoveSRV is zre.Node.RemoveSRV.
func (n *Node) RemoveSRV(domains ...string) error {
	names, err := namesOf("RemoveSRV", domains)
	if err != nil {
		return err
	}
	return n.removeSources(&n.cfg.SRV, names, func(name string) error {
		n.seeker.RemoveSRV(name)
		return nil
	})
}

// ConnectGossip is zre.Node.ConnectGossip.
func (n *Node) ConnectGossip(endpoints ...string) error {
	if err := n.cfg.checkEndpoints("ConnectGossip", endpoints); err != nil {
		return err
	}
	return n.addSources(&n.cfg.GossipConnect, endpoints, n.connectGossip)
}

// DisconnectGossip is zre.Node.DisconnectGossip.
func (n *Node) DisconnectGossip(endpoints ...string) error {
	if err := n.cfg.checkEndpoints("DisconnectGossip", endpoints); err != nil {
		return err
	}
	return n.removeSources(&n.cfg.GossipConnect, endpoints, func(endpoint string) error {
		n.problems.solve(ProblemNoKey, endpoint)
		return n.gossip.Disconnect(endpoint)
	})
}

// ForgetGossip is zre.Node.ForgetGossip.
func (n *Node) ForgetGossip(peers ...uuid.UUID) error {
	return n.change(func() error {
		if n.stopping {
			return ErrClosed
		}
		for _, peer := range peers {
			if n.gossip != nil {
				n.gossip.Forget(peer)
			}
		}
		return nil
	})
}

// addSources adds values to a list of the configuration. If the node is started, it calls add for each new value.
func (n *Node) addSources(list *[]string, values []string, add func(value string) error) error {
	return n.change(func() (err error) {
		if n.stopping {
			return ErrClosed
		}
		for _, value := range values {
			if slices.Contains(*list, value) {
				continue
			}
			*list = append(slices.Clip(*list), value) // the array may be the application's
			if n.agent != nil {
				err = errors.Join(err, add(value))
			}
		}
		return err
	})
}

// removeSources removes values from a list of the configuration. If the node is started, it calls remove for each value that was there.
func (n *Node) removeSources(list *[]string, values []string, remove func(value string) error) error {
	return n.change(func() (err error) {
		if n.stopping {
			return ErrClosed
		}
		for _, value := range values {
			if !slices.Contains(*list, value) {
				continue
			}
			*list = slices.DeleteFunc(slices.Clone(*list), func(other string) bool { return other == value })
			if n.agent != nil {
				err = errors.Join(err, remove(value))
			}
		}
		return err
	})
}

// checkEndpoints checks endpoints to dial. For a secure node, an endpoint without a key is a problem, not an error.
func (c *Config) checkEndpoints(what string, endpoints []string) error {
	for _, endpoint := range endpoints {
		_, _, key, err := discovery.ParseEndpoint(endpoint)
		if err == nil && c.Certificate == nil && !key.IsZero() {
			err = fmt.Errorf("endpoint %q: it names a public key, and this node has no certificate", endpoint)
		}
		if err != nil {
			return withSentinel(fmt.Errorf("node: %s: %w", what, err), ErrInvalidEndpoint)
		}
	}
	return nil
}

// namesOf returns the DNS names to look up for domains.
func namesOf(what string, domains []string) ([]string, error) {
	names := make([]string, len(domains))
	for i, domain := range domains {
		name, err := srv.Name(domain)
		if err != nil {
			return nil, withSentinel(fmt.Errorf("node: %s: %w", what, err), ErrInvalidDomain)
		}
		names[i] = name
	}
	return names, nil
}
