package zmtp

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
)

// A flood of idle connections, from as many addresses as there are places, keeps no peer out.
func TestFloodOfAddresses(t *testing.T) {
	const places = 20
	for _, test := range []struct {
		name    string
		hostile func(i int) string
		good    string
		first   int // the first hostile one that gives way to a good one
	}{
		{"IPv4", func(i int) string { return fmt.Sprintf("192.0.2.%d:1", i+1) }, "198.51.100.7:1", 0},
		{"IPv6", func(i int) string { return fmt.Sprintf("[2001:db8:%x::1]:1", i+1) }, "198.51.100.7:1", 0},
		{"IPv6, one network", func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i+1) }, "[2001:db8:1::1]:1", 0},
		{"IPv6, one network, the other's are older", func(i int) string {
			if i < 3 {
				return fmt.Sprintf("198.51.100.%d:1", i+1)
			}
			return fmt.Sprintf("[2001:db8::%x]:1", i+1)
		}, "198.51.100.7:1", 3},
		{"IPv6, from the same network", func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i+1) }, "[2001:db8::bad]:1", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, in := newMemListener(), newInbox()
				r := NewRouter(Config{Limits: Limits{PendingHandshakes: places}}, in.accept)
				serve(t, r, l)
				from := func(s string) *memConn { return l.dialFrom(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s))) }
				var all []*memConn
				for i := range places {
					all = append(all, from(test.hostile(i)))
				}
				good := from(test.good)
				synctest.Wait()
				if got := slices.IndexFunc(all, isClosed); got != test.first {
					t.Errorf("connection %d gave way, want %d", got, test.first)
				}
				good.Write(hello("DEALER", "good"))
				<-in.conns
				for _, nc := range append(all, good) {
					nc.Close()
				}
			})
		})
	}
}

func isClosed(nc *memConn) bool {
	p := nc.in
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// Known addresses get the places that they need: strangers give way to them, but not the other way round.
func TestKnownAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, in := newMemListener(), newInbox()
		r := NewRouter(Config{Limits: Limits{PendingHandshakes: 4}}, in.accept)
		r.Known = func(a net.Addr) bool { return ipOf(a) == netip.MustParseAddr("192.0.2.9") }
		serve(t, r, l)
		from := func(s string) *memConn { return l.dialFrom(net.TCPAddrFromAddrPort(mustAddrPort(s))) }
		var strangers, known []*memConn
		for i := range 4 {
			strangers = append(strangers, from(fmt.Sprintf("192.0.2.%d:1", i+1)))
		}
		known = append(known, from("192.0.2.9:1"), from("192.0.2.9:2"), l.dial()) // the last has no IP address
		for i := range 10 {
			strangers = append(strangers, from(fmt.Sprintf("198.51.100.%d:1", i+1)))
		}
		synctest.Wait()
		if slices.ContainsFunc(known, isClosed) {
			t.Error("one that is known gave way to a stranger")
		}
		if i := slices.IndexFunc(strangers, func(nc *memConn) bool { return !isClosed(nc) }); i != len(strangers)-1 {
			t.Errorf("stranger %d has the place that is left", i)
		}
		known = append(known, from("192.0.2.9:3")) // and now they have all
		late := from("203.0.113.1:1")              // still some less than 192.0.2.9 has
		if _, err := io.ReadAll(known[0]); err != nil {
			t.Error(err)
		}
		for _, nc := range append(append(strangers, known...), late) {
			nc.Close()
		}
	})
}
