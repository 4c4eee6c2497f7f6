package beacon

import (
	"net/netip"
	"testing"
	"time"
)

// What an agent sends is what the others hear of it; its own echo counts as neither, nor does what is no beacon.
func TestCounts(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		host := l.host(eth0("10.0.0.2/24"))
		a, b := open(t, Config{Network: l.host(eth0("10.0.0.1/24"))}), open(t, Config{Network: host})
		a.Announce(49152, Idle)
		advance(3 * time.Second)
		a.Close()
		sent := uint64(len(l.take()))
		if got, want := a.Counts(), (Counts{Sent: sent}); got != want || sent < 10 {
			t.Errorf("the one that speaks counts %+v, want %+v", got, want)
		}
		host.deliver("eth0", netip.MustParseAddrPort("10.0.0.1:9999"), netip.MustParseAddrPort("10.0.0.255:5670"), []byte("hello"))
		advance(time.Second)
		if got, want := b.Counts(), (Counts{Heard: sent, Invalid: 1}); got != want {
			t.Errorf("the one that hears counts %+v, want %+v", got, want)
		}
	})
}
