package zretest_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// filteredDials is a host whose firewall, while it is up, allows incoming connections and no outgoing ones.
type filteredDials struct {
	*zretest.Host
	up *atomic.Bool
}

func newFilteredDials(h *zretest.Host) filteredDials {
	up := new(atomic.Bool)
	up.Store(true)
	return filteredDials{h, up}
}

func (w filteredDials) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if w.up.Load() {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.EHOSTUNREACH}
	}
	return w.Host.Dial(ctx, network, address)
}

// exitReasons lists the reasons of a peer's Exits.
func exitReasons(w *zretest.Watched) (list []string) {
	for _, event := range w.Seen() {
		if e, ok := event.(zre.Exit); ok {
			list = append(list, e.Reason.String())
		}
	}
	return list
}

// A peer that sends us HELLO and that we cannot connect to exits as unreachable, and the application learns the reason. It enters again
// only when we can connect.
func TestExitOfUnreachablePeer(t *testing.T) {
	for _, kind := range foreign {
		t.Run(string(kind), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				host := newFilteredDials(lan.Host("10.0.0.1"))
				a := zretest.Start(t, host)
				zretest.NewForeign(t, lan.Host("10.0.0.2"), kind)
				entered := zretest.Next[zre.Enter](a)
				began := time.Now()
				exit := zretest.Next[zre.Exit](a)
				if exit.Reason != zre.ReasonUnreachable || exit.Reason.String() != "unreachable" || exit.Peer.UUID != entered.Peer.UUID {
					t.Errorf("exit: %+v", exit)
				}
				if !errors.Is(exit.Err, syscall.EHOSTUNREACH) || !strings.Contains(exit.Err.Error(), "dial") {
					t.Errorf("the error of the exit is %v", exit.Err)
				}
				if took := time.Since(began); took < 29*time.Second || took > 32*time.Second {
					t.Errorf("the peer exited after %v", took)
				}
				advance(5 * time.Minute)
				if got := len(a.Peers()); got != 0 {
					t.Errorf("%d peers, though none can be reached", got)
				}
				host.up.Store(false)
				zretest.Next[zre.Enter](a)
				advance(5 * time.Minute)
				expectEqual(t, "exits", exitReasons(a), []string{"unreachable"})
			})
		})
	}
}

// repeatEach does something at once and then each second, until the test ends or the returned function is called.
func repeatEach(t *testing.T, do func()) (end func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			do()
			select {
			case <-time.After(time.Second):
			case <-stop:
				return
			}
		}
	}()
	end = sync.OnceFunc(func() { close(stop); <-done })
	t.Cleanup(end)
	return end
}

// A peer that we cannot connect to is a problem after the expired timeout, reported once, until we can connect or it is gone.
func TestUnreachablePeerThatIsSeen(t *testing.T) {
	for _, c := range []struct {
		name  string
		solve func(a filteredDials, host *zretest.Host, f *zretest.Foreign)
		after time.Duration // at most
	}{
		{"reached", func(a filteredDials, _ *zretest.Host, _ *zretest.Foreign) { a.up.Store(false) }, 20 * time.Second},
		{"left", func(_ filteredDials, _ *zretest.Host, f *zretest.Foreign) { f.Stop() }, time.Second},
		{"gone", func(_ filteredDials, host *zretest.Host, f *zretest.Foreign) { host.Crash(); f.Kill() }, 75 * time.Second},
	} {
		for _, kind := range foreign {
			t.Run(c.name+"/"+string(kind), func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
					host, far := newFilteredDials(lan.Host("10.0.0.1")), lan.Host("10.0.0.2")
					a := zretest.Start(t, host)
					f := zretest.NewForeign(t, far, kind)
					problem := "unreachable " + f.UUID().String()
					advance(28 * time.Second)
					expectEqual(t, "problems", problems(a), nil)
					advance(5 * time.Second)
					expectEqual(t, "problems that stand", currentProblems(a), []string{problem})
					p := a.Problems()[0]
					if !errors.Is(p.Err, syscall.EHOSTUNREACH) || p.From().UUID != f.UUID() || p.From().Endpoint != f.Endpoint() || p.From().Name != f.Name() {
						t.Errorf("problem: %v of %+v", p, p.From())
					}
					advance(5 * time.Minute)
					c.solve(host, far, f)
					advance(c.after)
					expectEqual(t, "problems that stand", currentProblems(a), nil)
					advance(5 * time.Minute)
					expectEqual(t, "problems", problems(a), []string{problem, problem + ": solved"})
				})
			})
		}
	}
}

