package conformance

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// open makes a connection to the subject, with the Player's identity, and sends nothing on it.
func open(name string) Step {
	return Step{"open " + name, func(ctx context.Context, p *Player) error { return p.open(ctx, name, p.id) }}
}

// openSecond is open with the second UUID.
func openSecond(name string) Step {
	return Step{"open " + name, func(ctx context.Context, p *Player) error { return p.open(ctx, name, p.second) }}
}

func (p *Player) open(ctx context.Context, name string, id uuid.UUID) error {
	nc, err := p.host.Dial(ctx, "tcp", p.to)
	if err != nil {
		return err
	}
	o := &outgoing{queue: zmtp.NewQueue(1000, 1<<20)}
	if o.conn, err = zmtp.Open(ctx, nc, zmtp.Config{Identity: append([]byte{1}, id[:]...)}, o.queue, nil, discard{}); err != nil {
		return err
	}
	p.outgoing[name] = o
	if identity := o.conn.Identity(); len(identity) > 0 {
		return fmt.Errorf("its ROUTER has the identity %x: none of the implementations gives it one", identity)
	}
	return nil
}

type discard struct{}

func (discard) Receive([][]byte) error { return nil }
func (discard) Closed(error)           {}

// hello sends HELLO on a connection.
func hello(name string) Step {
	return Step{"HELLO on " + name, func(ctx context.Context, p *Player) error {
		out := msg.OutHello{Endpoint: p.endpoint(), Name: "player"}
		frame, err := msg.AppendHello(nil, 1, &out, msg.Limits{})
		if err != nil {
			return err
		}
		return p.push(ctx, name, frame)
	}}
}

// openAndHello opens a connection and sends HELLO.
func openAndHello(name string) Step { return together(open(name), hello(name)) }

// together does two steps without a pause between them.
func together(a, b Step) Step {
	return Step{a.what + ", " + b.what, func(ctx context.Context, p *Player) error {
		if err := a.do(ctx, p); err != nil {
			return err
		}
		return b.do(ctx, p)
	}}
}

// ping sends PING with a sequence number.
func ping(name string, sequence uint16) Step {
	return Step{fmt.Sprintf("PING %d on %s", sequence, name), func(ctx context.Context, p *Player) error {
		return p.push(ctx, name, msg.AppendPing(nil, sequence))
	}}
}

// pings sends PING with each sequence number from first to last, some at a time, and waits for the answers.
func pings(name string, first, last uint16) Step {
	const batch = 200 // far below the high-water mark of any
	return Step{fmt.Sprintf("PING %d to %d on %s", first, last, name), func(ctx context.Context, p *Player) error {
		for at := int(first); at <= int(last); {
			goal := p.answers.Load()
			for range min(batch, int(last)-at+1) {
				if err := p.outgoing[name].queue.Push(msg.AppendPing(nil, uint16(at))); err != nil {
					return err
				}
				at++
				goal++
			}
			for p.answers.Load() < goal {
				select {
				case <-time.After(time.Millisecond):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		return nil
	}}
}

// whisper sends WHISPER with a sequence number.
func whisper(name string, sequence uint16) Step {
	return Step{fmt.Sprintf("WHISPER %d on %s", sequence, name), func(ctx context.Context, p *Player) error {
		return p.push(ctx, name, msg.AppendWhisper(nil, sequence), []byte("content"))
	}}
}

// join sends JOIN, and leave sends LEAVE.
func join(name string, sequence uint16, status uint8) Step {
	return Step{fmt.Sprintf("JOIN %d on %s", sequence, name), func(ctx context.Context, p *Player) error {
		frame, err := msg.AppendJoin(nil, sequence, "G", status)
		if err != nil {
			return err
		}
		return p.push(ctx, name, frame)
	}}
}

func leave(name string, sequence uint16, status uint8) Step {
	return Step{fmt.Sprintf("LEAVE %d on %s", sequence, name), func(ctx context.Context, p *Player) error {
		frame, err := msg.AppendLeave(nil, sequence, "G", status)
		if err != nil {
			return err
		}
		return p.push(ctx, name, frame)
	}}
}

func (p *Player) push(ctx context.Context, name string, frames ...[]byte) error {
	o := p.outgoing[name]
	if err := o.queue.Push(frames...); err != nil {
		return err
	}
	return o.queue.Flush(ctx)
}

// closeConn closes a connection of ours.
func closeConn(name string) Step {
	return Step{"close " + name, func(_ context.Context, p *Player) error {
		o := p.outgoing[name]
		o.done = true
		o.conn.Close(nil)
		return nil
	}}
}

// closeIncoming closes the connections that the subject made.
var closeIncoming = Step{"close the subject's connections", func(_ context.Context, p *Player) error {
	p.closeAccepted()
	return nil
}}

// stopListening closes those and stops listening; listenAgain undoes that.
var stopListening = Step{"stop listening", func(_ context.Context, p *Player) error {
	p.stopListening()
	return nil
}}

var listenAgain = Step{"listen again", func(ctx context.Context, p *Player) error { return p.listen(ctx) }}

// sendBeacon broadcasts a beacon; sendFarewell one with port 0.
var sendBeacon = Step{"a beacon", func(_ context.Context, p *Player) error { return p.sendBeacon(p.id, p.port) }}

var sendFarewell = Step{"a farewell", func(_ context.Context, p *Player) error { return p.sendBeacon(p.id, 0) }}

func (p *Player) sendBeacon(id uuid.UUID, port uint16) error {
	index, prefix, err := p.ownInterface()
	if err != nil {
		return err
	}
	to := beacon.Destination{Dst: netip.AddrPortFrom(broadcast(prefix), beaconPort), Src: prefix.Addr(), IfIndex: index}
	return p.udp.WriteTo(beacon.Beacon{UUID: id, Port: port, State: beacon.Unknown}.Append(nil), to)
}

// broadcast returns the broadcast address of a subnet of IPv4.
func broadcast(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(a)
}

// subjectWhispers makes the subject whisper to the Player.
func subjectWhispers(text string) Step {
	return Step{"the subject says " + text, func(_ context.Context, p *Player) error { return p.subject.Whisper(p.id, text) }}
}

// wait lets time pass; with beacons, it sends one a second, and ends when the subject has connected a second time.
func wait(d time.Duration, beacons bool) Step {
	return Step{fmt.Sprint("wait ", d), func(ctx context.Context, p *Player) error {
		for end := time.Now().Add(d); time.Now().Before(end); {
			if beacons {
				if p.connections() > 1 {
					return nil
				}
				if err := p.sendBeacon(p.id, p.port); err != nil {
					return err
				}
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}}
}
