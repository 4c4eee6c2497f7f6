package testbed

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// stream sends numbered datagrams from one host to another.
type stream struct {
	from, to net.PacketConn
	address  *net.UDPAddr
}

func newStream(t *testing.T, from, to *Host) stream {
	t.Helper()
	return stream{
		from: listen(t, from, from.Addr.String()+":0"), to: listen(t, to, "0.0.0.0:5000"),
		address: net.UDPAddrFromAddrPort(netip.AddrPortFrom(to.Addr, 5000)),
	}
}

func (s stream) send(t *testing.T, number uint32) {
	t.Helper()
	if _, err := s.from.WriteTo(binary.BigEndian.AppendUint32(nil, number), s.address); err != nil {
		t.Fatal(err)
	}
}

// receive returns the number of the next datagram, or false if none comes in time.
func (s stream) receive(t *testing.T, within time.Duration) (uint32, bool) {
	t.Helper()
	buffer := make([]byte, 100)
	_ = s.to.SetReadDeadline(time.Now().Add(within))
	n, _, err := s.to.ReadFrom(buffer)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, false
	}
	if err != nil || n != 4 {
		t.Fatalf("%d octets, %v", n, err)
	}
	return binary.BigEndian.Uint32(buffer), true
}

// measure sends datagrams in rounds and returns what arrived, in order. The last of each round is repeated until it arrives.
func (s stream) measure(t *testing.T, rounds, size uint32) (heard []uint32) {
	t.Helper()
	number, deadline := uint32(0), time.Now().Add(Patience)
	for range rounds {
		for range size {
			s.send(t, number)
			number++
		}
		for last, come := number, false; !come; number = last + 1 {
			if time.Now().After(deadline) {
				t.Fatalf("nothing passes: %d of %d datagrams came", len(heard), number)
			}
			s.send(t, last)
			for !come {
				got, ok := s.receive(t, 100*time.Millisecond)
				if !ok {
					break
				}
				come = got == last
				heard = append(heard, got)
			}
		}
	}
	return heard
}

// story counts what numbers show in the order of their arrival.
type story struct{ different, twice, overtaken int }

func tell(heard []uint32) (s story) {
	seen, highest := make(map[uint32]bool), uint32(0)
	for _, n := range heard {
		switch {
		case seen[n]:
			s.twice++
		case n < highest:
			s.overtaken++
			fallthrough
		default:
			s.different++
		}
		seen[n], highest = true, max(highest, n)
	}
	return s
}

func TestWire(t *testing.T) {
	const rounds, size = 20, 50
	const all = rounds * (size + 1)
	for _, test := range []struct {
		name      string
		trouble   Trouble
		different [2]int // from, to
		twice     [2]int
		overtaken [2]int
	}{
		{"well", Trouble{}, [2]int{all, all}, [2]int{0, 0}, [2]int{0, 0}},
		{"loss", Trouble{Loss: 0.3}, [2]int{all * 60 / 100, all * 80 / 100}, [2]int{0, 20}, [2]int{0, 0}}, // the last of a round is said twice or more
		{"duplicate", Trouble{Duplicate: 0.3}, [2]int{all, all}, [2]int{all * 20 / 100, all * 40 / 100}, [2]int{0, 0}},
		{"reorder", Trouble{Reorder: 0.1}, [2]int{all * 80 / 100, all}, [2]int{0, 50}, [2]int{all * 5 / 100, all * 15 / 100}}, // measure forgets what is overtaken by the end
		{"jitter", Trouble{Delay: time.Millisecond, Jitter: 10 * time.Millisecond}, [2]int{all, all}, [2]int{0, 0}, [2]int{0, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			lan := NewLAN(t, "")
			near := lan.Host("near")
			far, wire := lan.WiredHost("far", 1)
			for _, h := range []*Host{near, far} {
				h.NoIPv6() // whose own frames would change the draws
			}
			for name, s := range map[string]stream{"in": newStream(t, near, far), "out": newStream(t, far, near)} {
				wire.Set(Trouble{})
				s.measure(t, 1, 1) // the hosts know each other's Ethernet addresses from here on
				wire.Set(test.trouble)
				got := tell(s.measure(t, rounds, size))
				within := func(what string, n int, bounds [2]int) {
					if n < bounds[0] || n > bounds[1] {
						t.Errorf("%s: of %d datagrams %d were %s, want %v", name, all, n, what, bounds)
					}
				}
				within("received", got.different, test.different)
				within("received twice", got.twice, test.twice)
				within("overtaken", got.overtaken, test.overtaken)
			}
		})
	}
}

func TestWireDelays(t *testing.T) {
	lan := NewLAN(t, "")
	near := lan.Host("near")
	far, wire := lan.WiredHost("far", 1)
	for name, s := range map[string]stream{"in": newStream(t, near, far), "out": newStream(t, far, near)} {
		wire.Set(Trouble{})
		s.measure(t, 1, 1)
		const delay = 100 * time.Millisecond
		wire.Set(Trouble{Delay: delay})
		began := time.Now()
		s.send(t, 7)
		if _, ok := s.receive(t, Patience); !ok {
			t.Fatalf("%s: nothing came", name)
		}
		if took := time.Since(began); took < delay {
			t.Errorf("%s: a datagram that is delayed by %v came after %v", name, delay, took)
		}
	}
}

// A wire may be blocked one way; the other way stays open.
func TestWireBlocks(t *testing.T) {
	lan := NewLAN(t, "")
	near := lan.Host("near")
	far, wire := lan.WiredHost("far", 1)
	in, out := newStream(t, near, far), newStream(t, far, near)
	const silence = 200 * time.Millisecond
	for _, test := range []struct{ out, in bool }{{true, false}, {false, true}, {true, true}, {false, false}} {
		wire.Block(false, false)
		in.measure(t, 1, 1)
		out.measure(t, 1, 1)
		wire.Block(test.out, test.in)
		in.send(t, 7)
		out.send(t, 7)
		if _, ok := in.receive(t, map[bool]time.Duration{true: silence, false: Patience}[test.in]); ok == test.in {
			t.Errorf("Block(%v, %v): a datagram to the host: %v", test.out, test.in, ok)
		}
		if _, ok := out.receive(t, map[bool]time.Duration{true: silence, false: Patience}[test.out]); ok == test.out {
			t.Errorf("Block(%v, %v): a datagram from the host: %v", test.out, test.in, ok)
		}
	}
}

// Link, Cable and addresses work on a wired host as on any.
func TestWiredHost(t *testing.T) {
	lan := NewLAN(t, "")
	near := lan.Host("near")
	far, _ := lan.WiredHost("far", 1)
	out := newStream(t, far, near)
	out.measure(t, 1, 1)
	far.Cable(false)
	if carrier(t, far) {
		t.Error("pulling the cable left the carrier on")
	}
	far.Cable(true)
	far.Link(false)
	far.Link(true)
	out.measure(t, 1, 1)

	old, second, third := far.Addr, lan.Address(), lan.Address()
	far.Readdress(third)
	far.AddAddress(second)
	if far.Addr != third.Addr() || far.Addr == old {
		t.Errorf("readdressed from %v to %v, want %v", old, far.Addr, third)
	}
	for _, addr := range []netip.Addr{second.Addr(), third.Addr()} {
		listen(t, far, addr.String()+":5001")
	}
	if err := far.Do(func() error {
		conn, err := net.ListenPacket("udp4", old.String()+":5001")
		if err == nil {
			conn.Close()
			return errors.New("the old address is still there")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
