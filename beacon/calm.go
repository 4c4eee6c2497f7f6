package beacon

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// A node sends up to four beacons per interface: classic and with a state, by IPv4 and by IPv6. Fifty nodes on one Wi-Fi would send 200
// multicasts a second, at its lowest rate, while one of the four is enough. So when nothing changes the others become rare.

const (
	// calmPause is the time between two rare beacons.
	calmPause = 20 * time.Second
	// MaxCalmInterval is the time within which the next beacon follows a rare one, if none was lost.
	MaxCalmInterval = calmPause + 5*time.Second
	// missedTurns is how many beacons in a row may be lost before others are sent instead.
	missedTurns = 3
)

// A kind of beacon, by what it carries and its address family.
type kind uint8

// In order of preference for what continues when all is calm: classic beacons, which all implementations hear, by IPv4 if possible.
const (
	kindClassic4 kind = iota
	kindClassic6
	kindState4
	kindState6
	kinds
)

func kindOf(a netip.Addr, isState bool) kind {
	k := kindClassic4
	if isState {
		k = kindState4
	}
	if a.Is6() {
		k++
	}
	return k
}

// lastHeard is when each kind was last heard on one interface, from other machines: nodes on this machine hear each other whatever the
// network carries.
type lastHeard [kinds]time.Time

// noteHeard notes a beacon of another machine. The caller holds mu.
func (s *station) noteHeard(at *Sighting) {
	if at.Local {
		return
	}
	heard := s.lastHeard[at.IfIndex]
	if heard == nil {
		heard = new(lastHeard)
		s.lastHeard[at.IfIndex] = heard
	}
	heard[kindOf(at.Addr, at.State != Unknown)] = time.Now()
}

// isReliable tells whether beacons of that kind, from nodes that send every interval, can be relied on at an interface: either they are heard,
// or nothing is. A kind that we do not hear from others is usually not heard from us either.
func (s *station) isReliable(ifIndex int, k kind, interval time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	heard := s.lastHeard[ifIndex]
	if heard == nil || time.Since(heard[k]) < missedTurns*max(interval, DefaultInterval) {
		return true
	}
	for _, at := range heard {
		if time.Since(at) < MaxCalmInterval {
			return false
		}
	}
	return true
}

// SetCalm says whether all is calm: the node has peers, and neither they nor the node have changed for a while. Then only one kind of
// beacon goes out on an interface every interval, classic IPv4 if possible, and the other kinds every 20 s. If other machines are heard,
// but not by that one kind, all kinds continue. Announce, SetState and changes of interfaces end the calm until SetCalm is called again.
// All kinds at once carry a change of state and the farewell.
func (a *Agent) SetCalm(calm bool) { a.calm.Store(calm) }

// due returns the destinations of a turn.
func (a *Agent) due(turn int, v *view) (classic, state []Destination) {
	if !a.calm.Load() {
		return v.classic, v.state
	}
	rare := max(1, int(calmPause/a.config.Interval))       // in turns
	turn += int(binary.BigEndian.Uint16(a.config.UUID[:])) // so that nodes started together do not send theirs together
	choose := func(list []Destination, isState bool) (chosen []Destination) {
		for _, d := range list {
			k, first := kindOf(d.Dst.Addr(), isState), v.calmKind[d.IfIndex]
			if k == first || (turn+int(k)*rare/int(kinds))%rare == 0 || !a.station.isReliable(d.IfIndex, first, a.config.Interval) {
				chosen = append(chosen, d)
			}
		}
		return chosen
	}
	return choose(v.classic, false), choose(v.state, true)
}

// setCalmKinds notes which kind of beacon continues in the calm on each interface.
func (v *view) setCalmKinds() {
	v.calmKind = make(map[int]kind)
	note := func(list []Destination, isState bool) {
		for _, d := range list {
			k := kindOf(d.Dst.Addr(), isState)
			if best, ok := v.calmKind[d.IfIndex]; !ok || k < best {
				v.calmKind[d.IfIndex] = k
			}
		}
	}
	note(v.classic, false)
	note(v.state, true)
}
