package zmtp

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// A newcomer is an accepted connection in its handshake, up to its greeting if its Receiver waits for one.
type newcomer struct {
	nc      net.Conn
	from    netip.Addr
	isKnown bool // by Router.Known, or the transport has no IP addresses
	number  uint64
	conn    *Conn // after the handshake
}

// close closes a newcomer that must give way. The caller holds the Router's lock.
func (n *newcomer) close(err error) {
	if n.conn != nil {
		n.conn.Close(err)
	} else {
		_ = n.nc.Close()
	}
}

// newcomers holds newcomers by origin. The Router's lock guards it.
type newcomers struct {
	count      int
	byAddr     map[netip.Addr][]*newcomer // the oldest first
	perNetwork map[netip.Prefix]int       // how many each network has
}

// networkOf returns the addresses that one host may have: for an IPv6 address the whole /64, of which a host may use any.
func networkOf(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	network, _ := a.WithZone("").Prefix(bits) // the zero Prefix for the zero Addr
	return network
}

func (s *newcomers) add(n *newcomer) {
	if s.byAddr == nil {
		s.byAddr, s.perNetwork = make(map[netip.Addr][]*newcomer), make(map[netip.Prefix]int)
	}
	s.count++
	s.byAddr[n.from] = append(s.byAddr[n.from], n)
	s.perNetwork[networkOf(n.from)]++
}

// remove removes a newcomer, if it is there.
func (s *newcomers) remove(n *newcomer) {
	list, network := s.byAddr[n.from], networkOf(n.from)
	i := slices.Index(list, n)
	if i < 0 {
		return
	}
	s.count--
	if s.perNetwork[network]--; s.perNetwork[network] == 0 {
		delete(s.perNetwork, network)
	}
	if s.byAddr[n.from] = slices.Delete(list, i, i+1); len(list) == 1 {
		delete(s.byAddr, n.from)
	}
}

// oldestOfBusiest returns the oldest newcomer of the address that has the most, in the network that has the most; nil if there is none.
func (s *newcomers) oldestOfBusiest() *newcomer {
	var best *newcomer
	for addr, list := range s.byAddr {
		if n := list[0]; best == nil || s.compare(addr, best.from) > 0 || s.compare(addr, best.from) == 0 && n.number < best.number {
			best = n
		}
	}
	return best
}

// compare compares how many newcomers two addresses have, first by network.
func (s *newcomers) compare(a, b netip.Addr) int {
	return cmp.Or(cmp.Compare(s.perNetwork[networkOf(a)], s.perNetwork[networkOf(b)]), cmp.Compare(len(s.byAddr[a]), len(s.byAddr[b])))
}

// addNewcomer adds a connection to the newcomers, or returns why there is no room for it.
func (r *Router) addNewcomer(nc net.Conn) (*newcomer, error) {
	n := &newcomer{nc: nc, from: ipOf(nc.RemoteAddr())}
	n.isKnown = !n.from.IsValid() || r.Known != nil && r.Known(nc.RemoteAddr())
	r.mu.Lock()
	defer r.mu.Unlock()
	others := len(r.unknown.byAddr[n.from]) + len(r.known.byAddr[n.from])
	switch {
	case r.closed:
		return nil, ErrClosed
	case n.from.IsValid() && others >= r.cfg.Limits.PendingPerAddress:
		return nil, fmt.Errorf("zmtp: %d handshakes with %v are under way, no more are allowed", others, n.from)
	case r.pendingHandshakes() >= r.cfg.Limits.PendingHandshakes && !r.makeRoom(n):
		return nil, fmt.Errorf("zmtp: %d handshakes are under way, no more are allowed", r.pendingHandshakes())
	}
	r.newcomerCount++
	n.number = r.newcomerCount
	r.newcomersOf(n).add(n)
	r.wg.Add(1)
	return n, nil
}

// pendingHandshakes counts all newcomers.
func (r *Router) pendingHandshakes() int { return r.unknown.count + r.known.count }

// newcomersOf returns the list that a newcomer belongs to.
func (r *Router) newcomersOf(n *newcomer) *newcomers {
	if n.isKnown {
		return &r.known
	}
	return &r.unknown
}

// makeRoom closes another newcomer, if that is fair. A stranger always gives way to a known address. Among strangers, and among known
// addresses, the oldest newcomer of the address that has the most gives way to one whose address has fewer. If each stranger has one place,
// which a host with many addresses can arrange, the oldest gives way; so a flood does not keep out a peer that is quick enough.
func (r *Router) makeRoom(n *newcomer) bool {
	group := &r.unknown
	oldest := group.oldestOfBusiest()
	if oldest == nil {
		group = &r.known
		oldest = group.oldestOfBusiest()
	}
	hasNone := len(group.byAddr[n.from]) == 0
	switch {
	case oldest == nil:
		return false
	case group == &r.unknown && (n.isKnown || hasNone):
	case group.perNetwork[networkOf(oldest.from)] > group.perNetwork[networkOf(n.from)]+1:
	case len(group.byAddr[oldest.from]) > len(group.byAddr[n.from])+1:
	default:
		return false
	}
	group.remove(oldest)
	oldest.close(errGaveWay)
	return true
}

// removeNewcomer removes a newcomer.
func (r *Router) removeNewcomer(n *newcomer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newcomersOf(n).remove(n)
}
