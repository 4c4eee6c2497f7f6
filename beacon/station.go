package beacon

import (
	"errors"
	"fmt"
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
	group     netip.Addr    // and their multicast group
	ttl       int           // and how many hops they live
	poll      time.Duration // between two scans of the interfaces
}

// A station is a pair of sockets and what goes with them, for all agents of the process with the same key. Three goroutines
// serve it: one for each socket, waiting for datagrams, and one that waits for the time to scan the interfaces; and what the
// network's Watcher needs. They end when the last agent leaves. Sending is done by the agents' own goroutines.
type station struct {
	key     stationKey
	classic PacketConn            // on the port: hears all four forms of a beacon, sends 22 octets only
	state   PacketConn            // on statePort: hears and sends beacons with a state
	world   atomic.Pointer[world] // the machine's interfaces as of the last scan
	trigger chan struct{}         // holds one: scan soon. Whatever learns of changes leaves its token here
	done    chan struct{}         // closed at the end
	running sync.WaitGroup        // the three goroutines

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
		err = errors.Join(s.classic.Close(), s.state.Close())
	}
	stations.Unlock()
	if last {
		s.running.Wait()
	}
	return err
}

func newStation(key stationKey, log *zerolog.Logger) (*station, error) {
	classic, err := key.network.ListenPacket("udp4", key.port)
	if err != nil {
		return nil, err
	}
	state, err := key.listenState()
	if err != nil {
		return nil, errors.Join(err, classic.Close())
	}
	s := &station{
		key:     key,
		classic: classic,
		state:   state,
		trigger: make(chan struct{}, 1),
		done:    make(chan struct{}),
		failing: make(map[failure]string),
	}
	s.world.Store(newWorld(nil))
	s.running.Go(func() { s.receive(s.classic, false) })
	s.running.Go(func() { s.receive(s.state, true) })
	unfollow := s.follow(log)
	s.running.Go(func() {
		defer unfollow()
		s.watch()
	})
	return s, nil
}

// listenState opens the socket of the state beacons.
func (k *stationKey) listenState() (PacketConn, error) {
	conn, err := k.network.ListenPacket("udp4", int(k.statePort))
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

// enrol makes the station serve a, and returns when it listens on all interfaces that a uses.
func (s *station) enrol(a *Agent) error {
	s.mu.Lock()
	a.view.Store(look(&a.config, s.world.Load().interfaces))
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

// sendDeadly sends a beacon with a state to where the classic ones go. It is for Config.StateByBroadcast alone.
func (s *station) sendDeadly(b Beacon, to []Destination) {
	octets := b.Append(nil)
	for _, d := range to {
		s.report(failure{"sending beacons", d}, s.classic.WriteTo(octets, d))
	}
}

// write is where every other datagram leaves. Whatever its caller asks for, a broadcast address and UDP port 5670 get
// 22 octets or nothing: any other length there ends every pyre node that receives it.
func (s *station) write(b []byte, to Destination) error {
	if len(b) == classicSize {
		return s.classic.WriteTo(b, to)
	}
	if !to.Dst.Addr().IsMulticast() || to.Dst.Port() == DefaultPort {
		return fmt.Errorf("beacon: %d octets must not go to %v, only %d may", len(b), to.Dst, classicSize)
	}
	return s.state.WriteTo(b, to)
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
	if !ok || !s.isMeant(i, from.Dst, onState) || !isHost(from.Src.Addr()) {
		return
	}
	src := from.Src.Addr()
	sighting := Sighting{beacon, src, i.Index, i.Name, w.isLocal(src), onState}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.agents {
		a.hear(sighting)
	}
}

// isMeant reports whether a datagram that arrived on i for dst is one of those that the socket is for. The kernel hands over
// more: unicast from anywhere, and on some systems the multicasts that other sockets joined.
func (s *station) isMeant(i Interface, dst netip.Addr, onState bool) bool {
	switch {
	case !dst.IsValid(): // a system that does not tell
		return true
	case onState:
		return dst == s.key.group
	}
	return i.broadcasts(dst)
}

// isHost reports whether a can be the address of one host, from which a node sends.
func isHost(a netip.Addr) bool {
	return a.Is4() && (a.IsGlobalUnicast() || a.IsLinkLocalUnicast() || a.IsLoopback())
}
