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

// sorted returns the peers in UUID order.
func (f *Foreign) sorted() []*foreignPeer {
	return slices.SortedFunc(maps.Values(f.peers), func(a, b *foreignPeer) int { return bytes.Compare(a.id[:], b.id[:]) })
}

// heard handles a datagram.
func (f *Foreign) heard(octets string, from beacon.Origin) {
	_, card, ok := f.card()
	switch {
	case !strings.HasPrefix(octets, "ZRE"), octets == string(f.beacon(f.port)), !ok,
		f.hears == ownBroadcast && from.Dst != broadcast(card), f.hears == ownSubnet && !card.Contains(from.Src.Addr()):
		return
	}
	if f.strictBeacons && len(octets) != 22 {
		f.dies("a beacon of %d octets", len(octets))
	}
	b, err := beacon.Parse([]byte(octets))
	if err != nil || len(octets) != 22 {
		return
	}
	id := uuid.UUID(b.UUID)
	p := f.peers[id]
	if b.Port == 0 {
		if p != nil {
			f.remove(p)
			p.drop()
		}
		return
	}
	if p == nil {
		if p = f.add(id, "tcp://"+netip.AddrPortFrom(from.Src.Addr(), b.Port).String()); p == nil {
			return
		}
		f.greet(p)
		f.refresh(p)
	} else if f.beaconsCount {
		f.refresh(p)
	}
}

// add makes a peer, with a DEALER to it that has sent nothing yet.
func (f *Foreign) add(id uuid.UUID, endpoint string) *foreignPeer {
	if f.purge != keeps {
		for _, p := range f.sorted() {
			if p.mailbox != nil && p.endpoint == endpoint {
				if f.purge == removes {
					f.remove(p)
				}
				p.drop()
			}
		}
	}
	p := &foreignPeer{id: id, endpoint: endpoint, groups: make(map[string]bool)}
	to, ok := strings.CutPrefix(endpoint, "tcp://")
	if _, err := netip.ParseAddrPort(to); !ok || err != nil {
		if f.goodEndpoints {
			f.dies("endpoint %q", endpoint)
		}
		return nil
	}
	f.peers[id] = p
	p.mailbox = libzmq.Connect(func(ctx context.Context) (net.Conn, error) { return f.host.Dial(ctx, "tcp", to) },
		slices.Concat([]byte{1}, f.id[:]), f.host.Int64N, &f.running)
	return p
}

// greet sends HELLO.
func (f *Foreign) greet(p *foreignPeer) {
	hello := msg.OutHello{Endpoint: f.endpoint, Groups: f.groups, Status: uint8(f.status), Name: f.name, Headers: f.headers}
	f.send(p, func(sequence uint16) [][]byte {
		frame, err := msg.AppendHello(nil, sequence, &hello, msg.Limits{})
		return f.good(frame, err)
	})
}

// send numbers a message and passes it to the DEALER, if there is one.
func (f *Foreign) send(p *foreignPeer, message func(sequence uint16) [][]byte) bool {
	if p.mailbox == nil {
		return false
	}
	next := (p.sent + 1) % f.wrap
	frames := message(uint16(next))
	if len(frames[0]) == 0 {
		return false // it cannot be encoded, see good
	}
	p.sent = next
	f.traceMessage("to "+p.endpoint, p.id, msg.ID(frames[0][2]), int(next))
	if !p.mailbox.Send(frames, f.highWater) {
		p.drop()
		return false
	}
	return true
}

// remove forgets a peer and tells the application. The caller drops its DEALER.
func (f *Foreign) remove(p *foreignPeer) {
	f.saw(zre.Exit{Peer: p.told()})
	if f.elects {
		for _, group := range slices.Sorted(maps.Keys(p.groups)) {
			f.election(group).exits(p)
		}
	}
	delete(f.peers, p.id)
	p.stopTimers()
}

