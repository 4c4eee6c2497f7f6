package beacon

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

const (
	keyed1         = "5670: 54 port 49152 to 255.255.255.255:5670 from 10.0.0.1%2"
	keyedState1    = "15670: 55 port 49152 idle to 239.255.90.82:15670 from 10.0.0.1%2"
	keyedFarewell1 = "5670: 54 port 0 to 255.255.255.255:5670 from 10.0.0.1%2"
	keyedExit1     = "15670: 55 port 0 exit to 239.255.90.82:15670 from 10.0.0.1%2"
)

// TestKeyedLife: everything that a node with a key sends carries it, from its first beacon to its farewell.
func TestKeyedLife(t *testing.T) {
	const six, sixState = "5670: 54 port 49152 to [ff02::1]:5670 from fe80::1%2", "15670: 55 port 49152 idle to [ff12::5a:5245]:15670 from fe80::1%2"
	inFakeTime(t, func(t *testing.T, l *lan) {
		var ears sightingLog
		open(t, Config{Network: l.host6(dual("10.0.0.2/24", "fe80::2/64")), Handler: ears.record})
		a := open(t, Config{Network: l.host6(dual("10.0.0.1/24", "fe80::1/64")), UUID: testUUID, Key: testKey})
		var all []sent
		take := func() []string {
			log := l.take()
			all = append(all, log...)
			return texts(log)
		}
		a.Announce(49152, Idle)
		advance(0)
		equal(t, "sent after Announce", take(), []string{keyed1, six, keyedState1, sixState})
		a.SetState(Error)
		advance(0)
		if got := take(); len(got) != 2 {
			t.Errorf("sent after a change of state: %v", got)
		}
		a.SetCalm(true)
		advance(30 * time.Second)
		take()
		a.Close()
		if got := take(); len(got) != 4*farewells || got[0] != keyedFarewell1 || !slices.Contains(got, keyedExit1) {
			t.Errorf("sent as a farewell: %v", got)
		}
		advance(0)
		for _, s := range all {
			if b, err := Parse(s.octets); err != nil || b.Key != testKey || b.UUID != testUUID {
				t.Errorf("sent %x: %v", s.octets, err)
			}
		}
		heard := ears.take()
		for _, s := range heard {
			if s.Key != testKey {
				t.Errorf("heard %+v", s)
			}
		}
		if len(heard) != len(all) {
			t.Errorf("heard %d of %d", len(heard), len(all))
		}
	})
}

// TestKeyedStateByBroadcast: the proposal's form has the key too.
func TestKeyedStateByBroadcast(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24")), Key: testKey, StateByBroadcast: true})
		a.Announce(49152, Idle)
		advance(0)
		equal(t, "sent after Announce", texts(l.take()), []string{"5670: 55 port 49152 idle to 255.255.255.255:5670 from 10.0.0.1%2", keyedState1})
	})
}

// TestKeyedAndPlain: in one process they share the sockets, and all hear all.
func TestKeyedAndPlain(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h, other := l.host(eth0("10.0.0.1/24")), l.host(eth0("10.0.0.2/24"))
		keys := []Key{{}, testKey, {0: 7}}
		var heard [6]sightingLog
		var agents []*Agent
		for i := range heard {
			c := Config{Network: h, Key: keys[i%3], Handler: heard[i].record}
			if i >= 3 {
				c.Network = other
			}
			agents = append(agents, open(t, c))
		}
		if h.opened != 2 || other.opened != 2 {
			t.Errorf("%d and %d sockets opened, want 2 each", h.opened, other.opened)
		}
		for _, a := range agents {
			a.Announce(49152, Idle)
		}
		advance(0)
		for i := range heard {
			got := make(map[string]int)
			for _, s := range heard[i].take() {
				got[fmt.Sprint(s.UUID, s.Key, s.State != Unknown)]++
			}
			for j, a := range agents {
				for _, isState := range []bool{false, true} {
					want := boolToInt(j != i)
					if n := got[fmt.Sprint(a.config.UUID, keys[j%3], isState)]; n != want {
						t.Errorf("agent %d heard %d times of agent %d (state: %v), want %d", i, n, j, isState, want)
					}
				}
			}
			if len(got) != 10 {
				t.Errorf("agent %d heard %v", i, got)
			}
		}
	})
}

