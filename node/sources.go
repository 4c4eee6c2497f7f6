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
	"github.com/go-zre/go-zre/internal/srv"
)

const (
	// A host name is looked up again after nameFresh, after nameRetry as long as that fails, and when one of its addresses does, or who
	// was met there is gone: then not before nameGap.
	nameFresh = 30 * time.Second
	nameRetry = 5 * time.Second
	nameGap   = time.Second
	// nameTimeout bounds one look-up.
	nameTimeout = 5 * time.Second
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
			OnChange: func(list []netip.AddrPort) { n.post(func() { n.know(fromSRV+name, list) }) },
			Log:      n.log,
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
		n.find(n.life, fromPeers+endpoint, endpoint, nil)
	}
	for _, w := range watchers {
		n.wg.Go(func() { w.Run(n.life) })
	}
}

// find has a source name where an endpoint leads: its address, or those of its host name, which is looked up again and again until ctx
// ends. Addresses that are not usable are left out; usable may be nil. It runs in the control loop, or before that does.
func (n *Node) find(ctx context.Context, source, endpoint string, usable func(netip.AddrPort) bool) {
	know := func(list []netip.AddrPort) {
		n.know(source, slices.DeleteFunc(list, func(at netip.AddrPort) bool { return usable != nil && !usable(at) }))
	}
	host, port, _ := paths.Parse(endpoint) // was checked
	if addr, err := netip.ParseAddr(host); err == nil {
		n.after(0, func() { know([]netip.AddrPort{netip.AddrPortFrom(addr.Unmap(), port)}) })
		return
	}
	again := make(chan struct{}, 1)
	n.lookups[source] = again
	n.wg.Go(func() {
		problem := ""
		for {
			began := time.Now()
			list, err := n.resolve(ctx, host, port)
			if ctx.Err() != nil {
				return
			}
			pause := nameFresh
			switch {
			case err == nil:
				n.post(func() { know(list) })
			case root(err) != problem:
				n.log.Warn().Err(err).Str("endpoint", endpoint).Msg("host name not resolved, trying on")
				fallthrough
			default:
				pause = nameRetry // what it was before stays
			}
			if problem = ""; err != nil {
				problem = root(err)
			}
			select {
			case <-time.After(pause):
			case <-again:
				select {
				case <-time.After(nameGap - time.Since(began)):
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
}

// lookAgain has the host names looked up that a contact comes from: they may lead elsewhere now.
func (n *Node) lookAgain(c *contact) {
	for _, source := range c.sources {
		if again := n.lookups[source]; again != nil {
			signal(again)
		}
	}
}

// resolve gives the addresses of a host, IPv4 first.
func (n *Node) resolve(ctx context.Context, host string, port uint16) ([]netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	addrs, err := resolver(n.cfg.Network).LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var list []netip.AddrPort
	for _, addr := range addrs {
		if at := netip.AddrPortFrom(addr.Unmap(), port); !slices.Contains(list, at) {
			list = append(list, at)
		}
	}
	slices.SortStableFunc(list, func(a, b netip.AddrPort) int { return a.Addr().BitLen() - b.Addr().BitLen() })
	return list, nil
}
