package beacon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	// readPause follows a failed read, so that a socket that fails all the time costs nothing.
	readPause = 100 * time.Millisecond
	// maxDatagram is room for any datagram: Windows returns an error when one does not fit.
	maxDatagram = 1 << 16
)

// stations holds the stations of this process, which its agents share.
var stations = struct {
	sync.Mutex // guards open, and refs of every station; held while sockets are opened and closed
	open       map[stationKey]*station
}{open: make(map[stationKey]*station)}

// A stationKey says which agents can share a station.
type stationKey struct {
	network   Network
	mute      bool          // it has no sockets
	port      int           // of the classic beacons
	statePort uint16        // of the state beacons
	group     netip.Addr    // and their multicast group by IPv4
	groups6   [2]netip.Addr // and those by IPv6
	ttl       int           // and how many hops they live
	poll      time.Duration // between two scans of the interfaces
}

// A station is a pair of sockets for each address family and what belongs to them, for all agents of the process with the same key. A few
// goroutines serve it: one for each socket, waiting for datagrams, one that scans the interfaces, and those of the network's Watcher. They
// end when the last agent leaves. Agents send on their own goroutines.
type station struct {
	key stationKey
	sockets
	world   atomic.Pointer[world] // the machine's interfaces as of the last scan
	trigger chan struct{}         // holds one token: scan soon. Every source of news leaves its token here
	done    chan struct{}         // closed at the end
	running sync.WaitGroup        // the goroutines

	invalid atomic.Uint64 // datagrams that were discarded

	refs int // agents; guarded by stations

	scanning sync.Mutex // held during a scan, so that an older one cannot overtake; guards closed, and the fields that sockets leave to the scan
	closed   bool       // no more sockets are opened

	isHealthy atomic.Bool // nothing fails
	mu        sync.Mutex  // guards what follows; held while handlers run, so that an agent that left hears nothing
	agents    []*Agent
	failing   map[action]failureState // what does not work now, and why; each reported once
	lastHeard map[int]*lastHeard      // what is heard, by index of the interface
}

// acquire returns the station of that key, and counts one more agent.
func acquire(key stationKey, log *zerolog.Logger) *station {
	stations.Lock()
	defer stations.Unlock()
	s := stations.open[key]
	if s == nil {
		s = newStation(key, log)
		stations.open[key] = s
	}
	s.refs++
	return s
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
		s.scanning.Lock()
		s.closed = true
		err = s.close()
		s.scanning.Unlock()
	}
	stations.Unlock()
	if last {
		s.running.Wait()
	}
	return err
}

func newStation(key stationKey, log *zerolog.Logger) *station {
	s := &station{
		key:       key,
		sockets:   key.sockets(),
		trigger:   make(chan struct{}, 1),
		done:      make(chan struct{}),
		failing:   make(map[action]failureState),
		lastHeard: make(map[int]*lastHeard),
	}
	s.isHealthy.Store(true)
	s.world.Store(new(world))
	stopWatcher := s.startWatcher(log)
	s.running.Go(func() {
		defer stopWatcher()
		s.watch()
	})
	return s
}

// addAgent makes the station serve a, and returns when it listens on all interfaces that a uses, as far as the system allows.
func (s *station) addAgent(a *Agent) {
	s.mu.Lock()
	world := s.world.Load()
	a.view.Store(s.viewOf(a))
	s.agents = append(s.agents, a)
	if world.known {
		a.noteMissing(world.interfaces)
	}
	s.mu.Unlock()
	_ = s.scan() // it has logged its error, and is tried again
}

// listen opens the sockets that are not open yet. While another program holds a port each scan tries again.
func (s *station) listen() {
	if s.key.mute || s.closed {
		return
	}
	changed := false
	for _, socket := range s.all() {
		if socket.conn() == nil && s.open(socket) {
			changed = true
		}
	}
	var err error
	if !s.has(false) && !s.has(true) {
		err = fmt.Errorf("beacon: neither IPv4 nor IPv6 can be used: %w", errors.ErrUnsupported)
	}
	s.report(action{op: OpListen}, err)
	if changed {
		s.refreshViews()
	}
}

// open tries to open a socket, and tells whether anything changed.
func (s *station) open(socket *socket) bool {
	conn, err := s.key.listen(socket)
	unsupported := errors.Is(err, errors.ErrUnsupported)
	changed := socket.unsupported.Swap(unsupported) != unsupported
	listening := action{OpListen, Destination{Dst: socket.listenAddr()}}
	if unsupported {
		s.report(listening, nil) // there is nothing to wait for
		if changed && !socket.isState {
			s.mu.Lock()
			s.log().Debug().Err(err).Msg("beacon: this machine lacks an address family, the other one is used")
			s.mu.Unlock()
		}
		return changed
	}
	s.report(listening, err)
	if err != nil {
		return changed
	}
	s.serve(socket, conn)
	return true
}

// refreshViews makes the agents use the sockets that are open now.
func (s *station) refreshViews() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.agents {
		a.setView(s.viewOf(a))
	}
}

