package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/seek"
	"github.com/go-zre/go-zre/internal/srv"
)

const (
	// startTimeout bounds what Start waits for the DNS, whatever its context allows.
	startTimeout = 10 * time.Second
)

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

// lookUp asks for the SRV records, all at a time. It returns who goes on asking.
func (n *Node) lookUp(ctx context.Context) ([]*srv.Watcher, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, srv.ErrTimeout)
	defer cancel()
	watchers := make([]*srv.Watcher, len(n.cfg.SRV))
	problems := make([]error, len(watchers))
	var all sync.WaitGroup
	for i, name := range n.cfg.SRV {
		w := &srv.Watcher{
			Name:     name,
			Resolver: &srv.Resolver{Server: n.cfg.Resolver, Dial: n.cfg.Network.Dial},
			OnChange: func(list []netip.AddrPort) {
				n.post(func() { n.seeker.SetSource(seek.Source{Kind: seek.SRV, Name: name}, list) })
			},
			Log: n.log,
		}
		watchers[i] = w
		all.Go(func() {
			if err := w.Look(ctx); err != nil && !errors.Is(err, srv.ErrNoRecords) { // who comes first finds nobody
				problems[i] = fmt.Errorf("node: start: WithSRV: %w", err)
			}
		})
	}
	all.Wait()
	return watchers, errors.Join(problems...)
}

// findPeers begins to look for peers where the configuration says. It runs before the control loop does.
func (n *Node) findPeers(watchers []*srv.Watcher) {
	for _, endpoint := range n.cfg.Peers {
		_ = n.seeker.AddEndpoint(configured(endpoint), endpoint, nil) // checkSources has seen the error
	}
	for _, w := range watchers {
		n.wg.Go(func() { w.Run(n.life) })
	}
}
