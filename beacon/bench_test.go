package beacon

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/uuid"
)

// stationWithAgents returns the station of n agents that count what they hear, and the arguments of its handleDatagram.
func stationWithAgents(t testing.TB, n int, count *int) (*station, []byte, Origin) {
	h := newLAN().host(wired, wifi)
	var s *station
	for range n {
		s = open(t, Config{Network: h, UUID: uuid.New(), Handler: func(Sighting) { *count++ }}).station
	}
	from := Origin{netip.MustParseAddrPort("10.0.0.9:5670"), netip.MustParseAddr("10.0.0.255"), 2}
	return s, Beacon{UUID: testUUID, Port: 49152, State: Unknown}.Append(nil), from
}

// TestDispatchAllocations: hearing allocates nothing, whatever the number of agents.
func TestDispatchAllocations(t *testing.T) {
	count := 0
	s, octets, from := stationWithAgents(t, 100, &count)
	if n := testing.AllocsPerRun(100, func() { s.handleDatagram(octets, from, false) }); n != 0 {
		t.Errorf("%v allocations for a datagram", n)
	}
	if count != 101*100 { // AllocsPerRun runs it once before
		t.Errorf("%d sightings", count)
	}
}

func BenchmarkDispatch(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d agents", n), func(b *testing.B) {
			count := 0
			s, octets, from := stationWithAgents(b, n, &count)
			b.ReportAllocs()
			for b.Loop() {
				s.handleDatagram(octets, from, false)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	octets := Beacon{UUID: testUUID, Port: 49152, State: Idle}.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(octets); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoopback measures one datagram's path through the system: write, read, parse.
func BenchmarkLoopback(b *testing.B) {
	heard := make(chan Sighting, 1)
	a := openOnLo(b, 0, heard)
	openOnLo(b, a.config.Port, nil)
	said := Beacon{UUID: testUUID, Port: 49152, State: Unknown}
	b.ReportAllocs()
	for b.Loop() {
		a.station.send(said, a.view.Load().classic)
		<-heard
	}
}

func BenchmarkScan(b *testing.B) {
	for b.Loop() {
		if _, err := System.Interfaces(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	said := Beacon{UUID: testUUID, Port: 49152, State: Idle}
	var octets []byte
	b.ReportAllocs()
	for b.Loop() {
		octets = said.Append(octets[:0])
	}
}
