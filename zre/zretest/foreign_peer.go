package zretest

import (
	"bytes"
	"context"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/libzmq"
	"github.com/go-zre/go-zre/msg"
	"github.com/go-zre/go-zre/zre"
)

// A foreignPeer is what a Foreign knows about one peer, with the fields that all three implementations have.
type foreignPeer struct {
	id       uuid.UUID
	endpoint string
	mailbox  *libzmq.Mailbox // nil while it is disconnected
	ready    bool            // it has sent HELLO
	name     string
	headers  map[string]string
	groups   map[string]bool
	status   uint8
	sent     uint32 // sequence number of the last message sent to it
	received uint32 // and of the last one received from it

	evasiveAt, expiredAt time.Time
	evasive, expired     *time.Timer // of zyre.js
}

// sortedPeers returns the peers in UUID order.
func (f *Foreign) sortedPeers() []*foreignPeer {
	return slices.SortedFunc(maps.Values(f.peers), func(a, b *foreignPeer) int { return bytes.Compare(a.id[:], b.id[:]) })
}

// handleBeacon handles a datagram that may be a beacon.
func (f *Foreign) handleBeacon(data string, from beacon.Origin) {
	_, own, ok := f.ownInterface()
	switch {
	case !strings.HasPrefix(data, "ZRE"), data == string(f.beacon(f.port)), !ok,
		f.filter == ownBroadcastOnly && from.Dst != broadcast(own), f.filter == ownSubnetOnly && !own.Contains(from.Src.Addr()):
		return
	}
	if f.diesOfBeaconLength && len(data) != 22 {
		f.wouldDie("a beacon of %d bytes", len(data))
	}
	b, err := beacon.Parse([]byte(data))
	if err != nil || len(data) != 22 {
		return
	}
	id := uuid.UUID(b.UUID)
	p := f.peers[id]
	if b.Port == 0 {
		if p != nil {
			f.remove(p)
			p.disconnect()
		}
		return
	}
	if p == nil {
		if p = f.add(id, "tcp://"+netip.AddrPortFrom(from.Src.Addr(), b.Port).String()); p == nil {
			return
		}
		f.sendHello(p)
		f.restartTimeouts(p)
	} else if f.beaconsKeepAlive {
		f.restartTimeouts(p)
	}
}

// add makes a peer, with a DEALER to it that has sent nothing yet.
func (f *Foreign) add(id uuid.UUID, endpoint string) *foreignPeer {
	if f.purge != purgeNothing {
		for _, p := range f.sortedPeers() {
			if p.mailbox != nil && p.endpoint == endpoint {
				if f.purge == purgeRemoves {
					f.remove(p)
				}
				p.disconnect()
			}
		}
	}
	p := &foreignPeer{id: id, endpoint: endpoint, groups: make(map[string]bool)}
	to, ok := strings.CutPrefix(endpoint, "tcp://")
	if _, err := netip.ParseAddrPort(to); !ok || err != nil {
		if f.diesOfBadEndpoint {
			f.wouldDie("endpoint %q", endpoint)
		}
		return nil
	}
	f.peers[id] = p
	p.mailbox = libzmq.Connect(func(ctx context.Context) (net.Conn, error) { return f.host.Dial(ctx, "tcp", to) },
		slices.Concat([]byte{1}, f.id[:]), f.host.Int64N, &f.running)
	return p
}

// sendHello sends HELLO.
func (f *Foreign) sendHello(p *foreignPeer) {
	hello := msg.OutHello{Endpoint: f.endpoint, Groups: f.groups, Status: uint8(f.status), Name: f.name, Headers: f.headers}
	f.send(p, func(sequence uint16) [][]byte {
		frame, err := msg.AppendHello(nil, sequence, &hello, msg.Limits{})
		return f.checkEncoded(frame, err)
	})
}

// send numbers a message and passes it to the DEALER, if there is one.
func (f *Foreign) send(p *foreignPeer, message func(sequence uint16) [][]byte) bool {
	if p.mailbox == nil {
		return false
	}
	next := (p.sent + 1) % f.sequenceNumbers
	frames := message(uint16(next))
	if len(frames[0]) == 0 {
		return false // it cannot be encoded, see checkEncoded
	}
	p.sent = next
	f.traceMessage("to "+p.endpoint, p.id, msg.ID(frames[0][2]), int(next))
	if !p.mailbox.Send(frames, f.highWater) {
		p.disconnect()
		return false
	}
	return true
}

