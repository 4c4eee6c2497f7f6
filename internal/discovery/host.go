package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

const (
	// A host name is looked up again after hostFresh, or after hostRetry while that fails. If one of its addresses fails, or the peer that
	// was met there is gone, it is looked up at once, but not before hostGap has passed.
	hostFresh = 30 * time.Second
	hostRetry = 5 * time.Second
	hostGap   = time.Second

	// hostTimeout bounds one look-up.
	hostTimeout = 5 * time.Second

	// maxGossipHosts bounds the host names from gossip that are looked up.
	maxGossipHosts = 64
)

// ErrTooManyHosts says that gossip names more host names than are looked up.
var ErrTooManyHosts = errors.New("gossip names too many host names")

// AddEndpoint adds a source that names where an endpoint leads: its address, or those of its host name, which is looked up again and again
// until the source is removed. It replaces what the source named before. Addresses that are not usable are left out; usable may be nil, and
// the control loop calls it. The endpoint may have a public key, see ParseEndpoint. Errors are: an endpoint that cannot be dialled;
// ErrTooManyHosts for a host name from gossip beyond the bound; ErrNoKey for an endpoint without a key if this node is secure.
func (s *Seeker) AddEndpoint(key Source, endpoint string, usable func(netip.AddrPort) bool) error {
	if s.stopped {
		return nil
	}
	host, port, publicKey, err := ParseEndpoint(endpoint)
	if err == nil && s.cfg.Secure && publicKey.IsZero() {
		err = ErrNoKey
	}
	if err != nil {
		s.RemoveSource(key)
		return err
	}
	keep := func(list []netip.AddrPort) []Place {
		return places(slices.DeleteFunc(list, func(at netip.AddrPort) bool { return usable != nil && !usable(at) }), publicKey)
	}
	src := s.source(key)
	if src.look != nil {
		s.RemoveSource(key)
		src = s.source(key)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		s.set(src, keep([]netip.AddrPort{netip.AddrPortFrom(addr.Unmap(), port)}))
		return nil
	}
	s.set(src, nil)
	if key.Kind == Gossip && s.hosts >= maxGossipHosts {
		return fmt.Errorf("endpoint %q: %w: %d", endpoint, ErrTooManyHosts, maxGossipHosts)
	}
	s.beginLookUp(key, host, port, keep)
	return nil
}

func (s *Seeker) beginLookUp(key Source, host string, port uint16, keep func([]netip.AddrPort) []Place) {
	ctx, cancel := context.WithCancel(s.cfg.Context)
	look := &lookUp{again: make(chan struct{}, 1), end: cancel}
	src := s.source(key)
	src.isHost, src.look = true, look
	if key.Kind == Gossip {
		s.hosts++
	}
	s.cfg.Go(func() {
		defer cancel()
		s.resolveRepeatedly(ctx, host, port, look.again, func(list []netip.AddrPort, err error) {
			s.cfg.Post(func() {
				if src.look != look || s.stopped {
					return
				}
				s.noteResolved(src, err)
				if err == nil { // else the addresses from before stay
					s.set(src, keep(list))
				}
			})
		})
	})
}

// noteResolved notes the result of a look-up. A failure of a host name from gossip is no problem of this node: it is logged once for each
// change.
func (s *Seeker) noteResolved(src *source, err error) {
	if src.Kind == Configured {
		s.cfg.ReportDNS(src.Source, err)
		return
	}
	text := ""
	if err != nil {
		text = innermostText(err)
	}
	if text != src.look.problem && err != nil {
		s.cfg.Log.Warn().Err(err).Stringer("source", src).Msg("host name not resolved, will try again")
	}
	src.look.problem = text
}

// endLookUp ends the look-ups of a source's host name, if it has one.
func (s *Seeker) endLookUp(src *source) {
	if src.look == nil {
		return
	}
	src.look.end()
	src.look = nil
	switch src.Kind {
	case Gossip:
		s.hosts--
	case Configured:
		s.cfg.ReportDNS(src.Source, nil)
	}
}

// resolveRepeatedly looks up a host name until ctx ends, and passes each answer or error to found. It waits; a token in again makes it look at
// once.
func (s *Seeker) resolveRepeatedly(ctx context.Context, host string, port uint16, again <-chan struct{}, found func([]netip.AddrPort, error)) {
	for {
		began := time.Now()
		list, err := s.resolve(ctx, host, port)
		if ctx.Err() != nil {
			return
		}
		found(list, err)
		pause := hostFresh
		if err != nil {
			pause = hostRetry
		}
		select {
		case <-time.After(pause):
		case <-again:
			select {
			case <-time.After(hostGap - time.Since(began)):
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// resolve returns the addresses of a host, IPv4 first.
func (s *Seeker) resolve(ctx context.Context, host string, port uint16) ([]netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, hostTimeout)
	defer cancel()
	addrs, err := s.cfg.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	list := make([]netip.AddrPort, len(addrs))
	for i, addr := range addrs {
		list[i] = netip.AddrPortFrom(addr.Unmap(), port)
	}
	slices.SortStableFunc(list, func(a, b netip.AddrPort) int { return a.Addr().BitLen() - b.Addr().BitLen() })
	return list, nil
}

// resolveAgain looks up the host names again that a candidate comes from: they may lead elsewhere now.
func (c *Candidate) resolveAgain() {
	for _, src := range c.sources {
		if src.look == nil {
			continue
		}
		select {
		case src.look.again <- struct{}{}:
		default:
		}
	}
}

// innermostText returns the text of the innermost error, without what changes from try to try.
func innermostText(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}
