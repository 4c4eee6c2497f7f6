package seek

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/go-zre/go-zre/internal/srv"
)

// Watchers ask the DNS for the endpoints in SRV records, again and again.
type Watchers struct {
	seeker *Seeker
	list   []*srv.Watcher
}

// SRVConfig says which records to look up, and where.
type SRVConfig struct {
	Names  []string // from [srv.Name]
	Server string   // the DNS server; the system's if empty
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// LookUpSRV asks for all records at once, and waits for the answers, or the end of ctx. After an error Run asks on all the same.
func (s *Seeker) LookUpSRV(ctx context.Context, cfg SRVConfig) (*Watchers, error) {
	w := &Watchers{seeker: s, list: make([]*srv.Watcher, len(cfg.Names))}
	problems := make([]error, len(w.list))
	var all sync.WaitGroup
	for i, name := range cfg.Names {
		watcher := &srv.Watcher{
			Name:     name,
			Resolver: &srv.Resolver{Server: cfg.Server, Dial: cfg.Dial},
			OnChange: func(list []netip.AddrPort) {
				s.cfg.Post(func() { s.SetSource(Source{Kind: SRV, Name: name}, list) })
			},
			Log: s.cfg.Log,
		}
		w.list[i] = watcher
		all.Go(func() {
			if err := watcher.Look(ctx); err != nil && !errors.Is(err, srv.ErrNoRecords) { // the first node finds no other
				problems[i] = err
			}
		})
	}
	all.Wait()
	return w, errors.Join(problems...)
}

// Run tells the Seeker what is found, until the node ends. It does not wait.
func (w *Watchers) Run() {
	for _, watcher := range w.list {
		w.seeker.cfg.Go(func() { watcher.Run(w.seeker.cfg.Life) })
	}
}