// remove forgets a peer and tells the application. The caller drops its DEALER.
func (f *Foreign) remove(p *foreignPeer) {
	f.recordEvent(zre.Exit{Peer: p.snapshot()})
	if f.elects {
		for _, group := range slices.Sorted(maps.Keys(p.groups)) {
			f.election(group).memberExits(p)
		}
	}
	delete(f.peers, p.id)
	p.stopTimers()
}

// disconnect closes the DEALER. The peer is then disconnected and has no session.
func (p *foreignPeer) disconnect() {
	if p.mailbox != nil {
		p.mailbox.Close()
		p.mailbox, p.ready = nil, false
	}
}

func (p *foreignPeer) stopTimers() {
	if p.evasive != nil {
		p.evasive.Stop()
		p.expired.Stop()
	}
}

// disconnectAll closes all DEALERs, as at the end of the node.
func (f *Foreign) disconnectAll() {
	for _, p := range f.peers {
		p.stopTimers()
		p.disconnect()
	}
	clear(f.peers)
}

// snapshot returns the application's view of a peer.
func (p *foreignPeer) snapshot() *zre.Peer {
	return &zre.Peer{
		UUID: p.id, Name: p.name, Endpoint: p.endpoint, Headers: p.headers, Groups: slices.Sorted(maps.Keys(p.groups)),
		Transport: "tcp", State: zre.StateUnknown,
	}
}

// handleFrames handles a message that came to the ROUTER.
func (f *Foreign) handleFrames(from *libzmq.Sender, frames [][]byte) {
	if !from.IsActive() {
		return
	}
	var m msg.Message
	if err := m.Decode(frames, msg.DefaultLimits()); err != nil || m.ID >= msg.State { // only our nodes send those
		f.t.Errorf("%s: the model does not know what the real one does with %x: %v", f, frames, err)
		return
	}
	if len(from.Identity) != 17 {
		return // zyre.js takes any
	}
	id := uuid.UUID([]byte(from.Identity[1:]))
	f.traceMessage("from", id, m.ID, int(m.Sequence))
	var p *foreignPeer
	if f.needsHello {
		p = f.acceptLikeZyre(id, &m)
	} else {
		p = f.acceptLikeZyreJS(id, &m)
	}
	if p != nil {
		f.handleMessage(p, &m)
	}
}

// acceptLikeZyre returns the peer that sent a message if the message is accepted, in the way of C zyre and pyre.
func (f *Foreign) acceptLikeZyre(id uuid.UUID, m *msg.Message) *foreignPeer {
	p := f.peers[id]
	if m.ID == msg.Hello {
		if old := p; old != nil && old.ready {
			f.remove(old)
			if f.connectsBeforeClosing {
				defer old.disconnect()
			} else {
				old.disconnect()
			}
			p = nil
		} else if old != nil && old.mailbox != nil && old.endpoint == f.endpoint {
			return nil // its own HELLO
		}
		if p == nil {
			if p = f.add(id, string(m.Hello.Endpoint)); p == nil {
				return nil
			}
			f.sendHello(p)
			f.restartTimeouts(p)
		}
		p.ready = true // also for a purged peer, which has no DEALER
		if f.helloResetsCount {
			p.received = 0
		}
	}
	if p == nil || !p.ready {
		return nil
	}
	if p.received = (p.received + 1) % f.sequenceNumbers; p.received != uint32(m.Sequence) {
		f.remove(p)
		p.disconnect()
		return nil
	}
	f.restartTimeouts(p)
	return p
}

// acceptLikeZyreJS does the same in the way of zyre.js.
func (f *Foreign) acceptLikeZyreJS(id uuid.UUID, m *msg.Message) *foreignPeer {
	p := f.peers[id]
	if p == nil && m.ID != msg.Hello {
		return nil
	}
	isNew := p == nil
	last := uint32(0)
	if !isNew {
		last = p.received
	}
	if due := (last + 1) % f.sequenceNumbers; due != uint32(m.Sequence) {
		if isNew {
			f.recordEvent(zre.Exit{Peer: &zre.Peer{UUID: id}})
			return nil
		}
		f.remove(p)
		p.disconnect()
		return nil
	}
	if isNew {
		if p = f.add(id, string(m.Hello.Endpoint)); p == nil {
			return nil
		}
	}
	p.received = uint32(m.Sequence)
	f.restartTimeouts(p)
	if isNew {
		f.sendHello(p)
	}
	return p
}

