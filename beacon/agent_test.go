package beacon

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
)

const (
	classic1  = "5670: 22 port 49152 to 10.0.0.255:5670 from 10.0.0.1%2"
	state1    = "15670: 23 port 49152 idle to 239.255.90.82:15670 from 10.0.0.1%2"
	farewell1 = "5670: 22 port 0 to 10.0.0.255:5670 from 10.0.0.1%2"
	exit1     = "15670: 23 port 0 exit to 239.255.90.82:15670 from 10.0.0.1%2"
)

// TestSchedule: silence after Open, beacons at 0, about 100 and about 300 ms, then every interval, each 10 % more or less.
func TestSchedule(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24"))})
		advance(5 * time.Second)
		equal(t, "sent after Open", texts(l.take()), nil)
		begin := time.Since(l.start)
		a.Announce(49152, Idle)
		advance(20 * time.Second)
		log := l.take()
		at := begin
		for turn := 0; turn < len(log)/2; turn++ {
			both := log[2*turn : 2*turn+2]
			equal(t, "beacons", texts(both), []string{classic1, state1})
			gap, want := both[0].at-at, time.Second
			if turn < 3 {
				want = []time.Duration{0, 100 * time.Millisecond, 200 * time.Millisecond}[turn]
			}
			if gap < want*9/10 || gap > want*11/10 {
				t.Errorf("turn %d came after %v, want %v +-10 %%", turn, gap, want)
			}
			if at = both[0].at; both[1].at != at {
				t.Errorf("turn %d: state beacon at %v, classic at %v", turn, both[1].at, at)
			}
		}
		if turns := len(log) / 2; turns < 19 || turns > 24 {
			t.Errorf("beacons were sent %d times in 20 s", turns)
		}
	})
}

// TestJitter: nodes started together drift apart.
func TestJitter(t *testing.T) {
	a := &Agent{config: Config{}.withDefaults()}
	seen := make(map[time.Duration]bool)
	longer := 0
	for range 100 {
		pause := a.pause(2)
		seen[pause] = true
		if pause > time.Second {
			longer++
		}
	}
	if len(seen) < 90 || longer < 10 || longer > 90 {
		t.Errorf("of 100 pauses %d are different, %d longer than the interval", len(seen), longer)
	}
}

func TestShortInterval(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24")), Interval: 50 * time.Millisecond})
		a.Announce(49152, Idle)
		advance(time.Second)
		if turns := len(l.take()) / 2; turns < 18 || turns > 23 {
			t.Errorf("beacons were sent %d times in 1 s, want 20", turns)
		}
	})
}

func TestFarewell(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24"))})
		a.Announce(49152, Processing)
		advance(2 * time.Second)
		l.take()
		start := time.Now()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 20*time.Millisecond {
			t.Errorf("Close took %v", took)
		}
		equal(t, "farewell", texts(l.take()), []string{farewell1, exit1, farewell1, exit1, farewell1, exit1})
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		a.Announce(49152, Idle)
		a.SetState(Error)
		advance(5 * time.Second)
		equal(t, "sent after Close", texts(l.take()), nil)
	})
}

// TestSilentFarewell: an agent that has sent nothing need not say goodbye.
func TestSilentFarewell(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24"))})
		a.SetState(Error)
		a.Announce(0, Idle)
		advance(time.Second)
		a.Close()
		equal(t, "sent", texts(l.take()), nil)
	})
}

// TestCloseWaits: after the last Close no goroutine of the package is left.
func TestCloseWaits(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host(eth0("10.0.0.1/24"))
		h.lateRead = time.Second
		a := open(t, Config{Network: h})
		advance(0)
		before := 0
		h.do(func() { before = h.readers })
		a.Close()
		h.do(func() {
			if before != 2 || h.readers != 0 {
				t.Errorf("%d goroutines read before Close, %d after it, want 2 and 0", before, h.readers)
			}
		})
	})
}

func TestCloseAtOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24"))})
		a.Announce(49152, Idle)
		advance(0)
		l.take()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				a.Close()
				if n := len(l.take()); n != 0 && n != 6 {
					t.Errorf("Close returned between the farewells: %d sent", n)
				}
			})
		}
		all.Wait()
	})
}

func TestSetState(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24"))})
		a.Announce(49152, Init)
		advance(1100 * time.Millisecond) // the next regular beacon is due at 1.17 s at the earliest
		l.take()

		a.SetState(Idle)
		advance(0)
		equal(t, "sent after a change of state", texts(l.take()), []string{state1})
		a.SetState(Idle)
		advance(30 * time.Millisecond)
		equal(t, "sent when the state is the same", texts(l.take()), nil)

		for _, s := range []State{Receiving, Processing, Error} {
			a.SetState(s)
			advance(time.Millisecond)
		}
		log := l.take()
		equal(t, "states sent at once, of three changes", states(log), []State{Receiving})
		advance(20 * time.Millisecond)
		log = append(log, l.take()...)
		equal(t, "states sent after the gap", states(log), []State{Receiving, Error})
		if gap := log[1].at - log[0].at; gap != stateGap {
			t.Errorf("the last state was sent after %v, want %v", gap, stateGap)
		}
		advance(1200 * time.Millisecond)
		if log := l.take(); len(log) < 2 || !slices.Contains(states(log), Error) {
			t.Errorf("regular beacons after the changes: got %v", texts(log))
		}
	})
}

