package zretest_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A peer whose process ends without a farewell has crashed: its machine refuses connections to it.
func TestCrashIsReportedAtOnce(t *testing.T) {
	const soon = 100 * time.Millisecond
	for _, latency := range []time.Duration{200 * time.Microsecond, time.Millisecond, 20 * time.Millisecond} {
		for _, kind := range foreign {
			t.Run(fmt.Sprintf("%s/%v", kind, latency), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					lan := zretest.NewLAN(t)
					lan.SetLink(zretest.Link{Latency: latency})
					p := newPair(t, lan, kind)
					crashed := time.Now()
					p.far.Kill()
					expectExit(t, p.node, p.peer.UUID(), zre.ReasonCrashed, crashed, 0, soon)
				})
			})
		}
		t.Run(fmt.Sprintf("ours/%v", latency), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lan := zretest.NewLAN(t)
				lan.SetLink(zretest.Link{Latency: latency})
				node, far := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("node")), lan.Host("10.0.0.2")
				peer := zretest.Start(t, far, zre.WithName("peer"))
				zretest.Next[zre.Enter](node)
				advance(30 * time.Second)
				crashed := time.Now()
				far.Kill()
				expectExit(t, node, peer.UUID(), zre.ReasonCrashed, crashed, 0, soon)
			})
		})
	}
}

// countEntersAndExits counts the Enters and Exits of a peer.
func countEntersAndExits(events []zre.Event, id uuid.UUID) (enters, exits int) {
	for _, e := range events {
		if e.From().UUID != id {
			continue
		}
		switch e.(type) {
		case zre.Enter:
			enters++
		case zre.Exit:
			exits++
		}
	}
	return enters, exits
}

// A device loses power and is soon back at its address and port with another UUID. The dead node exits once. The new node enters once and
// stays.
func TestShortPowerCut(t *testing.T) {
	runs := 40
	if underRace {
		runs = 6
	}
	for _, kind := range foreign {
		for _, away := range []time.Duration{500 * time.Millisecond, 3 * time.Second, 10 * time.Second, 25 * time.Second} {
			t.Run(fmt.Sprintf("%s/%v", kind, away), func(t *testing.T) {
				zretest.Run(t, runs, func(t *testing.T, lan *zretest.LAN) {
					lan.SetLink(zretest.Link{Latency: time.Duration(lan.Rand().Int64N(int64(20 * time.Millisecond)))})
					p := newPair(t, lan, kind)
					advance(time.Duration(lan.Rand().Int64N(int64(10 * time.Second))))
					if lan.Rand().IntN(2) == 0 { // TCP waits for acknowledgements of the dead node
						p.far.Crash()
						if err := p.node.Shout(t.Context(), group, []byte("in vain")); err != nil {
							t.Error(err)
						}
					} else {
						p.far.Crash()
					}
					dead := p.peer
					dead.Kill()
					time.Sleep(away)
					p.far.Boot()
					p.far = p.far.Process()
					p.peer = zretest.NewForeign(t, p.far, kind, zretest.ForeignName("newcomer"), zretest.ForeignPort(50_000),
						zretest.ForeignGroups(group))
					advance(100 * time.Second)
					if enters, exits := countEntersAndExits(p.node.Seen(), dead.UUID()); enters != 1 || exits != 1 {
						t.Errorf("the dead peer entered %d times and exited %d times", enters, exits)
					}
					if enters, exits := countEntersAndExits(p.node.Seen(), p.peer.UUID()); enters != 1 || exits != 0 {
						t.Errorf("the newcomer entered %d times and exited %d times", enters, exits)
					}
					if t.Failed() {
						t.Logf("events: %v", p.since(0))
					}
					p.checkMessages()
				})
			})
		}
	}
}

// The power of a site is cut. Its devices come back with each other's addresses and new UUIDs. Each new node enters once and stays, and
// shouts reach all of them once the network is calm.
func TestAddressesPermuted(t *testing.T) {
	const devices, shouts = 5, 60
	runs := 60
	if underRace {
		runs = 8
	}
	zretest.Run(t, runs, func(t *testing.T, lan *zretest.LAN) {
		r := lan.Rand()
		lan.SetLink(zretest.Link{Latency: time.Duration(r.Int64N(int64(20 * time.Millisecond)))})
		node := zretest.Start(t, lan.Host("10.0.0.1"), logged(t, zre.WithName("node"))...)
		if err := node.Join(group); err != nil {
			t.Fatal(err)
		}
		hosts, peers := make([]*zretest.Host, devices), make([]*zretest.Foreign, devices)
		boot := func(name string) {
			for at, number := range r.Perm(devices) {
				hosts[at] = hosts[at].Process()
				peers[number] = zretest.NewForeign(t, hosts[at], zretest.Zyre, zretest.ForeignName(fmt.Sprint(name, number)), zretest.ForeignGroups(group))
				time.Sleep(time.Duration(r.Int64N(int64(2 * time.Second))))
			}
		}
		for at := range hosts {
			hosts[at] = lan.Host(fmt.Sprintf("10.0.0.%d", 2+at))
		}
		boot("old")
		advance(time.Minute)
		old := slices.Clone(peers)
		for at := range hosts {
			hosts[at].Crash()
			peers[at].Kill()
		}
		time.Sleep(time.Duration(r.Int64N(int64(28 * time.Second))))
		for at := range hosts {
			hosts[at].Boot()
		}
		boot("new")
		advance(time.Minute)
		for _, peer := range old {
			if enters, exits := countEntersAndExits(node.Seen(), peer.UUID()); enters != 1 || exits != 1 {
				t.Errorf("the dead peer %s entered %d times and exited %d times", peer.Name(), enters, exits)
			}
		}
		for i := range shouts {
			if err := node.Shout(t.Context(), group, zretest.Number(uint64(i))); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		for _, peer := range peers {
			if enters, exits := countEntersAndExits(node.Seen(), peer.UUID()); enters != 1 || exits != 0 {
				t.Errorf("%s entered %d times and exited %d times", peer.Name(), enters, exits)
			}
			if got := len(textsOf(peer.Seen(), node.UUID())); got != shouts {
				t.Errorf("%s got %d of %d shouts", peer.Name(), got, shouts)
			}
		}
		if t.Failed() {
			t.Logf("events: %v", presenceEvents(node.Seen()))
		}
	})
}