// drop closes the DEALER. The peer is then disconnected and has no session.
func (p *foreignPeer) drop() {
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

// dropAll closes all DEALERs, as at the end of the node.
func (f *Foreign) dropAll() {
	for _, p := range f.peers {
		p.stopTimers()
		p.drop()
	}
	clear(f.peers)
}

// told returns the application's view of a peer.
func (p *foreignPeer) told() *zre.Peer {
	return &zre.Peer{
		UUID: p.id, Name: p.name, Endpoint: p.endpoint, Headers: p.headers, Groups: slices.Sorted(maps.Keys(p.groups)),
		Transport: "tcp", State: zre.StateUnknown,
	}
}

// received handles a message that came to the ROUTER.
func (f *Foreign) received(from *libzmq.Sender, frames [][]byte) {
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
	if f.greetsFirst {
		p = f.strictly(id, &m)
	} else {
		p = f.loosely(id, &m)
	}
	if p != nil {
		f.handle(p, &m)
	}
}

// strictly returns the peer that sent a message if the message is accepted, in the way of C zyre and pyre.
func (f *Foreign) strictly(id uuid.UUID, m *msg.Message) *foreignPeer {
	p := f.peers[id]
	if m.ID == msg.Hello {
		if old := p; old != nil && old.ready {
			f.remove(old)
			if f.opensFirst {
				defer old.drop()
			} else {
				old.drop()
			}
			p = nil
		} else if old != nil && old.mailbox != nil && old.endpoint == f.endpoint {
			return nil // its own HELLO
		}
		if p == nil {
			if p = f.add(id, string(m.Hello.Endpoint)); p == nil {
				return nil
			}
			f.greet(p)
			f.refresh(p)
		}
		p.ready = true // also for a purged peer, which has no DEALER
		if f.countsFromHello {
			p.received = 0
		}
	}
	if p == nil || !p.ready {
		return nil
	}
	if p.received = (p.received + 1) % f.wrap; p.received != uint32(m.Sequence) {
		f.remove(p)
		p.drop()
		return nil
	}
	f.refresh(p)
	return p
}

// loosely does the same in the way of zyre.js.
func (f *Foreign) loosely(id uuid.UUID, m *msg.Message) *foreignPeer {
	p := f.peers[id]
	if p == nil && m.ID != msg.Hello {
		return nil
	}
	isNew := p == nil
	last := uint32(0)
	if !isNew {
		last = p.received
	}
	if due := (last + 1) % f.wrap; due != uint32(m.Sequence) {
		if isNew {
			f.saw(zre.Exit{Peer: &zre.Peer{UUID: id}})
			return nil
		}
		f.remove(p)
		p.drop()
		return nil
	}
	if isNew {
		if p = f.add(id, string(m.Hello.Endpoint)); p == nil {
			return nil
		}
	}
	p.received = uint32(m.Sequence)
	f.refresh(p)
	if isNew {
		f.greet(p)
	}
	return p
}

// handle acts on a message.
func (f *Foreign) handle(p *foreignPeer, m *msg.Message) {
	content := m.Content
	if m.ID == msg.Whisper || m.ID == msg.Shout {
		switch {
		case len(content) == 0 && f.needsContent:
			f.dies("%v without content", m.ID)
		case len(content) > 1 && f.oneFrame:
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
		f.saw(zre.Enter{Peer: p.told()})
		for _, group := range m.Hello.Groups {
			f.joined(p, string(group))
		}
		p.status = m.Status
	case msg.Whisper:
		f.saw(zre.Whisper{Peer: p.told(), Frames: content})
	case msg.Shout:
		if !f.ownGroups || slices.Contains(f.groups, string(m.Group)) {
			f.saw(zre.Shout{Peer: p.told(), Group: string(m.Group), Frames: content})
		}
	case msg.Ping:
		f.send(p, func(sequence uint16) [][]byte { return [][]byte{msg.AppendPingOK(nil, sequence)} })
	case msg.Join:
		f.joined(p, string(m.Group))
		f.checkStatus(p, m)
	case msg.Leave:
		delete(p.groups, string(m.Group))
		p.status++
		f.saw(zre.Leave{Peer: p.told(), Group: string(m.Group)})
		f.checkStatus(p, m)
		if f.elects {
			f.election(string(m.Group)).left(p)
		}
	case msg.Elect, msg.Leader:
		f.elected(p, m)
	}
}

func (f *Foreign) joined(p *foreignPeer, group string) {
	p.groups[group] = true
	p.status++
	f.saw(zre.Join{Peer: p.told(), Group: group})
	if f.elects {
		f.election(group).joined()
	}
}

func (f *Foreign) checkStatus(p *foreignPeer, m *msg.Message) {
	if f.strictStatus && p.status != m.Status {
		f.dies("%v with status %d from %s, %d was due", m.ID, m.Status, p.name, p.status)
	}
}

// refresh restarts a peer's timeouts.
func (f *Foreign) refresh(p *foreignPeer) {
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

// reap checks the peers' timeouts, once a second.
func (f *Foreign) reap() {
	if f.pingsOnce {
		return
	}
	now := time.Now()
	for _, p := range f.sorted() {
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
	f.saw(zre.Evasive{Peer: p.told()})
}

func (f *Foreign) expire(p *foreignPeer) {
	f.remove(p)
	p.drop()
}
