package node

import (
	"net/netip"
	"time"
)

// strangers bounds the dials that beacons cause: anybody can send a beacon, for any address. It counts the sessions that a
// beacon began and that have not entered yet, and remembers endpoints that could not be reached. A peer that is left out for
// that is not lost: its own connection to us, with its HELLO, begins a session too. The control loop owns it.
type strangers struct {
	network            Network // its Dice roll the back-off
	max, maxPerAddress int

	count   int
	from    map[netip.Addr]int
	failing map[netip.AddrPort]failing
}

// failing is the back-off of an endpoint that could not be reached.
type failing struct {
	attempts int
	until    time.Time
}

// maxFailing is how many endpoints are remembered. A flood of more of them is bounded by the counts alone.
const maxFailing = 4_096

func newStrangers(network Network, max, maxPerAddress int) strangers {
	return strangers{
		network: network, max: max, maxPerAddress: maxPerAddress,
		from:    make(map[netip.Addr]int),
		failing: make(map[netip.AddrPort]failing),
	}
}

// admit says whether an endpoint may be dialled now, and counts it.
func (s *strangers) admit(endpoint netip.AddrPort, now time.Time) bool {
	if s.count >= s.max || s.from[endpoint.Addr()] >= s.maxPerAddress || now.Before(s.failing[endpoint].until) {
		return false
	}
	s.count++
	s.from[endpoint.Addr()]++
	return true
}

// release takes back what admit counted.
func (s *strangers) release(from netip.Addr) {
	s.count--
	if s.from[from]--; s.from[from] <= 0 {
		delete(s.from, from)
	}
}

// failed has an endpoint left alone for a while, longer each time.
func (s *strangers) failed(endpoint netip.AddrPort, now time.Time) {
	f, known := s.failing[endpoint]
	if !known && len(s.failing) >= maxFailing {
		return
	}
	f.attempts++
	f.until = now.Add(backoff(s.network, f.attempts))
	s.failing[endpoint] = f
}

// prune forgets endpoints that were left alone for long.
func (s *strangers) prune(now time.Time) {
	for endpoint, f := range s.failing {
		if now.Sub(f.until) > 2*maxBackoff {
			delete(s.failing, endpoint)
		}
	}
}
