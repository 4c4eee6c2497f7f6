package zretest

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/libzmq"
	"github.com/go-zre/go-zre/msg"
	"github.com/go-zre/go-zre/zre"
)

// A Foreign is a model of a node of another implementation: C zyre, pyre or zyre.js. It is on the network from [NewForeign] to Stop or Kill. It
// sends beacons once a second, and talks to the nodes it meets as the real one would, with the same faults; quirks.go lists them. A message
// that would end the real process fails the test.
//
// It uses one interface, the host's first with IPv4. It cannot be used again after Stop or Kill: start another one, with the same UUID if it
// should be the same node.
type Foreign struct {
	t    testing.TB
	host *Host
	kind Implementation
	quirks
	name     string
	id       uuid.UUID
	port     uint16
	headers  []msg.OutHeader
	endpoint string // "tcp://address:port"
	iface    string

	running   sync.WaitGroup // all goroutines except those of the inbox
	inbox     *libzmq.Inbox
	udp       beacon.PacketConn
	stop      chan struct{} // closed to end the loop
	loopEnded chan struct{} // closed when the loop has ended

	mu        sync.Mutex
	posted    []func()      // for the loop
	hasPosted chan struct{} // has one element if posts grew
	ended     bool
	seen      []zre.Event

	// Used only by the loop.
	peers  map[uuid.UUID]*foreignPeer
	groups []string
	status int

	elections map[string]*foreignElection // by group
}

// A ForeignOption sets something of a Foreign when it is made.
type ForeignOption func(*Foreign)

// ForeignName sets its name; by default it is that of its implementation.
func ForeignName(name string) ForeignOption { return func(f *Foreign) { f.name = name } }

// ForeignUUID sets its UUID, which is random by default.
func ForeignUUID(id uuid.UUID) ForeignOption { return func(f *Foreign) { f.id = id } }

// ForeignPort sets its TCP port. By default it is a port that the implementation would take: C zyre and zyre.js take the first free one from
// 49152 up, pyre takes any.
func ForeignPort(port uint16) ForeignOption { return func(f *Foreign) { f.port = port } }

// ForeignGroups lets it be in groups from the beginning.
func ForeignGroups(groups ...string) ForeignOption {
	return func(f *Foreign) { f.groups, f.status = slices.Clone(groups), len(groups) }
}

// ForeignTimeouts sets after how much silence it PINGs a peer and gives it up; 0 means the default of its implementation.
func ForeignTimeouts(evasive, expired time.Duration) ForeignOption {
	return func(f *Foreign) {
		f.evasive, f.expired = cmp.Or(evasive, f.evasive), cmp.Or(expired, f.expired)
	}
}

// NewForeign starts a model of an implementation on a host. It ends with the test. It may be used in fake time and in real time.
func NewForeign(t testing.TB, host *Host, kind Implementation, options ...ForeignOption) *Foreign {
	t.Helper()
	f := &Foreign{
		t: t, host: host, kind: kind, quirks: quirksOf[kind], name: string(kind), id: uuid.New(),
		stop: make(chan struct{}), loopEnded: make(chan struct{}), hasPosted: make(chan struct{}, 1), peers: make(map[uuid.UUID]*foreignPeer),
	}
	if f.sequenceNumbers == 0 {
		t.Fatalf("zretest: there is no model of %q", kind)
	}
	for _, option := range options {
		option(f)
	}
	listener, err := f.listen()
	if err != nil {
		t.Fatalf("zretest: %s: %v", f.name, err)
	}
	if f.udp, err = host.ListenPacket("udp4", beaconPort); err != nil {
		listener.Close()
		t.Fatalf("zretest: %s: %v", f.name, err)
	}
	f.inbox = libzmq.Bind(listener, func(from *libzmq.Sender, frames [][]byte) { f.post(func() { f.handleFrames(from, frames) }) })
	f.running.Go(f.readBeacons)
	f.running.Go(f.run)
	t.Cleanup(f.Kill)
	return f
}

const beaconPort = 5670

