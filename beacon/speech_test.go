package beacon

import (
	"testing"
	"time"
)

// TestTwin: a node hears another one with the same UUID, on another machine or on its own, but never itself.
func TestTwin(t *testing.T) {
	for _, c := range []struct {
		name       string
		sameHost   bool
		port, twin uint16
		want       int
	}{
		{"on another machine", false, 49152, 49152, 2},
		{"on this machine", true, 49152, 49153, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, l *lan) {
				h := l.host(eth0("10.0.0.1/24"))
				other := h
				if !c.sameHost {
					other = l.host(eth0("10.0.0.2/24"))
				}
				var ears, twins ears
				a := open(t, Config{Network: h, UUID: testUUID, Handler: ears.hear})
				twin := open(t, Config{Network: other, UUID: testUUID, Handler: twins.hear})
				a.Announce(c.port, Idle)
				pass(0)
				if heard := ears.take(); len(heard) != 0 {
					t.Errorf("it heard itself: %v", heard)
				}
				twins.take() // of a node that sends nothing yet
				twin.Announce(c.twin, Idle)
				pass(0)
				if heard := ears.take(); len(heard) != c.want || heard[0].UUID != testUUID || heard[0].Port != c.twin {
					t.Errorf("heard %v of its twin", heard)
				}
				pass(5 * time.Second)
				ears.take()
				twin.Close()
				if heard := ears.take(); len(heard) != 0 {
					t.Errorf("heard the farewell of its twin as one: %v", heard)
				}
			})
		})
	}
}

// TestStateByBroadcast: 23 octets instead of 22, everywhere and always.
func TestStateByBroadcast(t *testing.T) {
	const (
		idle1    = "5670: 23 port 49152 idle to 10.0.0.255:5670 from 10.0.0.1%2"
		error1   = "5670: 23 port 49152 error to 10.0.0.255:5670 from 10.0.0.1%2"
		errorOn2 = "15670: 23 port 49152 error to 239.255.90.82:15670 from 10.0.0.1%2"
		gone1    = "5670: 23 port 0 exit to 10.0.0.255:5670 from 10.0.0.1%2"
	)
	inFakeTime(t, func(t *testing.T, l *lan) {
		var ears ears
		open(t, Config{Network: l.host(eth0("10.0.0.2/24")), Handler: ears.hear})
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24")), StateByBroadcast: true})
		a.Announce(49152, Idle)
		pass(0)
		equal(t, "announced", texts(l.take()), []string{idle1, state1})
		for _, s := range ears.take() {
			if s.State != Idle {
				t.Errorf("heard %v", s)
			}
		}
		a.SetState(Error)
		pass(0)
		equal(t, "a change", texts(l.take()), []string{error1, errorOn2})
		a.Close()
		equal(t, "farewell", texts(l.take()), []string{gone1, exit1, gone1, exit1, gone1, exit1})
	})
}

// TestSilence: after it only the farewell is sent, and others are still heard.
func TestSilence(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		var ears ears
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24")), Handler: ears.hear})
		peer := open(t, Config{Network: l.host(eth0("10.0.0.2/24"))})
		a.Announce(49152, Idle)
		pass(5 * time.Second)
		l.take()
		a.Silence()
		a.SetState(Error)
		pass(5 * time.Second)
		equal(t, "sent after Silence", texts(l.take()), nil)
		peer.Announce(49152, Idle)
		pass(0)
		if heard := ears.take(); len(heard) != 2 {
			t.Errorf("heard %v", heard)
		}
		peer.Close()
		l.take()
		a.Close()
		equal(t, "farewell", texts(l.take()), []string{bye1, exit1, bye1, exit1, bye1, exit1})
	})
}