func states(log []sent) (list []State) {
	for _, s := range log {
		if b, err := Parse(s.octets); err == nil {
			list = append(list, b.State)
		}
	}
	return list
}

// TestUnknownState: without a state there are only classic beacons.
func TestUnknownState(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24"))})
		a.Announce(49152, Unknown)
		advance(0)
		equal(t, "sent", texts(l.take()), []string{classic1})
		a.SetState(Idle)
		advance(0)
		equal(t, "sent", texts(l.take()), []string{state1})
	})
}

func TestAnnounceAgain(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24")), Interval: time.Minute})
		a.Announce(50000, Init)
		advance(10 * time.Second)
		l.take()
		a.Announce(49152, Idle)
		advance(10 * time.Second)
		equal(t, "sent", texts(l.take()), []string{classic1, state1, classic1, state1, classic1, state1})
	})
}

// TestAddresses: the address decides what is sent; both kinds are heard in any case.
func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		name      string
		addresses string
		want      []string
		heard     int // by a peer with defaults
	}{
		{"broadcast", "255.255.255.255", []string{classic1}, 2},
		{"that subnet's broadcast", "10.0.0.255", []string{classic1}, 2},
		{"the default group", DefaultGroup, []string{state1}, 2},
		{"another group", "224.0.0.99", []string{"15670: 23 port 49152 idle to 224.0.0.99:15670 from 10.0.0.1%2"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, l *lan) {
				var ears sightingLog
				a := open(t, Config{Network: l.host(eth0("10.0.0.1/24")), Handler: ears.record,
					Addresses: []netip.Addr{netip.MustParseAddr(c.addresses)}})
				peer := open(t, Config{Network: l.host(eth0("10.0.0.2/24"))})
				a.Announce(49152, Idle)
				advance(0)
				equal(t, "sent", texts(l.take()), c.want)
				peer.Announce(49152, Idle)
				advance(0)
				if heard := ears.take(); len(heard) != c.heard {
					t.Errorf("sightings: got %v", heard)
				}
			})
		})
	}
}

// TestTwoHosts: each hears what the other sends, and all fields of the sighting are right.
func TestTwoHosts(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		var one, two sightingLog
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24")), UUID: testUUID, Handler: one.record})
		open(t, Config{Network: l.host(iface(7, "eth0", ethernet, "10.0.0.2/24")), Handler: two.record})
		a.Announce(49152, Idle)
		advance(0)
		said := Beacon{UUID: testUUID, Port: 49152, State: Unknown}
		sighting := Sighting{Beacon: said, Addr: netip.MustParseAddr("10.0.0.1"), IfIndex: 7, Interface: "eth0"}
		stated := sighting
		stated.State, stated.Multicast = Idle, true
		heard := two.take()
		slices.SortFunc(heard, func(a, b Sighting) int { return int(b.State) - int(a.State) }) // two sockets: any order
		equal(t, "heard by the other", heard, []Sighting{sighting, stated})
		equal(t, "heard by itself", one.take(), nil)
		a.Close()
		heard = two.take()
		synctest.Wait()
		heard = append(heard, two.take()...)
		if len(heard) != 6 || !heard[0].Leaving() || !heard[5].Leaving() {
			t.Errorf("sightings of the farewell: got %v", heard)
		}
	})
}

// TestOneHost: nodes of one process share two sockets, hear each other but not themselves, and know that they are local.
func TestOneHost(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host(eth0("10.0.0.1/24"))
		var heard [3]sightingLog
		var agents [3]*Agent
		for i := range agents {
			agents[i] = open(t, Config{Network: h, Handler: heard[i].record})
		}
		if h.opened != 2 {
			t.Errorf("%d sockets opened, want 2", h.opened)
		}
		agents[0].Announce(49152, Idle)
		advance(0)
		for i, want := range []int{0, 2, 2} {
			all := heard[i].take()
			if len(all) != want {
				t.Errorf("agent %d heard %v, want %d", i, all, want)
			}
			for _, s := range all {
				if !s.Local || s.UUID != agents[0].config.UUID || s.Addr.String() != "10.0.0.1" {
					t.Errorf("agent %d heard %+v", i, s)
				}
			}
		}

		agents[0].Close()
		advance(0)
		heard[1].take()
		agents[2].Announce(49153, Idle)
		advance(0)
		if n := len(heard[1].take()); n != 2 {
			t.Errorf("after one has left, %d sightings, want 2", n)
		}
		equal(t, "heard by the one that has left", heard[0].take(), nil)
		if len(h.conns) != 2 {
			t.Errorf("%d sockets open, want 2", len(h.conns))
		}
		agents[1].Close()
		agents[2].Close()
		if len(h.conns) != 0 {
			t.Errorf("%d sockets open after the last left", len(h.conns))
		}
		stations.Lock()
		defer stations.Unlock()
		for key := range stations.open {
			if key.network == Network(h) {
				t.Errorf("the station %v still exists after its last agent left", key)
			}
		}
	})
}