// TestSameUUIDOtherKey: a beacon or farewell with the agent's own UUID but another key, or none, is not its own.
func TestSameUUIDOtherKey(t *testing.T) {
	for _, c := range []struct {
		name      string
		own, twin Key
		want      int
	}{
		{"the same key", testKey, testKey, 0},
		{"no key", Key{}, Key{}, 0},
		{"another key", testKey, Key{0: 1}, 2},
		{"a key is missing", testKey, Key{}, 2},
		{"a key where it has none", Key{}, testKey, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, l *lan) {
				var ears sightingLog
				h := l.host(eth0("10.0.0.1/24"))
				a := open(t, Config{Network: h, UUID: testUUID, Key: c.own, Handler: ears.record})
				a.Announce(49152, Idle)
				advance(0)
				equal(t, "heard of itself", ears.take(), nil)
				for _, b := range []Beacon{{testUUID, 49152, Unknown, c.twin}, {testUUID, 0, Unknown, c.twin}} {
					from := Origin{netip.MustParseAddrPort("10.0.0.1:5670"), everySubnet, 2}
					h.conns[0].in <- packet{b.Append(nil), from}
				}
				advance(0)
				if heard := ears.take(); len(heard) != c.want {
					t.Errorf("heard %v, want %d", heard, c.want)
				}
			})
		})
	}
}

// TestKeyedOctets: an agent sends what C zyre with CURVE sends, octet for octet, also its farewell.
func TestKeyedOctets(t *testing.T) {
	text, err := os.ReadFile("../testdata/vectors/curve/curve_streams.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct {
		Beacons struct {
			Names     map[string]string
			Datagrams []struct{ Hex string }
		} `json:"zyre_beacons"`
	}
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	if n := len(recorded.Beacons.Datagrams); n != 13 {
		t.Fatalf("%d datagrams were recorded, want 13", n)
	}
	lives := make(map[uuid.UUID][]string) // what each node sent, without repetition
	for _, d := range recorded.Beacons.Datagrams {
		b, err := Parse(unhex(t, d.Hex))
		if err != nil {
			t.Fatal(err)
		}
		if said := lives[b.UUID]; !slices.Contains(said, d.Hex) {
			lives[b.UUID] = append(said, d.Hex)
		}
	}
	for name, id := range recorded.Beacons.Names {
		inFakeTime(t, func(t *testing.T, l *lan) {
			said := lives[uuid.MustParse(id)]
			if len(said) != 2 {
				t.Fatalf("%s sent %v, want a beacon and a farewell", name, said)
			}
			first, _ := Parse(unhex(t, said[0]))
			a := open(t, Config{Network: l.host(eth0("10.0.0.1/24")), UUID: first.UUID, Key: first.Key})
			a.Announce(first.Port, Unknown)
			advance(time.Second)
			a.Close()
			var got []string
			for _, s := range l.take() {
				if text := hex.EncodeToString(s.octets); s.port == DefaultPort && !slices.Contains(got, text) {
					got = append(got, text)
				}
			}
			equal(t, name, got, said)
		})
	}
}

// TestKeyedOnce: a configured broadcast address beside the subnet's last makes no second beacon.
func TestKeyedOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		i := eth0("10.0.0.1/24")
		i.Broadcasts = map[netip.Prefix]netip.Addr{i.Addrs[0]: netip.MustParseAddr("10.0.255.255")}
		a := open(t, Config{Network: l.host(i), Key: testKey, Addresses: []netip.Addr{everySubnet}})
		a.Announce(49152, Idle)
		advance(0)
		equal(t, "sent", texts(l.take()), []string{keyed1})
	})
}
