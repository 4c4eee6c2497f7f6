package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/go-zre/go-zre/internal/srv"
	"github.com/go-zre/go-zre/zre"
)

// maxSRV is how many endpoints of a name are tested.
const maxSRV = 16

// SRV is what the DNS says about a name whose SRV records name peers.
type SRV struct {
	Name      string   `json:"name"`
	Endpoints []string `json:"endpoints"`         // by priority; the first are tested like peers
	Nobody    bool     `json:"nobody,omitempty"`  // the DNS says that there are none
	Partial   string   `json:"partial,omitempty"` // why some of the records give no endpoint
	Error     string   `json:"error,omitempty"`   // why there is no endpoint
}

// lookUpSRV asks the DNS about a domain.
func (c *Config) lookUpSRV(ctx context.Context, domain string) (s *SRV, found []Endpoint) {
	name, err := srv.Name(domain)
	s = &SRV{Name: name, Endpoints: []string{}}
	r := &srv.Resolver{Server: c.Resolver, Timeout: probeTimeout / 2, Keys: c.isSecure()}
	if c.Network != nil {
		r.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return c.Network.Dial(ctx, network, address)
		}
	}
	var answer srv.Answer
	if err == nil {
		answer, err = r.Lookup(ctx, name)
	}
	switch {
	case ctx.Err() != nil:
		err = srv.ErrTimeout
	case errors.Is(err, srv.ErrNoName), errors.Is(err, srv.ErrNoRecords):
		s.Nobody = true
	}
	if err != nil {
		s.Error = clean(cmp.Or(errors.Unwrap(err), err).Error()) // without the name
	}
	if answer.Partial != nil {
		s.Partial = clean(answer.Partial.Error())
	}
	for _, e := range answer.Endpoints {
		s.Endpoints = append(s.Endpoints, endpointOf(e.AddrPort.Addr(), e.AddrPort.Port()))
		key, _ := zre.ParsePublicKey(e.Key) // zero if there is none
		if len(found) < maxSRV {
			found = append(found, Endpoint{e.AddrPort.Addr().String(), e.AddrPort.Port(), key})
		}
	}
	return s, found
}

// testSRV looks a domain up, and tests what its records name.
func (x *examination) testSRV(domain string) {
	x.startProbe(func() func() {
		s, found := x.cfg.lookUpSRV(x.probing, domain)
		return func() {
			x.facts.SRV = append(x.facts.SRV, s)
			for _, e := range found {
				x.testEndpoint(e)
			}
		}
	})
}

// checkSRV: does the DNS lead to any node?
func (r *Report) checkSRV(s *SRV) {
	switch {
	case s.Nobody:
		r.note(Finding{Kind: "srv-nobody", Endpoint: s.Name, Text: fmt.Sprintf("The name %s has no endpoints: %s. Nodes keep looking, so that is fine until the first of them is up.", s.Name, s.Error),
			Try: "check the spelling, and that nodes are registered by that name: in Kubernetes that a pod is ready, with Consul that its check passes."})
	case s.Error != "":
		r.problem(Finding{Kind: "srv-failed", Endpoint: s.Name, Text: fmt.Sprintf("The DNS gives no endpoints for the name %s: %s.", s.Name, s.Error),
			Try: "check that the server runs and can be reached from here (/etc/resolv.conf, or --resolver)."})
	case s.Partial != "":
		r.note(Finding{Kind: "srv-partial", Endpoint: s.Name, Text: fmt.Sprintf("Some of the records of %s give no endpoint: %s.", s.Name, s.Partial)})
	}
}

// describe says in a few words what the DNS says.
func (s *SRV) describe() string {
	switch {
	case s.Nobody:
		return "the name has no endpoints"
	case s.Error != "":
		return s.Error
	}
	return count(len(s.Endpoints), "endpoint")
}