// The same holds for a peer that only sends beacons. Here neither of two nodes can connect to the other.
func TestUnreachableBothWays(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		hosts := []filteredDials{newFilteredDials(lan.Host("10.0.0.1")), newFilteredDials(lan.Host("10.0.0.2"))}
		a, b := zretest.Start(t, hosts[0]), zretest.Start(t, hosts[1])
		advance(28 * time.Second)
		expectEqual(t, "problems", append(problems(a), problems(b)...), nil)
		advance(5 * time.Minute)
		expectEqual(t, "problems of a", problems(a), []string{"unreachable " + b.UUID().String()})
		expectEqual(t, "problems of b", problems(b), []string{"unreachable " + a.UUID().String()})
		if p := a.Problems()[0]; !errors.Is(p.Err, syscall.EHOSTUNREACH) || p.From().UUID != b.UUID() || p.From().Endpoint != endpointOf(b) {
			t.Errorf("problem: %v of %+v", p, p.From())
		}
		hosts[0].up.Store(false)
		hosts[1].up.Store(false)
		advance(10 * time.Second)
		expectEqual(t, "problems that stand", append(currentProblems(a), currentProblems(b)...), nil)
		expectCounts(t, a, map[string]int{"zre.Enter": 1})
	})
}

// Several short sessions with one peer in a row are a problem, until a session lasts or the peer is gone.
func TestFlappingPeer(t *testing.T) {
	type lab struct {
		a       *zretest.Watched
		network *zretest.Host // of a
		host    *zretest.Host // of the peer
		f       *zretest.Foreign
		start   func()
	}
	reset := func(l *lab) { l.network.ResetConnectionsTo(l.host) }
	restart := func(end func(*zretest.Foreign)) func(l *lab) {
		return func(l *lab) {
			end(l.f)
			l.host = l.host.Process()
			advance(100 * time.Millisecond)
			l.start()
		}
	}
	kill := func(l *lab) {
		l.host.Kill()
		restart((*zretest.Foreign).Kill)(l)
	}
	for _, c := range []struct {
		name  string
		each  time.Duration
		times int
		do    func(*lab)
		told  bool
	}{
		{"connections broken", 3 * time.Second, 8, reset, true},
		{"connections broken four times", 3 * time.Second, 4, reset, true},
		{"connections broken three times", 3 * time.Second, 3, reset, false},
		{"connections broken now and then", 15 * time.Second, 8, reset, false},
		{"killed", 3 * time.Second, 8, kill, true},
		{"leaves and comes back", 3 * time.Second, 8, restart((*zretest.Foreign).Stop), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				l := &lab{network: lan.Host("10.0.0.1"), host: lan.Host("10.0.0.2")}
				l.a = zretest.Start(t, l.network)
				id := uuid.New()
				l.start = func() {
					l.f = zretest.NewForeign(t, l.host, zretest.Zyre, zretest.ForeignUUID(id), zretest.ForeignName("bob"))
				}
				l.start()
				advance(3 * time.Second)
				for range c.times {
					c.do(l)
					advance(c.each)
				}
				problem := "flapping " + id.String()
				var want []string
				if c.told {
					want = append(want, problem)
					if p := l.a.Problems(); len(p) != 1 || p[0].From().Name != "bob" || !strings.Contains(p[0].Err.Error(), "crashed") {
						t.Errorf("problems: %v", p)
					}
				}
				expectEqual(t, "problems", problems(l.a), want)
				advance(15 * time.Second)
				if c.told {
					want = append(want, problem+": solved")
				}
				expectEqual(t, "problems", problems(l.a), want)
				expectEqual(t, "problems that stand", currentProblems(l.a), nil)
			})
		})
	}
}

// Flapping ends with the peer.
func TestFlappingPeerGoes(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*zretest.Host, *zretest.Foreign)
		in   time.Duration
	}{
		{"left", func(_ *zretest.Host, f *zretest.Foreign) { f.Stop() }, time.Second},
		{"killed", func(h *zretest.Host, f *zretest.Foreign) { h.Kill(); f.Kill() }, 35 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				network, host := lan.Host("10.0.0.1"), lan.Host("10.0.0.2")
				a := zretest.Start(t, network)
				f := zretest.NewForeign(t, host, zretest.Pyre)
				for range 5 {
					advance(3 * time.Second)
					network.ResetConnectionsTo(host)
				}
				advance(time.Second)
				expectEqual(t, "problems that stand", currentProblems(a), []string{"flapping " + f.UUID().String()})
				c.end(host, f)
				advance(c.in)
				expectEqual(t, "problems that stand", currentProblems(a), nil)
			})
		})
	}
}