// TestKeys: agents share sockets only with the same network, port and group.
func TestKeys(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host(eth0("10.0.0.1/24"))
		for i, c := range []struct {
			config Config
			opened int
		}{
			{Config{}, 2},
			{Config{Port: DefaultPort}, 2},
			{Config{Addresses: []netip.Addr{everySubnet}}, 2},
			{Config{Port: 60000}, 4},
			{Config{Addresses: []netip.Addr{netip.MustParseAddr("224.0.0.99")}}, 6},
		} {
			c.config.Network = h
			open(t, c.config)
			if h.opened != c.opened {
				t.Errorf("after agent %d: %d sockets, want %d", i, h.opened, c.opened)
			}
		}
	})
}

// TestInterfaceChoice: an agent hears nothing from interfaces that it does not use.
func TestInterfaceChoice(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host(eth0("10.0.0.1/24"), iface(3, "eth1", ethernet, "10.1.0.1/24"))
		var first, second, all, inside sightingLog
		open(t, Config{Network: h, Interfaces: []string{"eth0"}, Handler: first.record})
		open(t, Config{Network: h, Interfaces: []string{"10.1.0.1"}, Handler: second.record})
		open(t, Config{Network: h, Handler: all.record})
		open(t, Config{Network: h, Interfaces: []string{"lo"}, Handler: inside.record})
		peer := open(t, Config{Network: l.host(eth0("10.0.0.2/24"))})
		peer.Announce(49152, Idle)
		local := open(t, Config{Network: h, Interfaces: []string{"127.0.0.1"}})
		local.Announce(49153, Idle)
		advance(0)
		for name, c := range map[string]struct {
			ears *sightingLog
			want int
		}{"eth0": {&first, 2}, "eth1": {&second, 0}, "all": {&all, 2}, "lo": {&inside, 2}} {
			if heard := c.ears.take(); len(heard) != c.want {
				t.Errorf("%s heard %v, want %d", name, heard, c.want)
			}
		}
	})
}

func TestInterfaces(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host(wired, wifi, iface(4, "tun0", net.FlagUp|net.FlagPointToPoint, "10.8.0.2/32"))
		a := open(t, Config{Network: h})
		const want = "eth0 [10.0.0.5/24], wlan0 [192.168.1.7/16]"
		got := a.Interfaces()
		if formatInterfaces(got) != want {
			t.Errorf("%s, want %s", formatInterfaces(got), want)
		}
		got[0].Name, got[0].Addrs[0] = "mine", netip.Prefix{}
		if again := formatInterfaces(a.Interfaces()); again != want {
			t.Errorf("a change of the result changed the agent's own interfaces: %s", again)
		}
		for addr, want := range map[string]bool{
			"10.0.0.5": true, "192.168.1.7": true, "10.8.0.2": true, "127.0.0.1": true, "127.9.9.9": true,
			"fe80::1": true, "fe80::1%eth0": true, "::1": true, "::ffff:10.0.0.5": true,
			"10.0.0.6": false, "10.0.0.255": false, "fe80::2": false,
		} {
			if got := a.IsLocal(netip.MustParseAddr(addr)); got != want {
				t.Errorf("IsLocal(%s): got %v", addr, got)
			}
		}
		if a.IsLocal(netip.Addr{}) {
			t.Error("no address is local")
		}
	})
}

// TestHandlerMayCall: the methods that a handler is allowed to call do not block in it.
func TestHandlerMayCall(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		var a *Agent
		called := 0
		a = open(t, Config{Network: l.host(eth0("10.0.0.1/24")), Handler: func(s Sighting) {
			called++ // unguarded: the race detector would notice two concurrent calls
			a.SetState(Receiving)
			a.Announce(49152, Idle)
			if len(a.Interfaces()) != 1 || a.IsLocal(s.Addr) {
				t.Error("a call within the handler returned something wrong")
			}
		}})
		peer := open(t, Config{Network: l.host(eth0("10.0.0.2/24"))})
		peer.Announce(49152, Idle)
		advance(10 * time.Second)
		if called < 20 {
			t.Errorf("the handler was called %d times", called)
		}
	})
}

// TestManyNodes: a hundred nodes in a process find each other, and all goroutines end.
func TestManyNodes(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host(eth0("10.0.0.1/24"))
		const n = 100
		var mu sync.Mutex
		met := make(map[[2]uuid.UUID]bool)
		var agents []*Agent
		for range n {
			id := uuid.New()
			agents = append(agents, open(t, Config{Network: h, UUID: id, Handler: func(s Sighting) {
				mu.Lock()
				defer mu.Unlock()
				met[[2]uuid.UUID{id, s.UUID}] = true
			}}))
		}
		for _, a := range agents {
			a.Announce(49152, Idle)
		}
		advance(time.Second)
		mu.Lock()
		defer mu.Unlock()
		if len(met) != n*(n-1) {
			t.Errorf("agents heard %d others, want %d", len(met), n*(n-1))
		}
	})
}
