package beacon

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Times of an agent's speech.
const (
	stateGap    = 20 * time.Millisecond // between the beacons of two changes of state
	farewells   = 3                     // a farewell is said so many times, since UDP loses
	farewellGap = 5 * time.Millisecond
)

// firstPauses follow the first beacons: who lost one beacon of a newcomer soon gets another.
var firstPauses = [...]time.Duration{100 * time.Millisecond, 200 * time.Millisecond}

// A Sighting is one beacon heard from another node. Who sends by IPv4 and IPv6 is sighted by each. A link-local address of IPv6
// has the interface's name as its zone, as in fe80::1%eth0, so that it can be dialled; where the interface may have been made
// again within the last minute, for which package net remembers the names of interfaces, dial fe80::1%IfIndex. In a sandbox without
// netlink, where package net knows no names, the zone is the index.
type Sighting struct {
	Beacon
	Addr      netip.Addr // where it came from; with Beacon.Port, the endpoint of the sender's mailbox
	IfIndex   int        // the interface that it arrived on, by index
	Interface string     // and by name
	Local     bool       // Addr is an address of this machine; a link-local one: of Interface
	Multicast bool       // it came by multicast, as all do by IPv6, else by broadcast
}

// An Agent hears the beacons of other nodes and sends those of one node. Its methods can be called from any goroutine.
type Agent struct {
	config  Config // complete; never changes
	station *station
	view    atomic.Pointer[view] // replaced by the station when interfaces change

	calm    atomic.Bool   // SetCalm
	changed chan struct{} // holds one: the state is another one
	restart chan struct{} // holds one: speak as a newcomer does
	closing chan struct{} // closed by the first Close: the agent shall stop speaking
	silent  chan struct{} // closed when it has stopped
	gone    chan struct{} // closed when all is done and err is set, for later calls of Close
	err     error         // the result of Close

	mu       sync.Mutex // guards what follows; nothing waits while holding it
	port     uint16
	state    State
	speaking bool // Announce has been called: the goroutine of speak runs until closing
	hushed   bool // Hush has been called: of all that it has to say only the farewell is left
	closed   bool // Close has been called

	missing []Failure // what the configuration names and there is not; guarded by the station's mu
	heard   uint64    // beacons of others; likewise
	sent    atomic.Uint64
}

// Open listens for beacons on the interfaces that config names; it sends none. It does not wait for the network, nor need it be there: an
// interface or address that is not, a port that another program holds, interfaces that cannot be listed, all that may become right is tried
// again every 0.8 s or sooner, and told by Failures. An error says what of config cannot become right.
func Open(config Config) (*Agent, error) {
	a := &Agent{
		config:  config.withDefaults(),
		changed: make(chan struct{}, 1),
		restart: make(chan struct{}, 1),
		closing: make(chan struct{}),
		silent:  make(chan struct{}),
		gone:    make(chan struct{}),
	}
	if err := a.config.check(); err != nil {
		return nil, err
	}
	a.station = acquire(a.config.stationKey(), &a.config.Log)
	a.station.enrol(a)
	if len(a.Interfaces()) == 0 && len(a.Failures()) == 0 { // else the log has said why
		a.config.Log.Warn().Stringer("call", CallChoose).Msg("beacon: no usable network interface, waiting for one")
	}
	return a, nil
}

// Announce starts speaking: beacons with this TCP port of the node's mailbox and this state go out at once, after about 100
// and 300 ms, and then every interval. So the mailbox must listen already: C zyre and gyre keep the first endpoint
// that they hear of. A state of Unknown sends no state beacons until SetState. Announcing again starts over with
// other values. Port 0, which would be a farewell, is logged and ignored, as is any call after Close.
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
	if a.speaking {
		signal(a.restart)
		return
	}
	a.speaking = true
	go a.speak()
}

// SetState changes the state that Announce gave. The new one is sent at once, by beacons that have a state; of changes that
// follow within 20 ms the last one is sent then. Before Announce and after Close it does nothing.
func (a *Agent) SetState(state State) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.speaking && !a.closed && a.state != state {
		a.state = state
		a.SetCalm(false)
		signal(a.changed)
	}
}

// Hush ends the beacons; only the farewell of Close is still to come. The agent goes on hearing.
func (a *Agent) Hush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hushed = true
}

// Interfaces returns the interfaces that the agent uses now, each with the addresses it uses there, those of IPv4 first. IPv6
// addresses have no zone. The caller owns the result.
func (a *Agent) Interfaces() []Interface {
	list := slices.Clone(a.view.Load().interfaces)
	for i := range list {
		list[i].Addrs = slices.Clone(list[i].Addrs)
		list[i].Broadcasts = maps.Clone(list[i].Broadcasts)
		list[i].AltNames = slices.Clone(list[i].AltNames)
	}
	return list
}

