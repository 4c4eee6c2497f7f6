package discovery

import (
	"context"
	"net/netip"

	"github.com/go-zre/go-zre/internal/cert"
	"github.com/go-zre/go-zre/internal/srv"
)

// AddSRV makes a domain name, as [srv.Name] returns it, name the endpoints in its SRV records, which are looked up at once and again and
// again until RemoveSRV. A secure node takes only those whose target has a key, see srv.Resolver.Keys. It does not wait for the DNS.
func (s *Seeker) AddSRV(name string) {
	if s.stopped || s.watched[name] != nil {
		return
	}
	ctx, end := context.WithCancel(s.cfg.Context)
	s.watched[name] = end
	source := Source{Kind: SRV, Name: name}
	post := func(f func()) {
		s.cfg.Post(func() {
			if ctx.Err() == nil && !s.stopped {
				f()
			}
		})
	}
	watcher := &srv.Watcher{
		Name:      name,
		Resolver:  &srv.Resolver{Server: s.cfg.DNSServer, Dial: s.cfg.Dial, Keys: s.cfg.Secure},
		OnChange:  func(list []netip.AddrPort) { post(func() { s.SetSource(source, list) }) },
		OnProblem: func(err error) { post(func() { s.cfg.ReportDNS(source, err) }) },
		Skip:      s.cfg.IsOwn,
		Log:       s.cfg.Log,
	}
	if s.cfg.Secure {
		watcher.OnKeys = func(list []srv.Endpoint) { post(func() { s.SetPlaces(source, s.placesWithKeys(list)) }) }
	}
	s.cfg.Go(func() {
		defer end()
		watcher.Run(ctx)
	})
}

// placesWithKeys returns the places of endpoints with a valid key.
func (s *Seeker) placesWithKeys(endpoints []srv.Endpoint) (list []Place) {
	for _, e := range endpoints {
		key, err := cert.ParsePublicKey(e.Key)
		if err != nil || key.IsZero() {
			s.cfg.Log.Warn().Err(err).Str("target", e.Target).Msg("SRV: the TXT record has no public key")
			continue
		}
		list = append(list, Place{e.AddrPort, key})
	}
	return list
}

// RemoveSRV undoes AddSRV.
func (s *Seeker) RemoveSRV(name string) {
	end := s.watched[name]
	if end == nil || s.stopped {
		return
	}
	end()
	delete(s.watched, name)
	source := Source{Kind: SRV, Name: name}
	s.cfg.ReportDNS(source, nil)
	s.RemoveSource(source)
}
