package beacon

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/google/uuid"
)

// A Reason says why an agent does not use an interface, or that it does.
type Reason uint8

// The reasons. If several apply, the choice (Config.Interfaces) is reported first.
const (
	// The reasons that apply to single addresses are ordered by how they count for their interface: see pick.

	ReasonNoAddress    Reason = iota + 1 // it has no usable address
	ReasonNotChosen                      // the choice names others
	ReasonExcluded                       // the choice excludes it
	ReasonUsed                           // it is used
	ReasonDown                           // it is switched off
	ReasonLoopback                       // loopback, not named, while others are used
	ReasonPointToPoint                   // a tunnel, not named: its far end is rarely a local network
	ReasonNoBroadcast                    // it can neither broadcast nor multicast
)

var reasonNames = [...]string{
	ReasonNoAddress: "no address", ReasonNotChosen: "not chosen", ReasonExcluded: "excluded", ReasonUsed: "used", ReasonDown: "down", ReasonLoopback: "spared",
	ReasonPointToPoint: "point-to-point", ReasonNoBroadcast: "mute",
}

// String returns the reason in one or two words, as in "no address".
func (r Reason) String() string {
	if r == 0 || int(r) >= len(reasonNames) {
		return fmt.Sprintf("reason(%d)", uint8(r))
	}
	return reasonNames[r]
}

// A Report says what an agent does with one interface of the machine.
type Report struct {
	Interface                 // with all its addresses
	Reason     Reason         // ReasonUsed, or why it is not
	UsedAddrs  []netip.Prefix // the addresses that it uses there; none unless ReasonUsed
	Classic    []Destination  // where classic beacons go from there: one for each IPv4 subnet, if it can broadcast, and one by IPv6
	State      []Destination  // where state beacons go, one for each of its address families; none if it cannot multicast
	HasCarrier bool           // a cable is in, or the access point is in reach, as far as the system says
}

// allOpen is for callers without sockets, which assume that all can be opened.
func allOpen(six, isState bool) bool { return true }

// Survey says for each interface of the machine, in the system's order, what an agent of that configuration does with it now, by the same
// rules that agents follow. It opens nothing, sends nothing, and does not wait; so it assumes that there are sockets of both address
// families. The UUID in config may be missing. An error is a [*Failure] if the interfaces cannot be listed; otherwise it says what else in
// config Open would refuse.
func Survey(config Config) ([]Report, error) {
	config = config.withDefaults()
	if config.UUID == uuid.Nil {
		config.UUID = uuid.Max // it is not shown
	}
	if err := config.check(); err != nil {
		return nil, err
	}
	all, err := config.Network.Interfaces()
	if err != nil {
		return nil, &Failure{Op: OpList, Err: err, Since: time.Now()}
	}
	return survey(&config, all, all, allOpen), nil
}

// Survey says what the agent does with each interface of the machine, in the system's order, as of its last scan. Without a socket for it,
// an address is not used, for example IPv6 on a machine without it. Nothing leaves by a port that another program holds.
func (a *Agent) Survey() []Report {
	all := a.station.world.Load().interfaces
	return survey(&a.config, all, a.station.reachable(all), a.station.isOpen)
}

// survey reports on all interfaces; the addresses in within can be used.
func survey(config *Config, all, within []Interface, isOpen func(six, isState bool) bool) (reports []Report) {
	chosen, _ := parseChoice(config.Interfaces) // check has seen the error
	v := newView(config, within, isOpen)
	for n, j := range judge(within, chosen) {
		r := Report{Interface: all[n], Reason: j.reason, HasCarrier: j.Flags&net.FlagRunning != 0}
		if j.reason == ReasonUsed {
			r.UsedAddrs = j.Addrs
			r.Classic, r.State = byInterface(v.classic, j.Index), byInterface(v.state, j.Index)
		}
		reports = append(reports, r)
	}
	return reports
}

// Ports returns the UDP ports of classic and of state beacons; 0 stands for their defaults as in the configuration.
func (c Config) Ports() (classic, state int) {
	c = c.withDefaults()
	return c.Port, int(c.statePort())
}

// byInterface returns those destinations that are reached through an interface.
func byInterface(list []Destination, ifIndex int) (by []Destination) {
	for _, d := range list {
		if d.IfIndex == ifIndex {
			by = append(by, d)
		}
	}
	return by
}