// listen opens the port of its mailbox.
func (f *Foreign) listen() (net.Listener, error) {
	name, prefix, ok := f.ownInterface()
	if !ok {
		return nil, fmt.Errorf("%v has no interface with IPv4", f.host)
	}
	f.iface = name
	address := prefix.Addr()
	if f.bindsAll {
		address = netip.IPv4Unspecified()
	}
	port, lowest := f.port, cmp.Or(f.firstPort, 49152+uint16(f.host.Int64N(10_000)))
	for try := range uint16(1000) {
		if f.port == 0 {
			port = lowest + try
		}
		l, err := f.host.Listen(f.t.Context(), "tcp", netip.AddrPortFrom(address, port).String())
		if err == nil {
			f.port, f.endpoint = port, fmt.Sprintf("tcp://%v:%d", prefix.Addr(), port)
			return l, nil
		}
		if f.port != 0 {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%v has no free port", f.host)
}

// ownInterface returns the interface that it uses, and its current address.
func (f *Foreign) ownInterface() (name string, prefix netip.Prefix, ok bool) {
	all, _ := f.host.Interfaces()
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 || f.iface != "" && i.Name != f.iface {
			continue
		}
		for _, p := range i.Addrs {
			if p.Addr().Is4() {
				return i.Name, p, true
			}
		}
	}
	return "", netip.Prefix{}, false
}

// Name returns its name.
func (f *Foreign) Name() string { return f.name }

// UUID returns its UUID.
func (f *Foreign) UUID() uuid.UUID { return f.id }

// Endpoint returns the endpoint that its HELLOs name, "tcp://address:port".
func (f *Foreign) Endpoint() string { return f.endpoint }

// String names it in messages.
func (f *Foreign) String() string { return fmt.Sprintf("%s (%s)", f.name, f.kind) }

// Join enters a group and tells all peers.
func (f *Foreign) Join(group string) {
	f.call(func() {
		if !slices.Contains(f.groups, group) {
			f.groups = append(f.groups, group)
			f.sendToAll(group, msg.AppendJoin)
		}
	})
}

// Leave leaves a group and tells all peers.
func (f *Foreign) Leave(group string) {
	f.call(func() {
		if at := slices.Index(f.groups, group); at >= 0 {
			f.groups = slices.Delete(f.groups, at, at+1)
			f.sendToAll(group, msg.AppendLeave)
		}
	})
}

// sendToAll sends a JOIN or LEAVE to all peers.
func (f *Foreign) sendToAll(group string, message func(dst []byte, sequence uint16, group string, status uint8) ([]byte, error)) {
	f.status = (f.status + 1) % f.statusNumbers
	for _, p := range f.sortedPeers() {
		f.send(p, func(sequence uint16) [][]byte {
			frame, err := message(nil, sequence, group, uint8(f.status))
			return f.checkEncoded(frame, err)
		})
	}
}

// Whisper sends a message to a peer and reports whether it had a DEALER for it. The message may still be lost.
func (f *Foreign) Whisper(to uuid.UUID, content ...[]byte) (sent bool) {
	f.call(func() {
		if p := f.peers[to]; p != nil {
			sent = f.send(p, func(sequence uint16) [][]byte {
				return append([][]byte{msg.AppendWhisper(nil, sequence)}, content...)
			})
		}
	})
	return sent
}

// Shout sends a message to the peers that are in a group.
func (f *Foreign) Shout(group string, content ...[]byte) {
	f.call(func() {
		for _, p := range f.sortedPeers() {
			if p.groups[group] {
				f.send(p, func(sequence uint16) [][]byte {
					header, err := msg.AppendShout(nil, sequence, group)
					return append(f.checkEncoded(header, err), content...)
				})
			}
		}
	})
}

// checkEncoded fails the test if a message cannot be encoded.
func (f *Foreign) checkEncoded(frame []byte, err error) [][]byte {
	if err != nil {
		f.t.Errorf("%s: %v", f, err)
	}
	return [][]byte{frame}
}

// Peers returns the UUIDs of the peers that have said HELLO and that it has a DEALER for, sorted.
func (f *Foreign) Peers() (ids []uuid.UUID) {
	f.call(func() {
		for _, p := range f.sortedPeers() {
			if p.ready && p.mailbox != nil {
				ids = append(ids, p.id)
			}
		}
	})
	return ids
}

// Seen returns what its application was told so far: Enter, Exit, Join, Leave, Whisper, Shout, Evasive and Leader. The real implementations
// break the rules of [EventChecker], and so does the model: an Exit of a peer that never entered, an Enter of one that did not exit.
func (f *Foreign) Seen() []zre.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen)
}

