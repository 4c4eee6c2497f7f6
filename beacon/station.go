package beacon

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	// readPause follows a read that failed, so that a socket that fails for ever costs nothing.
	readPause = 100 * time.Millisecond
	// maxDatagram is room for any datagram: Windows calls it an error when one does not fit.
	maxDatagram = 1 << 16
)

// stations holds the stations of this process, which its agents share.
var stations = struct {
	sync.Mutex // guards open, and refs of every station; held while sockets are opened and closed
	open       map[stationKey]*station
}{open: make(map[stationKey]*station)}

// A stationKey tells which agents can share a station.
type stationKey struct {
	network   Network
	port      int           // of the classic beacons
	statePort uint16        // of the state beacons
	group     netip.Addr    // and their multicast group by IPv4
	groups6   [2]netip.Addr // and those by IPv6
	ttl       int           // and how many hops they live
	poll      time.Duration // between two scans of the interfaces
}

// A station is a pair of sockets for each address family and what goes with them, for all agents of the process with the same
// key. A few goroutines serve it: one for each socket, waiting for datagrams, and one that waits for the time to scan the
// interfaces; and what the network's Watcher needs. They end when the last agent leaves. Sending is done by the agents' own
// goroutines.
type station struct {
	key stationKey
	sockets
	world   atomic.Pointer[world] // the machine's interfaces as of the last scan
	trigger chan struct{}         // holds one: scan soon. Whatever learns of changes leaves its token here
	done    chan struct{}         // closed at the end
	running sync.WaitGroup        // the goroutines

	refs int // agents; guarded by stations

	scanning sync.Mutex // held during a scan, so that an older one cannot overtake

	mu      sync.Mutex // guards what follows; held while handlers run, so that an agent that left hears nothing
	agents  []*Agent
	failing map[failure]string // what does not work now, and why: told once
}

// A failure is something that can fail, for what or whom.
type failure struct {
	what string
	Destination
}

// acquire returns the station of that key, with one more agent counted.
func acquire(key stationKey, log *zerolog.Logger) (*station, error) {
	stations.Lock()
	defer stations.Unlock()
	s := stations.open[key]
	if s == nil {
		var err error
		if s, err = newStation(key, log); err != nil {
			return nil, err
		}
		stations.open[key] = s
	}
	s.refs++
	return s, nil
}

// release counts one agent less; the last one ends the station and waits for its goroutines.
func release(s *station) error {
	stations.Lock()
	s.refs--
	last := s.refs == 0
	var err error
	if last {
		delete(stations.open, s.key)
		close(s.done)
		err = s.close()
	}
	stations.Unlock()
	if last {
		s.running.Wait()
	}
	return err
}

func newStation(key stationKey, log *zerolog.Logger) (*station, error) {
	sockets, err := key.open(log)
	if err != nil {
		return nil, err
	}
	s := &station{
		key:     key,
		sockets: sockets,
		trigger: make(chan struct{}, 1),
		done:    make(chan struct{}),
		failing: make(map[failure]string),
	}
	s.world.Store(newWorld(nil))
	for _, p := range sockets.pairs() {
		s.running.Go(func() { s.receive(p.classic, false) })
		s.running.Go(func() { s.receive(p.state, true) })
	}
	unfollow := s.follow(log)
	s.running.Go(func() {
		defer unfollow()
		s.watch()
	})
	return s, nil
}

// enrol makes the station serve a, and returns when it listens on all interfaces that a uses.
func (s *station) enrol(a *Agent) error {
	s.mu.Lock()
	a.view.Store(look(&a.config, s.reach(s.world.Load().interfaces)))
	s.agents = append(s.agents, a)
	s.mu.Unlock()
	if err := s.scan(); err != nil {
		s.leave(a)
		return err
	}
	return nil
}

// leave ends the service for a: its handler is not called any more.
func (s *station) leave(a *Agent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agents = slices.DeleteFunc(s.agents, func(o *Agent) bool { return o == a })
}