// handleMessage acts on a message that is accepted.
func (f *Foreign) handleMessage(p *foreignPeer, m *msg.Message) {
	content := m.Content
	if m.ID == msg.Whisper || m.ID == msg.Shout {
		switch {
		case len(content) == 0 && f.diesOfNoContent:
			f.wouldDie("%v without content", m.ID)
		case len(content) > 1 && f.firstFrameOnly:
			content = content[:1]
		}
	}
	switch m.ID {
	case msg.Hello:
		p.name, p.ready = string(m.Hello.Name), true
		p.headers = make(map[string]string)
		for _, h := range m.Hello.Headers {
			p.headers[string(h.Name)] = string(h.Value)
		}
		f.recordEvent(zre.Enter{Peer: p.snapshot()})
		for _, group := range m.Hello.Groups {
			f.memberJoined(p, string(group))
		}
		p.status = m.Status
	case msg.Whisper:
		f.recordEvent(zre.Whisper{Peer: p.snapshot(), Frames: content})
	case msg.Shout:
		if !f.ownGroupsOnly || slices.Contains(f.groups, string(m.Group)) {
			f.recordEvent(zre.Shout{Peer: p.snapshot(), Group: string(m.Group), Frames: content})
		}
	case msg.Ping:
		f.send(p, func(sequence uint16) [][]byte { return [][]byte{msg.AppendPingOK(nil, sequence)} })
	case msg.Join:
		f.memberJoined(p, string(m.Group))
		f.checkStatus(p, m)
	case msg.Leave:
		delete(p.groups, string(m.Group))
		p.status++
		f.recordEvent(zre.Leave{Peer: p.snapshot(), Group: string(m.Group)})
		f.checkStatus(p, m)
		if f.elects {
			f.election(string(m.Group)).memberLeft(p)
		}
	case msg.Elect, msg.Leader:
		f.handleElection(p, m)
	}
}

func (f *Foreign) memberJoined(p *foreignPeer, group string) {
	p.groups[group] = true
	p.status++
	f.recordEvent(zre.Join{Peer: p.snapshot(), Group: group})
	if f.elects {
		f.election(group).memberJoined()
	}
}

func (f *Foreign) checkStatus(p *foreignPeer, m *msg.Message) {
	if f.diesOfBadStatus && p.status != m.Status {
		f.wouldDie("%v with status %d from %s, %d was due", m.ID, m.Status, p.name, p.status)
	}
}

// restartTimeouts restarts a peer's timeouts.
func (f *Foreign) restartTimeouts(p *foreignPeer) {
	now := time.Now()
	p.evasiveAt, p.expiredAt = now.Add(f.quirks.evasive), now.Add(f.quirks.expired)
	if !f.pingsOnce {
		return
	}
	if p.evasive == nil {
		after := func(d time.Duration, at *time.Time, do func(*foreignPeer)) *time.Timer {
			return time.AfterFunc(d, func() {
				f.post(func() {
					if f.peers[p.id] == p && !time.Now().Before(*at) {
						do(p)
					}
				})
			})
		}
		p.evasive = after(f.quirks.evasive, &p.evasiveAt, f.ping)
		p.expired = after(f.quirks.expired, &p.expiredAt, f.expire)
		return
	}
	p.evasive.Reset(f.quirks.evasive)
	p.expired.Reset(f.quirks.expired)
}

// checkTimeouts checks the peers' timeouts, once a second.
func (f *Foreign) checkTimeouts() {
	if f.pingsOnce {
		return
	}
	now := time.Now()
	for _, p := range f.sortedPeers() {
		switch {
		case !now.Before(p.expiredAt):
			f.expire(p)
		case !now.Before(p.evasiveAt):
			f.ping(p)
		}
	}
}

func (f *Foreign) ping(p *foreignPeer) {
	f.send(p, func(sequence uint16) [][]byte { return [][]byte{msg.AppendPing(nil, sequence)} })
	f.recordEvent(zre.Evasive{Peer: p.snapshot()})
}

func (f *Foreign) expire(p *foreignPeer) {
	f.remove(p)
	p.disconnect()
}
