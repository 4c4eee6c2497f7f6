package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/seek"
	"github.com/go-zre/go-zre/internal/srv"
)

// startTimeout bounds what Start waits for the DNS, whatever its context allows.
const startTimeout = 10 * time.Second

// checkSources checks where else than by beacons peers are looked for.
func (c *Config) checkSources() error {
	if c.Advertise != "" {
		if _, _, err := paths.Parse(c.Advertise); err != nil {
			return fmt.Errorf("node: WithAdvertise: %w", err)
		}
	}
	for _, endpoint := range c.Peers {
		if _, _, err := paths.Parse(endpoint); err != nil {
			return fmt.Errorf("node: WithPeers: %w", err)
		}
	}
	for i, domain := range c.SRV {
		name, err := srv.Name(domain)
		if err != nil {
			return fmt.Errorf("node: WithSRV: %w", err)
		}
		c.SRV = slices.Clone(c.SRV)
		c.SRV[i] = name
	}
	if c.Resolver != "" {
		if _, err := srv.Server(c.Resolver); err != nil {
			return fmt.Errorf("node: WithResolver: %w", err)
		}
	}
	return c.checkGossip()
}

// lookUp asks for the SRV records, all at a time, and returns what goes on asking.
func (n *Node) lookUp(ctx context.Context) (*seek.Watchers, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, srv.ErrTimeout)
	defer cancel()
	watchers, err := n.seeker.LookUpSRV(ctx, seek.SRVConfig{Names: n.cfg.SRV, Server: n.cfg.Resolver, Dial: n.cfg.Network.Dial})
	if err != nil {
		return watchers, fmt.Errorf("node: start: WithSRV: %w", err)
	}
	return watchers, nil
}

// findPeers begins to look for peers where the configuration says. It runs before the control loop does.
func (n *Node) findPeers(watchers *seek.Watchers) {
	for _, endpoint := range n.cfg.Peers {
		_ = n.seeker.AddEndpoint(configured(endpoint), endpoint, nil) // checkSources has seen the error
	}
	watchers.Run()
}