func (f *Foreign) recordEvent(event zre.Event) {
	switch event.(type) {
	case zre.Whisper, zre.Shout:
	default:
		f.trace("tells its application: %s", describe(event))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, event)
}

// Stop ends it as its own stop function does, with a farewell. It waits until all is closed.
func (f *Foreign) Stop() {
	f.call(func() {
		if f.closesBeforeFarewell {
			f.disconnectAll()
		}
		f.sendBeacon(0)
	})
	time.Sleep(time.Millisecond)
	f.Kill()
}

// Kill ends it without a farewell, like the end of its process: its connections are closed. After Host.Crash or Host.Kill, which do the
// rest, it ends the model. It is safe to call it again.
func (f *Foreign) Kill() {
	f.mu.Lock()
	ended := f.ended
	f.ended = true
	f.mu.Unlock()
	if !ended {
		close(f.stop)
		_ = f.udp.Close()
	}
	f.inbox.Close()
	f.running.Wait()
}

// post makes the loop call a function. It does not wait.
func (f *Foreign) post(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.posted = append(f.posted, do)
	select {
	case f.hasPosted <- struct{}{}:
	default:
	}
}

// call makes the loop call a function and waits for that, or for the loop's end.
func (f *Foreign) call(do func()) {
	done := make(chan struct{})
	f.post(func() {
		do()
		close(done)
	})
	select {
	case <-done:
	case <-f.loopEnded:
	}
}

// run is the loop. Only run uses the loop's own fields.
func (f *Foreign) run() {
	defer close(f.loopEnded)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	f.sendBeacon(f.port)
	for {
		select {
		case <-f.hasPosted:
			f.mu.Lock()
			posts := f.posted
			f.posted = nil
			f.mu.Unlock()
			for _, do := range posts {
				do()
			}
		case <-second.C:
			f.sendBeacon(f.port)
			f.checkTimeouts()
		case <-f.stop:
			f.disconnectAll()
			return
		}
	}
}

// readBeacons receives beacons.
func (f *Foreign) readBeacons() {
	b := make([]byte, 2000)
	for {
		n, from, err := f.udp.ReadFrom(b)
		if err != nil {
			return
		}
		data := string(b[:n])
		f.post(func() { f.handleBeacon(data, from) })
	}
}

// sendBeacon broadcasts a beacon.
func (f *Foreign) sendBeacon(port uint16) {
	_, p, ok := f.ownInterface()
	if !ok {
		return
	}
	all, _ := f.host.Interfaces()
	for _, i := range all {
		if i.Name == f.iface {
			to := beacon.Destination{
				Dst: netip.AddrPortFrom(broadcast(p), beaconPort), Src: p.Addr(), IfIndex: i.Index,
			}
			_ = f.udp.WriteTo(f.beacon(port), to) // if the network is down, it may come back
		}
	}
}

func (f *Foreign) beacon(port uint16) []byte {
	return beacon.Beacon{UUID: f.id, Port: port, State: beacon.Unknown}.Append(nil)
}

// trace logs what happens if the seed is given, which asks for details.
func (f *Foreign) trace(format string, args ...any) {
	if *seedFlag != 0 {
		f.t.Logf("%s %s: %s", time.Now().Format("15:04:05.000"), f.name, fmt.Sprintf(format, args...))
	}
}

// traceMessage logs a message, unless it is content.
func (f *Foreign) traceMessage(how string, peer uuid.UUID, id msg.ID, sequence int) {
	if id != msg.Whisper && id != msg.Shout {
		f.trace("%s %v: %v %d", how, peer, id, sequence)
	}
}

// wouldDie fails the test: the real program would have died.
func (f *Foreign) wouldDie(format string, args ...any) {
	f.t.Errorf("%s would have died: %s", f, fmt.Sprintf(format, args...))
}
