package seek

import (
	"context"
	"net/netip"

	"github.com/go-zre/go-zre/internal/srv"
)

// AddSRV has a domain name, as [srv.Name] gives it, name the endpoints in its SRV records, which are looked up at once and again and again until
// RemoveSRV. It does not wait for the DNS.
func (s *Seeker) AddSRV(name string) {
	if s.stopped || s.watched[name] != nil {
		return
	}
	ctx, end := context.WithCancel(s.cfg.Life)
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
		Resolver:  &srv.Resolver{Server: s.cfg.DNSServer, Dial: s.cfg.Dial},
		OnChange:  func(list []netip.AddrPort) { post(func() { s.SetSource(source, list) }) },
		OnProblem: func(err error) { post(func() { s.cfg.ReportDNS(source, err) }) },
		Skip:      s.cfg.IsOwn,
		Log:       s.cfg.Log,
	}
	s.cfg.Go(func() {
		defer end()
		watcher.Run(ctx)
	})
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
