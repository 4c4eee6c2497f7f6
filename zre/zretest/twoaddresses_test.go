package zretest_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// forward forwards an address of a host to another address, like a port mapping of a router.
func forward(t testing.TB, host *zretest.Host, from, to string) {
	t.Helper()
	l, err := host.Listen(t.Context(), "tcp", from)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := host.Dial(t.Context(), "tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				running.Go(func() {
					_, _ = io.Copy(way[1], way[0])
					in.Close()
					out.Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		host.ResetConnections()
		running.Wait()
	})
}

// Two addresses of one foreign peer are given. It enters, and exits and enters at most once more. We enter there at most twice, and there
// are no further sessions.
func TestTwoAddressesOfOnePeer(t *testing.T) {
	runs := 20
	if underRace {
		runs = 4
	}
	for _, kind := range foreign {
		for _, beacons := range []bool{false, true} {
			for _, nodeFirst := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/beacons %v/node first %v", kind, beacons, nodeFirst), func(t *testing.T) {
					zretest.Run(t, runs, func(t *testing.T, lan *zretest.LAN) {
						lan.SetLink(zretest.Link{Latency: time.Duration(lan.Rand().Int64N(int64(20 * time.Millisecond)))})
						p := &pair{t: t, lan: lan, here: lan.Host("10.0.0.1", "10.1.0.1"), far: lan.Host("10.0.0.2", "10.1.0.2")}
						addresses := []string{"tcp://10.0.0.2:50000", "tcp://10.1.0.2:50000"}
						if lan.Rand().IntN(2) == 0 {
							slices.Reverse(addresses)
						}
						options := logged(t, zre.WithName("node"), zre.WithPeers(addresses...))
						if !beacons {
							options = append(options, zre.WithBeaconPort(1001))
						}
						start := func() {
							p.node = zretest.Start(t, p.here, options...)
							if err := p.node.Join(group); err != nil {
								t.Fatal(err)
							}
						}
						if nodeFirst {
							start()
							time.Sleep(time.Duration(lan.Rand().Int64N(int64(10 * time.Second))))
						}
						p.peer = zretest.NewForeign(t, p.far, kind, zretest.ForeignName("peer"), zretest.ForeignPort(50_000), zretest.ForeignGroups(group))
						if kind != zretest.Pyre { // pyre listens there itself
							forward(t, p.far.Process(), "10.1.0.2:50000", "10.0.0.2:50000")
						}
						if !nodeFirst {
							time.Sleep(time.Duration(lan.Rand().Int64N(int64(10 * time.Second))))
							start()
						}
						advance(time.Minute)
						if got := p.since(0); len(got) == 0 || len(got) > 3 {
							t.Errorf("events: %v", got)
						}
						most := 2
						if beacons { // its answer may be in transit together with a HELLO to the second address
							most = 3
						}
						if enters, _ := countEntersAndExits(p.peer.Seen(), p.node.UUID()); enters < 1 || enters > most {
							t.Errorf("the peer saw: %v", presenceEvents(p.peer.Seen()))
						}
						before := p.seen()
						advance(time.Hour)
						if late := p.since(before); len(late) > 0 {
							t.Errorf("%d enters and exits in the hour after: %s", len(late), strings.Join(late[:min(len(late), 6)], ", "))
						}
						p.checkMessages()
					})
				})
			}
		}
	}
}
