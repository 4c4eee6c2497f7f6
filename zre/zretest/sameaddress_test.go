package zretest_test

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// announce sends a beacon each second to a single host, until the test ends: other hosts are not on that network.
func (c *barePeer) announce(src, to string, port uint16) {
	c.t.Helper()
	socket, err := c.host.ListenPacket("udp4", 5670)
	if err != nil {
		c.t.Fatal(err)
	}
	octets := beacon.Beacon{UUID: c.id, Port: port, State: beacon.Unknown}.Append(nil)
	destination := beacon.Destination{Dst: netip.MustParseAddrPort(to + ":5670"), Src: netip.MustParseAddr(src), IfIndex: 2}
	var sending sync.WaitGroup
	done := make(chan struct{})
	sending.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			_ = socket.WriteTo(octets, destination)
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	c.t.Cleanup(func() {
		close(done)
		socket.Close()
		sending.Wait()
	})
}

// Our host is on two LANs, with a foreign peer at the same address and port on each. Beacons with two UUIDs come from there, in some cases
// connections too, and our connections lead to one of the two. That peer stays. The other one may be given up once, as it is unreachable.
func TestSameAddressInTwoLANs(t *testing.T) {
	runs := 20
	if underRace {
		runs = 4
	}
	for _, kind := range foreign {
		for _, test := range []struct {
			name  string
			calls bool // the peer that we cannot reach reaches us
			most  int  // maximum of its Enters and Exits
		}{
			{"it is seen alone", false, 0},
			{"it reaches us", true, 2},
		} {
			t.Run(string(kind)+"/"+test.name, func(t *testing.T) {
				zretest.Run(t, runs, func(t *testing.T, lan *zretest.LAN) {
					lan.SetLink(zretest.Link{Latency: time.Duration(lan.Rand().Int64N(int64(20 * time.Millisecond)))})
					here, far := lan.Host("10.0.0.1"), lan.Host("10.0.0.2")
					p := &pair{t: t, lan: lan, here: here, far: far}
					p.node = zretest.Start(t, here, logged(t, zre.WithName("node"))...)
					if err := p.node.Join(group); err != nil {
						t.Fatal(err)
					}
					other := newBarePeer(t, far.Process(), renewing, "10.0.0.2:50001", endpointOf(p.node))
					other.endpoint = "tcp://10.0.0.2:50000" // on the other LAN
					p.peer = zretest.NewForeign(t, far, kind, zretest.ForeignName("peer"), zretest.ForeignPort(50_000), zretest.ForeignGroups(group))
					advance(time.Second + time.Duration(lan.Rand().Int64N(int64(5*time.Second)))) // otherwise it is unknown which one our HELLO reached
					other.announce("10.0.0.2", "10.0.0.1", 50_000)
					if test.calls {
						stop := other.keepCalling(5 * time.Second)
						defer stop()
					}
					advance(2 * time.Minute)
					if enters, exits := countEntersAndExits(p.node.Seen(), p.peer.UUID()); enters != 1 || exits != 0 {
						t.Errorf("the one that we reach entered %d times and exited %d times", enters, exits)
					}
					if got := presenceEvents(p.peer.Seen()); !slices.Equal(got, []string{"Enter(node)"}) {
						t.Errorf("it saw %v", got)
					}
					if enters, exits := countEntersAndExits(p.node.Seen(), other.id); enters+exits > test.most {
						t.Errorf("the other one entered %d times and exited %d times", enters, exits)
					}
					if t.Failed() {
						t.Logf("events: %v", presenceEvents(p.node.Seen()))
					}
					p.checkCalm()
				})
			})
		}
	}
}