// send sends a beacon to each destination. What fails is told once and makes the interfaces be scanned; the regular beacons
// are the retry.
func (s *station) send(b Beacon, to []Destination) {
	octets := b.Append(nil)
	for _, d := range to {
		s.report(failure{"sending beacons", d}, s.write(octets, d))
	}
}

// sendDeadly sends a beacon with a state to where the classic ones of IPv4 go. It is for Config.StateByBroadcast alone.
func (s *station) sendDeadly(b Beacon, to []Destination) {
	octets := b.Append(nil)
	for _, d := range to {
		if d.Dst.Addr().Is4() {
			s.report(failure{"sending beacons", d}, s.four.classic.WriteTo(octets, d))
		}
	}
}

// report notes that f failed, or with a nil error that it did not. What is new is logged, and makes the interfaces be
// scanned at once.
func (s *station) report(f failure, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, failing := s.failing[f]
	switch {
	case err == nil && failing:
		delete(s.failing, f)
		s.describe(s.log().Info(), f).Msg("beacon: " + f.what + " works again")
	case err != nil && before != err.Error():
		s.failing[f] = err.Error()
		s.describe(s.log().Warn(), f).Err(err).Msg("beacon: " + f.what + " failed")
		signal(s.trigger)
	}
}

// log returns the log of the oldest agent. The caller holds mu.
func (s *station) log() *zerolog.Logger {
	if len(s.agents) == 0 {
		nop := zerolog.Nop()
		return &nop
	}
	return &s.agents[0].config.Log
}

// describe adds to a line of the log what f concerns.
func (s *station) describe(line *zerolog.Event, f failure) *zerolog.Event {
	if i, ok := s.world.Load().arrival(Origin{IfIndex: f.IfIndex}); ok {
		line.Str("interface", i.Name)
	}
	if f.Dst.IsValid() {
		line.Stringer("to", f.Dst)
	}
	if f.Src.IsValid() {
		line.Stringer("from", f.Src)
	}
	return line
}

// receive reads datagrams from one of the sockets until it is closed.
func (s *station) receive(conn PacketConn, onState bool) {
	b := make([]byte, maxDatagram)
	for {
		n, from, err := conn.ReadFrom(b)
		if err == nil {
			s.hear(b[:n], from, onState)
			continue
		}
		select {
		case <-s.done:
			return
		default:
		}
		s.report(failure{what: "receiving beacons"}, err)
		select {
		case <-s.done:
			return
		case <-time.After(readPause):
		}
	}
}

// hear judges a datagram, and hands what passes to every agent but its sender. A beacon without a state on the state
// beacons' socket is not one of theirs. What fails is discarded silently (RFC 36).
func (s *station) hear(b []byte, from Origin, onState bool) {
	beacon, err := Parse(b)
	if err != nil || onState && beacon.State == Unknown {
		return
	}
	w := s.world.Load()
	i, ok := w.arrival(from)
	if !ok || !s.isMeant(i, from, onState) || !isHost(from.Src.Addr()) {
		return
	}
	src := from.Src.Addr().WithZone("")
	if src.Is6() && src.IsLinkLocalUnicast() {
		src = src.WithZone(i.Name) // the system may call it by another one's old name
	}
	sighting := Sighting{beacon, src, i.Index, i.Name, w.isLocal(src), onState || src.Is6()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.agents {
		a.hear(sighting)
	}
}

// isMeant reports whether a datagram that arrived on i for dst is one of those that the socket is for. The kernel hands over
// more: unicast from anywhere, and on some systems the multicasts that other sockets joined.
func (s *station) isMeant(i Interface, from Origin, onState bool) bool {
	dst := from.Dst
	switch {
	case !dst.IsValid(): // a system that does not tell
		return true
	case dst.Is4() != from.Src.Addr().Is4():
		return false
	case onState:
		return dst == s.key.group || slices.Contains(s.key.groups6[:], dst)
	}
	return dst == allNodes || i.broadcasts(dst)
}

// isHost reports whether a can be the address of one host, from which a node sends.
func isHost(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.Is4In6() || a.IsLinkLocalUnicast() || a.Is4() && a.IsLoopback()
}
