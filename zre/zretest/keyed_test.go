package zretest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre/zretest"
)

// Beacons with a CURVE key reach every host and process of a LAN and harm no other implementation except pyre: like the real one, its model
// dies of any that it hears.
func TestKeyedBeacons(t *testing.T) {
	for _, six := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var options []zretest.Option
			if six {
				options = append(options, zretest.IPv6())
			}
			lan := zretest.NewLAN(t, options...)
			self := lan.Host("10.0.0.1")
			for n, kind := range []zretest.Implementation{zretest.Zyre, zretest.Pyre, zretest.ZyreJS} {
				zretest.NewForeign(t, lan.Host([]string{"10.0.0.11", "10.0.0.12", "10.0.0.13"}[n]), kind)
			}
			key := beacon.Key{0: 7}
			config := beacon.Config{Network: self, UUID: uuid.New(), Key: key}
			speaker, err := beacon.Open(config)
			if err != nil {
				t.Fatal(err)
			}
			defer speaker.Close()
			heard := make(map[string]chan beacon.Sighting)
			for name, h := range map[string]*zretest.Host{"another process": self.Process(), "another host": lan.Host("10.0.0.2")} {
				heard[name] = make(chan beacon.Sighting, 1000)
				a, err := beacon.Open(beacon.Config{Network: h, UUID: uuid.New(), Handler: func(s beacon.Sighting) {
					if s.UUID == config.UUID {
						heard[name] <- s
					}
				}})
				if err != nil {
					t.Fatal(err)
				}
				defer a.Close()
			}
			speaker.Announce(49152, beacon.Idle)
			advance(time.Second)
			speaker.Close()
			advance(time.Second)
			for name, all := range heard {
				kinds := make(map[[3]bool]bool) // by IPv6, with a state, leaving
				for len(all) > 0 {
					s := <-all
					if s.Key != key {
						t.Errorf("%s heard %+v", name, s)
					}
					kinds[[3]bool{s.Addr.Is6(), s.State != beacon.Unknown, s.Leaving()}] = true
				}
				if want := map[bool]int{false: 4, true: 8}[six]; len(kinds) != want {
					t.Errorf("IPv6 %v: %s heard %d kinds of beacon, want %d: %v", six, name, len(kinds), want, kinds)
				}
			}
		})
	}
}
