package beacon

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/rs/zerolog"
)

// A pair is the sockets of a station for one address family.
type pair struct {
	classic PacketConn // on the port: hears all four forms of a beacon, sends 22 octets only
	state   PacketConn // on statePort: hears and sends beacons with a state
}

// sockets are those of a station. A family that the machine has not is nil.
type sockets struct{ four, six *pair }

// open opens the sockets of a station. One family is enough; but where the machine has IPv4, it must do.
func (k *stationKey) open(log *zerolog.Logger) (sockets, error) {
	four, err := k.openPair("udp4")
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return sockets{}, err
	}
	six, err6 := k.openPair("udp6")
	switch {
	case err != nil && err6 != nil:
		return sockets{}, errors.Join(err, err6)
	case err != nil:
		log.Debug().Err(err).Msg("beacon: this machine has no IPv4, IPv6 alone is used")
	case errors.Is(err6, errors.ErrUnsupported):
		log.Debug().Err(err6).Msg("beacon: this machine has no IPv6, IPv4 alone is used")
	case err6 != nil:
		log.Warn().Err(err6).Msg("beacon: IPv6 cannot be used, IPv4 alone is")
	}
	return sockets{four, six}, nil
}

func (k *stationKey) openPair(network string) (*pair, error) {
	classic, err := k.network.ListenPacket(network, k.port)
	if err != nil {
		return nil, err
	}
	state, err := k.listenState(network)
	if err != nil {
		return nil, errors.Join(err, classic.Close())
	}
	return &pair{classic, state}, nil
}

// listenState opens a socket of the state beacons.
func (k *stationKey) listenState(network string) (PacketConn, error) {
	conn, err := k.network.ListenPacket(network, int(k.statePort))
	if err != nil {
		return nil, err
	}
	if routed, ok := conn.(TTLSetter); ok {
		if err := routed.SetTTL(k.ttl); err != nil {
			return nil, errors.Join(fmt.Errorf("beacon: setting the TTL of UDP port %d to %d: %w", k.statePort, k.ttl, err), conn.Close())
		}
	}
	return conn, nil
}

// of returns the pair of an address's family, or nil.
func (s *sockets) of(a netip.Addr) *pair {
	if a.Is4() {
		return s.four
	}
	return s.six
}

// pairs returns those that there are.
func (s *sockets) pairs() (list []*pair) {
	for _, p := range []*pair{s.four, s.six} {
		if p != nil {
			list = append(list, p)
		}
	}
	return list
}

// close closes all sockets.
func (s *sockets) close() (err error) {
	for _, p := range s.pairs() {
		err = errors.Join(err, p.classic.Close(), p.state.Close())
	}
	return err
}

// reach returns the interfaces with those of their addresses for which there are sockets.
func (s *sockets) reach(all []Interface) []Interface {
	if s.four != nil && s.six != nil {
		return all
	}
	list := make([]Interface, len(all))
	for at, i := range all {
		list[at] = i
		list[at].Addrs = nil
		for _, p := range i.Addrs {
			if s.of(p.Addr()) != nil {
				list[at].Addrs = append(list[at].Addrs, p)
			}
		}
	}
	return list
}

// write is where every datagram leaves, but for those of sendDeadly. Whatever its caller asks for, a broadcast address, all
// nodes of a link, and UDP port 5670 get 22 octets or nothing: any other length there ends every pyre node that receives it.
func (s *sockets) write(b []byte, to Destination) error {
	p := s.of(to.Dst.Addr())
	switch {
	case p == nil:
		return fmt.Errorf("beacon: no socket for %v: %w", to.Dst, errors.ErrUnsupported)
	case len(b) == classicSize:
		return p.classic.WriteTo(b, to)
	case !to.Dst.Addr().IsMulticast() || to.Dst.Addr() == allNodes || to.Dst.Port() == DefaultPort:
		return fmt.Errorf("beacon: %d octets must not go to %v, only %d may", len(b), to.Dst, classicSize)
	}
	return p.state.WriteTo(b, to)
}

// A subscription is what a socket must have joined to hear multicast.
type subscription struct {
	conn    PacketConn
	group   netip.AddrPort // with the port that the socket hears
	ifIndex int
}

// subscriptions returns those that agents need on an interface which they use with these address families.
func (s *sockets) subscriptions(key *stationKey, ifIndex int, four, six bool) (list []subscription) {
	if four && s.four != nil {
		list = append(list, subscription{s.four.state, netip.AddrPortFrom(key.group, key.statePort), ifIndex})
	}
	if six && s.six != nil {
		list = append(list, subscription{s.six.classic, netip.AddrPortFrom(allNodes, uint16(key.port)), ifIndex})
		for _, group := range key.groups6 {
			if !group.IsValid() {
				continue
			}
			list = append(list, subscription{s.six.state, netip.AddrPortFrom(group, key.statePort), ifIndex})
		}
	}
	return list
}
