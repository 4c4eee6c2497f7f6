package beacon

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Times of an agent's beacons.
const (
	stateGap    = 20 * time.Millisecond // between the beacons of two changes of state
	farewells   = 3                     // a farewell is sent this many times, because UDP loses datagrams
	farewellGap = 5 * time.Millisecond
)

// firstPauses follow the first beacons: a node that lost a newcomer's first beacon soon gets another.
var firstPauses = [...]time.Duration{100 * time.Millisecond, 200 * time.Millisecond}

// A Sighting is one beacon heard from another node. A node that sends by IPv4 and IPv6 is sighted by each. A link-local IPv6 address has
// the interface's name as its zone, as in fe80::1%eth0, so that it can be dialled. Package net remembers the names of interfaces for a
// minute; if the interface may have been recreated within that time, dial fe80::1%IfIndex. In a sandbox without netlink, where package net
// knows no names, the zone is the index.
type Sighting struct {
	Beacon
	Addr      netip.Addr // where it came from; with Beacon.Port, the endpoint of the sender's mailbox
	IfIndex   int        // the interface that it arrived on, by index
	Interface string     // and its name
	Local     bool       // Addr is an address of this machine; if it is link-local, an address of Interface
	Multicast bool       // it came by multicast, as all IPv6 beacons do, otherwise by broadcast
}

// An Agent hears the beacons of other nodes and sends those of one node. Its methods can be called from any goroutine.
type Agent struct {
	config  Config // complete; never changes
	station *station
	view    atomic.Pointer[view] // replaced by the station when interfaces change

	calm        atomic.Bool   // SetCalm
	changed     chan struct{} // holds one token: the state has changed
	restart     chan struct{} // holds one token: send beacons as a newcomer does
	closing     chan struct{} // closed by the first Close: the agent must stop sending
	sendingDone chan struct{} // closed when it has stopped
	closeDone   chan struct{} // closed when everything is done and err is set, for later calls of Close
	err         error         // the result of Close

	mu          sync.Mutex // guards what follows; nothing waits while holding it
	port        uint16
	state       State
	isAnnounced bool // Announce has been called: the goroutine of sendLoop runs until closing
	isSilenced  bool // Silence has been called: only the farewell is still sent
	closed      bool // Close has been called

	missing []Failure // what the configuration names but does not exist; guarded by the station's mu
	heard   uint64    // beacons of others; likewise
	sent    atomic.Uint64
}

// Open listens for beacons on the interfaces that config names; it sends none. It does not wait for the network, which need not be there:
// what may still come right is tried again every 0.8 s or sooner, and reported by Failures. That includes a missing interface or address, a
// port that another program holds, and interfaces that cannot be listed. An error says what in config can never work.
func Open(config Config) (*Agent, error) {
	a := &Agent{
		config:      config.withDefaults(),
		changed:     make(chan struct{}, 1),
		restart:     make(chan struct{}, 1),
		closing:     make(chan struct{}),
		sendingDone: make(chan struct{}),
		closeDone:   make(chan struct{}),
	}
	if err := a.config.check(); err != nil {
		return nil, err
	}
	a.station = acquire(a.config.stationKey(), &a.config.Log)
	a.station.addAgent(a)
	if len(a.Interfaces()) == 0 && len(a.Failures()) == 0 { // else the log has said why
		a.config.Log.Warn().Stringer("call", OpChoose).Msg("beacon: no usable network interface, waiting for one")
	}
	return a, nil
}

// Announce starts sending: beacons with this TCP port of the node's mailbox and this state go out at once, after about 100 and 300 ms, and
// then every interval. The mailbox must listen already: C zyre and gyre keep the first endpoint that they hear of. If the state is Unknown,
// no state beacons are sent until SetState. Announcing again starts over with other values. Port 0, which would be a farewell, is logged
// and ignored, as is any call after Close.
func (a *Agent) Announce(port uint16, state State) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	if port == 0 {
		a.config.Log.Error().Msg("beacon: Announce: port 0 means farewell, not announced")
		return
	}
	a.port, a.state = port, state
	a.SetCalm(false)
	if a.isAnnounced {
		signal(a.restart)
		return
	}
	a.isAnnounced = true
	go a.sendLoop()
}

// SetState changes the state that Announce gave. The new state is sent at once, by beacons that have a state; of changes that follow within
// 20 ms only the last one is sent. Before Announce and after Close it does nothing.
func (a *Agent) SetState(state State) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.isAnnounced && !a.closed && a.state != state {
		a.state = state
		a.SetCalm(false)
		signal(a.changed)
	}
}

// Silence stops the beacons; only the farewell of Close is still sent. The agent continues to hear.
func (a *Agent) Silence() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.isSilenced = true
}

// Interfaces returns the interfaces that the agent uses now, each with the addresses that it uses there, IPv4 first. IPv6 addresses have no
// zone. The caller owns the result.
func (a *Agent) Interfaces() []Interface {
	list := slices.Clone(a.view.Load().interfaces)
	for i := range list {
		list[i].Addrs = slices.Clone(list[i].Addrs)
		list[i].Broadcasts = maps.Clone(list[i].Broadcasts)
		list[i].AltNames = slices.Clone(list[i].AltNames)
	}
	return list
}

// IsLocal tells whether addr is an address of this machine, on any interface, as of the last scan, usually less than a second ago. For a
// link-local IPv6 address the zone counts, the name or the index of an interface: the address is local if that interface has it.
func (a *Agent) IsLocal(addr netip.Addr) bool { return a.station.world.Load().isLocal(addr) }

