package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/libzmq"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
	"github.com/go-zre/go-zre/zre"
)

const beaconPort = 5670

// A Player is a peer that does only what a script says.
type Player struct {
	host    zre.Network
	subject Subject
	id      uuid.UUID
	second  uuid.UUID // for a script with two peers
	udp     beacon.PacketConn
	to      string // the subject's mailbox, "address:port"
	local   netip.Addr
	port    uint16

	inbox    *libzmq.Acceptor
	outgoing map[string]*outgoing
	answers  atomic.Int64 // PING-OKs so far

	mu       sync.Mutex
	accepted []*incoming
	changes  int
}

// An outgoing connection is a DEALER's, to the subject.
type outgoing struct {
	conn  *zmtp.Conn
	queue *zmtp.Queue
	done  bool // we closed it
}

func newPlayer(ctx context.Context, host zre.Network, subject Subject) (*Player, error) {
	p := &Player{host: host, subject: subject, id: uuid.New(), second: uuid.New(), outgoing: make(map[string]*outgoing)}
	var err error
	if p.udp, err = host.ListenPacket("udp4", beaconPort); err != nil {
		return nil, err
	}
	if err := p.awaitBeacon(ctx); err != nil {
		p.udp.Close()
		return nil, err
	}
	_, prefix, err := p.ownInterface()
	if err == nil {
		p.local = prefix.Addr()
		err = p.listen(ctx)
	}
	if err != nil {
		p.udp.Close()
		return nil, err
	}
	return p, nil
}

// awaitBeacon learns from beacons where the subject is.
func (p *Player) awaitBeacon(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { p.udp.Close() })
	defer stop()
	b := make([]byte, 2000)
	for {
		n, from, err := p.udp.ReadFrom(b)
		if err != nil {
			return errors.Join(err, ctx.Err())
		}
		if heard, err := beacon.Parse(b[:n]); err == nil && heard.UUID == p.subject.UUID() && heard.Port != 0 {
			p.to = netip.AddrPortFrom(from.Src.Addr().Unmap(), heard.Port).String()
			return nil
		}
	}
}

// ownInterface returns the host's interface and its first IPv4 address.
func (p *Player) ownInterface() (index int, prefix netip.Prefix, err error) {
	all, err := p.host.Interfaces()
	for _, i := range all {
		for _, a := range i.Addrs {
			if i.Flags&net.FlagLoopback == 0 && a.Addr().Is4() {
				return i.Index, a, nil
			}
		}
	}
	return 0, netip.Prefix{}, errors.Join(err, errors.New("script: the host has no interface with IPv4"))
}

// endpoint is the endpoint in its HELLOs.
func (p *Player) endpoint() string { return "tcp://" + netip.AddrPortFrom(p.local, p.port).String() }

// listen makes a ROUTER that reads all its connections, at the port that it had before.
func (p *Player) listen(ctx context.Context) error {
	l, err := p.host.Listen(ctx, "tcp", netip.AddrPortFrom(p.local, p.port).String())
	if err != nil {
		return err
	}
	p.port = netip.MustParseAddrPort(l.Addr().String()).Port()
	p.inbox = libzmq.Accept(l, func(c *zmtp.Conn) (zmtp.Receiver, error) {
		if own := p.subject.UUID(); string(c.Identity()) != "\x01"+string(own[:]) {
			return nil, errors.New("script: another node heard the Player's beacon")
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		in := &incoming{player: p, conn: c, first: -1}
		p.accepted = append(p.accepted, in)
		p.changes++
		return in, nil
	})
	return nil
}

// stopListening closes the ROUTER with all its connections.
func (p *Player) stopListening() {
	p.closeAccepted()
	p.inbox.Close()
}

// closeAccepted closes the connections that the subject made.
func (p *Player) closeAccepted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, in := range p.accepted {
		if !in.ended {
			in.dropped = true
			in.conn.Close(nil)
		}
	}
}

func (p *Player) close() {
	for _, o := range p.outgoing {
		o.conn.Close(nil)
	}
	p.closeAccepted()
	p.inbox.Close()
	_ = p.udp.Close()
}

// waitUntilQuiet waits until nothing has happened for a while.
func (p *Player) waitUntilQuiet(ctx context.Context) error {
	for now := p.activity(); ; {
		select {
		case <-time.After(quietTime):
		case <-ctx.Done():
			return ctx.Err()
		}
		before := now
		if now = p.activity(); now == before {
			return nil
		}
	}
}

func (p *Player) activity() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changes + len(p.subject.Events(p.id)) + len(p.subject.Events(p.second))
}

// connections returns how many the subject made.
func (p *Player) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.accepted)
}

// outcome returns the outcome so far.
func (p *Player) outcome() (o Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, in := range p.accepted {
		o.Connections = append(o.Connections, in.String())
	}
	events := p.subject.Events(p.id)
	if more := p.subject.Events(p.second); len(more) > 0 {
		events = append(append(events, "second"), more...)
	}
	o.Events = strings.Join(events, " ")
	return o
}

// unexpectedClose returns an error if the subject closed a connection of ours: none of the implementations does that.
func (p *Player) unexpectedClose() error {
	for name, o := range p.outgoing {
		if err := o.conn.Err(); err != nil && !o.done {
			return fmt.Errorf("script: the subject ended our connection %s: %w", name, err)
		}
	}
	return nil
}

// An incoming connection is one of the subject's DEALERs.
type incoming struct {
	player   *Player
	conn     *zmtp.Conn
	received []string
	first    int  // number of the first of several PING-OKs in a row, -1 for none
	last     int  // and of the last
	dropped  bool // by us
	ended    bool
}

// Receive implements zmtp.Receiver.
func (in *incoming) Receive(frames [][]byte) error {
	var m msg.Message
	text := ""
	if err := m.Decode(frames, msg.DefaultLimits()); err != nil {
		text = err.Error()
	} else {
		text = fmt.Sprintf("%v %d", m.ID, m.Sequence)
	}
	in.player.mu.Lock()
	defer in.player.mu.Unlock()
	in.player.changes++
	last := len(in.received) - 1
	switch {
	case m.ID == msg.Ping && last >= 0 && strings.HasPrefix(in.received[last], "PING"):
		in.received[last] = "PINGs"
	case m.ID == msg.Ping:
		in.received = append(in.received, "PING")
	case m.ID == msg.PingOK:
		in.player.answers.Add(1)
		if in.last++; in.first < 0 || in.last != int(m.Sequence) {
			in.first, in.last = int(m.Sequence), int(m.Sequence)
			in.received = append(in.received, text)
		} else {
			in.received[last] = fmt.Sprintf("PING-OK %d to %d", in.first, in.last)
		}
	default:
		in.received = append(in.received, text)
	}
	if m.ID != msg.PingOK {
		in.first = -1
	}
	return nil
}

// Closed implements zmtp.Receiver.
func (in *incoming) Closed(error) {
	in.player.mu.Lock()
	defer in.player.mu.Unlock()
	in.ended = true
	in.player.changes++
}

func (in *incoming) String() string {
	said := slices.Clone(in.received)
	switch {
	case in.dropped:
		said = append(said, "dropped")
	case in.ended:
		said = append(said, "closed")
	}
	return strings.Join(said, ", ")
}
