package beacon

import (
	"testing"
	"time"
)

// TestSameUUID: a node hears another one with the same UUID, on another machine or on its own, but never itself.
func TestSameUUID(t *testing.T) {
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
				var ears, twins sightingLog
				a := open(t, Config{Network: h, UUID: testUUID, Handler: ears.record})
				twin := open(t, Config{Network: other, UUID: testUUID, Handler: twins.record})
				a.Announce(c.port, Idle)
				advance(0)
				if heard := ears.take(); len(heard) != 0 {
					t.Errorf("the agent heard itself: %v", heard)
				}
				twins.take() // of a node that sends nothing yet
				twin.Announce(c.twin, Idle)
				advance(0)
				if heard := ears.take(); len(heard) != c.want || heard[0].UUID != testUUID || heard[0].Port != c.twin {
					t.Errorf("of the agent with the same UUID it heard %v", heard)
				}
				advance(5 * time.Second)
				ears.take()
				twin.Close()
				if heard := ears.take(); len(heard) != 0 {
					t.Errorf("sightings of the farewell of the agent with the same UUID: %v", heard)
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
		var ears sightingLog
		open(t, Config{Network: l.host(eth0("10.0.0.2/24")), Handler: ears.record})
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24")), StateByBroadcast: true})
		a.Announce(49152, Idle)
		advance(0)
		equal(t, "sent after Announce", texts(l.take()), []string{idle1, state1})
		for _, s := range ears.take() {
			if s.State != Idle {
				t.Errorf("unexpected sighting %v", s)
			}
		}
		a.SetState(Error)
		advance(0)
		equal(t, "sent after a change of state", texts(l.take()), []string{error1, errorOn2})
		a.Close()
		equal(t, "sent as a farewell", texts(l.take()), []string{gone1, exit1, gone1, exit1, gone1, exit1})
	})
}

// TestSilence: after it only the farewell is sent, and others are still heard.
func TestSilence(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		var ears sightingLog
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24")), Handler: ears.record})
		peer := open(t, Config{Network: l.host(eth0("10.0.0.2/24"))})
		a.Announce(49152, Idle)
		advance(5 * time.Second)
		l.take()
		a.Silence()
		a.SetState(Error)
		advance(5 * time.Second)
		equal(t, "sent after Silence", texts(l.take()), nil)
		peer.Announce(49152, Idle)
		advance(0)
		if heard := ears.take(); len(heard) != 2 {
			t.Errorf("sightings after Silence: %v", heard)
		}
		peer.Close()
		l.take()
		a.Close()
		equal(t, "sent as a farewell", texts(l.take()), []string{farewell1, exit1, farewell1, exit1, farewell1, exit1})
	})
}
