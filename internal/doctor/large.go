package doctor

import (
	"context"
	"net/netip"
	"sync"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/zre"
)

// Large packets vanish if a path carries shorter ones than its ends believe, and the ICMP error is filtered: in tunnels, and with PPPoE.
// Connections are made, greetings and HELLOs pass, and the first long message never arrives.

const (
	// largeWrite are sent first: some packets of the largest size, and less than a node of ours accepts.
	largeWrite = 6 << 10
	// packetHeaders are those of IPv4 and TCP with timestamps; IPv6 has ipv6More.
	packetHeaders = 20 + 20 + 12
	ipv6More      = 20
)

// packetSizes are tried if large ones vanish, to find which pass: what IPv6 guarantees, tunnels, PPPoE, Ethernet.
var packetSizes = []int{576, 1280, 1360, 1400, 1420, 1440, 1460, 1480, 1492, 1500}

// Large says what became of large packets to a mailbox.
type Large struct {
	Pass   bool `json:"pass"`
	MTU    int  `json:"mtu,omitempty"`    // of the path, in bytes, if large packets pass and the system reports it
	Passed int  `json:"passed,omitempty"` // bytes of the longest packet that came through, of those tried, if large ones don't
	Lost   int  `json:"lost,omitempty"`   // bytes of the shortest that did not
}

// testLarge tests a mailbox that answers. It returns nil if nothing can be said.
func (c *Config) testLarge(ctx context.Context, address netip.AddrPort, key zre.PublicKey) *Large {
	switch passed, known := c.getsThrough(ctx, address, key, largeWrite); {
	case !known:
		return nil
	case passed:
		return &Large{Pass: true, MTU: c.mtu(ctx, address)}
	}
	headers := packetHeaders
	if familyOf(address.Addr()) == IPv6 {
		headers += ipv6More
	}
	results := make([]struct{ passed, known bool }, len(packetSizes))
	var all sync.WaitGroup
	for i, size := range packetSizes {
		all.Go(func() { results[i].passed, results[i].known = c.getsThrough(ctx, address, key, size-headers) })
	}
	all.Wait()
	l := new(Large)
	for i, size := range packetSizes {
		switch r := results[i]; {
		case r.passed:
			l.Passed = size
		case r.known && l.Lost == 0:
			l.Lost = size
		}
	}
	return l
}

// getsThrough reports whether so many bytes in one write come through, if that can be known.
func (c *Config) getsThrough(ctx context.Context, address netip.AddrPort, key zre.PublicKey, size int) (passed, known bool) {
	dialling, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	nc, err := c.dial(dialling, address.String())
	if err != nil {
		return false, false
	}
	cfg, err := c.probeConfig(key)
	if err != nil {
		nc.Close()
		return false, false
	}
	passed, err = zmtp.ProbeLarge(ctx, nc, cfg, size)
	return passed, err == nil
}

// mtu returns the MTU of the path to an address, from a connection made after large packets went there.
func (c *Config) mtu(ctx context.Context, address netip.AddrPort) int {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	nc, err := c.dial(ctx, address.String())
	if err != nil {
		return 0
	}
	defer nc.Close()
	return pathMTU(nc)
}
