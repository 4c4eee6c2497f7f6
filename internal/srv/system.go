package srv

import (
	"context"
	"errors"
	"net"
)

// system asks through the net package, which knows the ways of each operating system, but not the TTL.
type system struct{ *net.Resolver }

func (s system) records(ctx context.Context, name string) (*reply, error) {
	_, found, err := s.LookupSRV(ctx, "", "", name)
	if len(found) == 0 && err != nil { // else it may have left out some
		return nil, dnsError(err)
	}
	r := &reply{ttl: defaultTTL}
	for _, f := range found {
		target := lower(f.Target)
		r.records = append(r.records, record{target, f.Port, f.Priority, f.Weight})
	}
	return r, nil
}

func (s system) host(ctx context.Context, name string) (addresses, error) {
	var a addresses
	list, err := s.LookupNetIP(ctx, "ip", name+".")
	for _, addr := range list {
		a.add(addr, defaultTTL)
	}
	return a, dnsError(err)
}

// dnsError turns errors of the net package into ours.
func dnsError(err error) error {
	var d *net.DNSError
	if errors.As(err, &d) && d.IsNotFound {
		return ErrNoName // or ErrNoRecords: the net package does not say
	}
	return unifyTimeout(err)
}