// Close sends the farewell if the agent has sent beacons: classic beacons with port 0, and state beacons with port 0 and state EXIT, three
// times each within about 10 ms, with the key if there is one. Then it releases its share of the sockets, which close with the last agent.
// It can be called more than once and concurrently; every call returns when everything is done.
func (a *Agent) Close() error {
	a.mu.Lock()
	first, isAnnounced := !a.closed, a.isAnnounced
	a.closed = true
	a.mu.Unlock()
	if !first {
		<-a.closeDone
		return a.err
	}
	if isAnnounced {
		_ = a.station.scan() // the farewell leaves by the current interfaces
	}
	close(a.closing)
	if isAnnounced {
		<-a.sendingDone
	}
	a.station.removeAgent(a)
	a.err = release(a.station)
	close(a.closeDone)
	return a.err
}

// sendLoop sends everything that the agent sends, on its own goroutine. It waits for the time of the next beacons, a change of state, a
// restart, or the end.
func (a *Agent) sendLoop() {
	defer close(a.sendingDone)
	timer := time.NewTimer(0)
	defer timer.Stop()
	changed := a.changed       // nil for a short while after each change, so that it is not read
	var quiet <-chan time.Time // ends that while
	for turn := 0; ; {
		select {
		case <-timer.C:
			if b, ok := a.currentBeacon(); ok {
				classic, state := a.due(turn, a.view.Load())
				a.send(b, classic, state)
			}
			timer.Reset(a.pause(turn))
			turn++
		case <-a.restart:
			turn = 0
			timer.Reset(0)
		case <-changed:
			if b, ok := a.currentBeacon(); ok {
				v := a.view.Load()
				a.sendState(b, v.classic, v.state)
			}
			changed, quiet = nil, time.After(stateGap)
		case <-quiet:
			changed, quiet = a.changed, nil
		case <-a.closing:
			a.farewell()
			return
		}
	}
}

// farewell sends the last beacons.
func (a *Agent) farewell() {
	for i := range farewells {
		v := a.view.Load()
		if len(v.classic)+len(v.state) == 0 {
			return
		}
		if i > 0 {
			time.Sleep(farewellGap)
		}
		a.send(Beacon{UUID: a.config.UUID, Port: 0, State: Exit, Key: a.config.Key}, v.classic, v.state)
	}
}

// currentBeacon returns the current beacon, and whether it may be sent.
func (a *Agent) currentBeacon() (Beacon, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Beacon{UUID: a.config.UUID, Port: a.port, State: a.state, Key: a.config.Key}, !a.isSilenced
}

// send sends b as a classic and as a state beacon, to these destinations.
func (a *Agent) send(b Beacon, classic, state []Destination) {
	stateless := b
	stateless.State = Unknown
	to := classic
	if a.config.StateByBroadcast && b.State.valid() { // then sendState sends it by IPv4
		to = slices.DeleteFunc(slices.Clone(to), func(d Destination) bool { return d.Dst.Addr().Is4() })
	}
	a.sent.Add(a.station.send(stateless, to))
	a.sendState(b, classic, state)
}

// sendState sends b with its state, if it has one.
func (a *Agent) sendState(b Beacon, classic, state []Destination) {
	if !b.State.valid() {
		return
	}
	if a.config.StateByBroadcast {
		a.sent.Add(a.station.sendByBroadcast(b, classic))
	}
	a.sent.Add(a.station.send(b, state))
}

// pause returns the time to wait after the beacons of a turn, counted from 0.
func (a *Agent) pause(turn int) time.Duration {
	pause := a.config.Interval
	if turn < len(firstPauses) {
		pause = min(pause, firstPauses[turn])
	}
	jitter := pause / 10
	return pause - jitter + RandomDuration(a.config.Network, 2*jitter)
}

// deliver passes the agent a sighting that arrived on an interface that it uses.
func (a *Agent) deliver(s Sighting) {
	if a.view.Load().uses(s.IfIndex, s.Addr.Is6()) && !a.isEcho(s) {
		a.heard++
		a.config.Handler(s)
	}
}

// isEcho tells whether the agent sent that beacon itself. A farewell could be an old one of its own. A beacon with another key is another
// node's. A beacon sent on one interface may arrive on another, if both are on one link, so the zone does not count here.
func (a *Agent) isEcho(s Sighting) bool {
	if s.UUID != a.config.UUID || s.Key != a.config.Key {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return s.Port == 0 || s.Port == a.port && a.IsLocal(s.Addr.WithZone(""))
}

// setView makes the agent use v, and tells whether that changes anything but a carrier. If v leads to new places the agent starts over, as a
// newcomer there.
func (a *Agent) setView(v *view) bool {
	old := a.view.Swap(v)
	changed, wider := !slices.EqualFunc(v.interfaces, old.interfaces, Interface.equalButCarrier), v.widens(old)
	if wider || !slices.EqualFunc(v.interfaces, old.interfaces, Interface.same) {
		a.noteChange(wider)
	}
	return changed
}

// noteChange tells the application about a change. If others may have missed the agent, it starts over.
func (a *Agent) noteChange(isMissed bool) {
	a.mu.Lock()
	isAnnounced := a.isAnnounced && !a.closed
	if isAnnounced && isMissed {
		a.SetCalm(false)
		signal(a.restart)
	}
	a.mu.Unlock()
	if isAnnounced {
		a.config.Changed()
	}
}

// signal leaves a token in a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