// A peer announces in beacons the address of another peer, which answers there. It is neither dialled nor hung up on. It is a problem until
// its beacons end or the address is free.
func TestAddressTaken(t *testing.T) {
	for _, c := range []struct {
		name string
		peer func(t *testing.T, h *zretest.Host) (endpoint string, end func())
	}{
		{"by zyre", func(t *testing.T, h *zretest.Host) (string, func()) {
			f := zretest.NewForeign(t, h, zretest.Zyre)
			return f.Endpoint(), f.Stop
		}},
		{"by a node of ours", func(t *testing.T, h *zretest.Host) (string, func()) {
			b := zretest.Start(t, h)
			return endpointOf(b), func() { b.Close() }
		}},
	} {
		for _, solved := range []string{"silent", "free"} {
			t.Run(c.name+"/"+solved, func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
					host := lan.Host("10.0.0.2")
					a := zretest.Start(t, lan.Host("10.0.0.1"))
					endpoint, end := c.peer(t, host)
					zretest.Next[zre.Enter](a)
					id := uuid.New()
					at := netip.MustParseAddrPort(strings.TrimPrefix(endpoint, "tcp://"))
					socket := listen(t, host.Process(), 15670) // zyre does not hear that
					datagram := beacon.Beacon{UUID: id, Port: at.Port(), State: beacon.Idle}.Append(nil)
					silence := repeatEach(t, func() { socket.sendFrom(t, string(datagram), "10.0.0.2", "239.255.90.82:15670") })
					problem := "address taken " + endpoint
					advance(4 * time.Second)
					expectEqual(t, "problems", problems(a), nil)
					advance(10 * time.Second)
					expectEqual(t, "problems that stand", currentProblems(a), []string{problem})
					if p := a.Problems()[0]; p.From().UUID != id || p.Err == nil {
						t.Errorf("problem: %v of %+v", p, p.From())
					}
					advance(5 * time.Minute)
					expectEqual(t, "problems", problems(a), []string{problem})
					expectEqual(t, "exits", exitReasons(a), nil)
					want := []string{problem, problem + ": solved"}
					if solved == "free" {
						end()
						advance(10 * time.Second)
						expectEqual(t, "problems", problems(a), want)
						advance(time.Minute)
						want = append(want, "unreachable "+id.String()) // it is dialled now, and is not there
						expectEqual(t, "problems", problems(a), want)
						want = append(want, "unreachable "+id.String()+": solved")
					}
					silence()
					advance(40 * time.Second)
					expectEqual(t, "problems", problems(a), want)
					expectEqual(t, "problems that stand", currentProblems(a), nil)
				})
			})
		}
	}
}

// A second node with the UUID of a peer that is present and answers is refused. It is a problem until it ends or that peer exits.
func TestConflictOfAPeer(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(first, second *zretest.Foreign)
		in   time.Duration
	}{
		{"the second one ends", func(_, second *zretest.Foreign) { second.Kill() }, 65 * time.Second},
		{"the first one ends", func(first, _ *zretest.Foreign) { first.Stop() }, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				a := zretest.Start(t, lan.Host("10.0.0.1"))
				id := zretest.ForeignUUID(uuid.New())
				first := zretest.NewForeign(t, lan.Host("10.0.0.2"), zretest.Zyre, id, zretest.ForeignName("bob"))
				advance(15 * time.Second)
				second := zretest.NewForeign(t, lan.Host("10.0.0.3"), zretest.Zyre, id, zretest.ForeignName("twin"))
				advance(10 * time.Minute)
				problem := "conflict " + first.UUID().String()
				expectEqual(t, "problems", problems(a), []string{problem})
				if p := a.Problems(); len(p) != 1 || p[0].From().Name != "bob" || !strings.Contains(p[0].Err.Error(), "10.0.0.3") {
					t.Errorf("problems: %v", p)
				}
				expectEqual(t, "exits", exitReasons(a), nil)
				c.end(first, second)
				advance(c.in)
				expectEqual(t, "problems", problems(a), []string{problem, problem + ": solved"})
				expectEqual(t, "problems that stand", currentProblems(a), nil)
			})
		})
	}
}