// IsLocal reports whether addr is an address of this machine, on any interface, as of the last scan, less than a second ago as a
// rule. A zone, the name or the index of an interface, counts for a link-local address of IPv6: it is local if that
// interface has it.
func (a *Agent) IsLocal(addr netip.Addr) bool { return a.station.world.Load().isLocal(addr) }

// Close says farewell if the agent has spoken: classic beacons with port 0, and state beacons with port 0 and state EXIT,
// three times each within about 10 ms, with the key if there is one. Then it gives back its share of the sockets, which close with the last agent.
// It can be called twice and at once; every call returns when all is done.
func (a *Agent) Close() error {
	a.mu.Lock()
	first, speaking := !a.closed, a.speaking
	a.closed = true
	a.mu.Unlock()
	if !first {
		<-a.gone
		return a.err
	}
	if speaking {
		_ = a.station.scan() // the farewell goes out by the interfaces of now
	}
	close(a.closing)
	if speaking {
		<-a.silent
	}
	a.station.leave(a)
	a.err = release(a.station)
	close(a.gone)
	return a.err
}

// speak sends all that the agent says, on a goroutine of its own. It waits for the time of the next beacons, a change of
// state, an order to start over, or the end.
func (a *Agent) speak() {
	defer close(a.silent)
	beat := time.NewTimer(0)
	defer beat.Stop()
	changed := a.changed       // nil, so that it is not looked at, for a short while after each change
	var quiet <-chan time.Time // ends that while
	for turn := 0; ; {
		select {
		case <-beat.C:
			if b, ok := a.now(); ok {
				classic, state := a.due(turn, a.view.Load())
				a.say(b, classic, state)
			}
			beat.Reset(a.pause(turn))
			turn++
		case <-a.restart:
			turn = 0
			beat.Reset(0)
		case <-changed:
			if b, ok := a.now(); ok {
				v := a.view.Load()
				a.sayState(b, v.classic, v.state)
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
		a.say(Beacon{UUID: a.config.UUID, Port: 0, State: Exit, Key: a.config.Key}, v.classic, v.state)
	}
}

// now returns the beacon that says how things are, and whether it may be sent.
func (a *Agent) now() (Beacon, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Beacon{UUID: a.config.UUID, Port: a.port, State: a.state, Key: a.config.Key}, !a.hushed
}

// say sends b as a classic and as a state beacon, to these destinations.
func (a *Agent) say(b Beacon, classic, state []Destination) {
	stateless := b
	stateless.State = Unknown
	to := classic
	if a.config.StateByBroadcast && b.State.valid() { // which says it by IPv4
		to = slices.DeleteFunc(slices.Clone(to), func(d Destination) bool { return d.Dst.Addr().Is4() })
	}
	a.sent.Add(a.station.send(stateless, to))
	a.sayState(b, classic, state)
}

// sayState sends b with its state, if it has one.
func (a *Agent) sayState(b Beacon, classic, state []Destination) {
	if !b.State.valid() {
		return
	}
	if a.config.StateByBroadcast {
		a.sent.Add(a.station.sendDeadly(b, classic))
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
	return pause - jitter + Roll(a.config.Network, 2*jitter)
}

// hear hands the agent a sighting that arrived on an interface it uses.
func (a *Agent) hear(s Sighting) {
	if a.view.Load().uses(s.IfIndex, s.Addr.Is6()) && !a.isEcho(s) {
		a.heard++
		a.config.Handler(s)
	}
}

// isEcho reports whether the agent sent that beacon itself. A farewell could be an old one of its own. What has another key is another
// node's. What it says on one interface may arrive on another, if both are on one link, so a zone is not looked at here.
func (a *Agent) isEcho(s Sighting) bool {
	if s.UUID != a.config.UUID || s.Key != a.config.Key {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return s.Port == 0 || s.Port == a.port && a.IsLocal(s.Addr.WithZone(""))
}

// adopt makes the agent use v, and reports whether that changes anything but a carrier. Where v leads to new places the agent
// starts speaking over, as a newcomer there.
func (a *Agent) adopt(v *view) bool {
	old := a.view.Swap(v)
	changed, wider := !slices.EqualFunc(v.interfaces, old.interfaces, Interface.equal), v.widens(old)
	if wider || !slices.EqualFunc(v.interfaces, old.interfaces, Interface.same) {
		a.notice(wider)
	}
	return changed
}

// notice has the application know of a change. Where others may have missed the agent it starts speaking over.
func (a *Agent) notice(missed bool) {
	a.mu.Lock()
	speaking := a.speaking && !a.closed
	if speaking && missed {
		a.SetCalm(false)
		signal(a.restart)
	}
	a.mu.Unlock()
	if speaking {
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