// viewOf makes the view of an agent from what is known now.
func (s *station) viewOf(a *Agent) *view {
	return newView(&a.config, s.reachable(s.world.Load().interfaces), s.isOpen)
}

// serve starts receiving on conn, a part of socket.
func (s *station) serve(socket *socket, conn PacketConn) {
	socket.add(conn)
	s.running.Go(func() { s.receive(conn, socket) })
}

// openPart opens another part of a socket, for groups beyond the limit of one.
func (s *station) openPart(socket *socket) (PacketConn, error) {
	if s.closed {
		return nil, net.ErrClosed
	}
	conn, err := s.key.listen(socket)
	if err != nil {
		return nil, err
	}
	s.serve(socket, conn)
	return conn, nil
}

// removeAgent stops serving a: its handler is not called any more.
func (s *station) removeAgent(a *Agent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agents = slices.DeleteFunc(s.agents, func(o *Agent) bool { return o == a })
}

// send sends a beacon to each destination, and returns how many the system took. A failure is reported once and starts a scan of the
// interfaces; the regular beacons are the retry.
func (s *station) send(b Beacon, to []Destination) (sent uint64) {
	octets := b.Append(nil)
	for _, d := range to {
		err := s.write(octets, d)
		if err == nil {
			sent++
		}
		if err != errNotOpen {
			s.report(action{OpSend, d}, err)
		}
	}
	return sent
}

// sendByBroadcast sends a beacon with a state to where classic IPv4 beacons go. It is only for Config.StateByBroadcast.
func (s *station) sendByBroadcast(b Beacon, to []Destination) (sent uint64) {
	octets := b.Append(nil)
	for _, d := range to {
		if conn := s.classic4.conn(); conn != nil && d.Dst.Addr().Is4() {
			err := conn.WriteTo(octets, d)
			if err == nil {
				sent++
			}
			s.report(action{OpSend, d}, err)
		}
	}
	return sent
}

// log returns the log of the oldest agent. The caller holds mu.
func (s *station) log() *zerolog.Logger {
	if len(s.agents) == 0 {
		nop := zerolog.Nop()
		return &nop
	}
	return &s.agents[0].config.Log
}

// describe adds the subject of an action to a log line.
func (s *station) describe(line *zerolog.Event, what action) *zerolog.Event {
	if name := s.nameOf(what.IfIndex); name != "" {
		line.Str("interface", name)
	}
	if what.Dst.IsValid() {
		line.Stringer("to", what.Dst)
	}
	if what.Src.IsValid() {
		line.Stringer("from", what.Src)
	}
	return line
}

// receive reads datagrams from a part of a socket until it is closed.
func (s *station) receive(conn PacketConn, socket *socket) {
	receiving := action{OpReceive, Destination{Dst: socket.listenAddr()}}
	b := make([]byte, maxDatagram)
	for {
		n, from, err := conn.ReadFrom(b)
		if err == nil {
			s.report(receiving, nil)
			s.handleDatagram(b[:n], from, socket.isState)
			continue
		}
		select {
		case <-s.done:
			return
		default:
		}
		s.report(receiving, err)
		select {
		case <-s.done:
			return
		case <-time.After(readPause):
		}
	}
}

// handleDatagram checks a datagram, and passes it to every agent but its sender. A beacon without a state on the state beacons' socket is not valid.
// An invalid datagram is discarded silently (RFC 36).
func (s *station) handleDatagram(b []byte, from Origin, onState bool) {
	beacon, err := Parse(b)
	if err != nil || onState && beacon.State == Unknown {
		s.invalid.Add(1)
		return
	}
	w := s.world.Load()
	i, ok := w.arrival(from)
	if !ok || !s.isForSocket(i, from, onState) || !isHostAddr(from.Src.Addr()) {
		s.invalid.Add(1)
		return
	}
	src := from.Src.Addr().WithZone("")
	if src.Is6() && src.IsLinkLocalUnicast() {
		src = src.WithZone(i.zone()) // the system may use the old name of another interface
	}
	sighting := Sighting{beacon, src, i.Index, i.Name, w.isLocal(src), onState || src.Is6()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteHeard(&sighting)
	for _, a := range s.agents {
		a.deliver(sighting)
	}
}

// isForSocket tells whether a datagram that arrived on i for dst is meant for the socket. The kernel delivers more: unicast from anywhere, and
// on some systems the multicasts that other sockets joined.
func (s *station) isForSocket(i Interface, from Origin, onState bool) bool {
	dst := from.Dst
	switch {
	case !dst.IsValid(): // the system does not report it
		return true
	case dst.Is4() != from.Src.Addr().Is4():
		return false
	case onState:
		return dst == s.key.group || slices.Contains(s.key.groups6[:], dst)
	}
	return dst == allNodes || i.isBroadcast(dst)
}

// isHostAddr tells whether a can be the address of one host, from which a node sends.
func isHostAddr(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.Is4In6() || a.IsLinkLocalUnicast() || a.Is4() && a.IsLoopback()
}
