package beacon

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A watchedHost is a Watcher that reports changes when the test calls changed.
type watchedHost struct {
	*host
	err     error // the error of Watch
	changed func()
	stopped bool
}

func (w *watchedHost) Watch(changed func()) (stop func(), err error) {
	w.changed = changed
	return func() { w.stopped = true }, w.err
}

// A sleepingHost is a Clock.
type sleepingHost struct {
	*host
	mu    sync.Mutex
	slept time.Duration
}

func (s *sleepingHost) Wall() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.slept)
}

func (s *sleepingHost) sleep(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slept += d
}

// scansOf counts the scans of a host while something happens.
func scansOf(h *host, happens func()) int {
	var before, after int
	h.do(func() { before = h.scans })
	happens()
	h.do(func() { after = h.scans })
	return after - before
}

// firstTwo returns the texts of the first classic and state beacon.
func firstTwo(log []sent) []string { return texts(log[:min(2, len(log))]) }

// TestWatch: a Watcher's report is followed at once, a burst of them by one scan.
func TestWatch(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		w := &watchedHost{host: l.host(eth0("10.0.0.3/24"))}
		a := open(t, Config{Network: w, Interval: time.Hour, poll: time.Hour})
		a.Announce(49152, Idle)
		advance(10 * time.Second)
		l.take()
		w.set(eth0("10.0.0.1/24"))
		advance(time.Minute)
		equal(t, "sent before a change was reported", texts(l.take()), nil)
		scans := scansOf(w.host, func() {
			for range 50 {
				w.changed()
				advance(burstPause / 100)
			}
			advance(2 * burstPause)
		})
		if scans != 1 {
			t.Errorf("%d scans after a burst, want 1", scans)
		}
		equal(t, "sent within 30 ms of the first report", texts(l.take()), []string{classic1, state1})

		advance(5 * time.Hour)
		if scans := scansOf(w.host, func() {
			for range 50 {
				w.changed()
				advance(burstPause)
			}
			advance(2 * burstPause)
		}); scans < 24 || scans > 51 {
			t.Errorf("%d scans in half a second of changes, want about one every %v", scans, burstPause)
		}
		a.Close()
		if !w.stopped {
			t.Error("the Watcher was not stopped by Close")
		}
		w.changed() // late: nothing waits
	})
}

// TestCloseInBurst: Close does not wait for the end of a burst.
func TestCloseInBurst(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		w := &watchedHost{host: l.host(eth0("10.0.0.1/24"))}
		a := open(t, Config{Network: w, poll: time.Hour})
		w.changed()
		synctest.Wait()
		start := time.Now()
		a.Close()
		if took := time.Since(start); took > 0 {
			t.Errorf("Close took %v", took)
		}
	})
}

// TestWatchFails: without a Watcher's help the interfaces are polled.
func TestWatchFails(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		told int
	}{
		{"broken", errBusy, 1},
		{"not supported", errors.ErrUnsupported, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, l *lan) {
				log, lines := logger()
				w := &watchedHost{host: l.host(eth0("10.0.0.3/24")), err: c.err}
				a := open(t, Config{Network: w, Interval: time.Hour, Log: log})
				equal(t, "log lines", counts(lines(), errBusy.Error()), []int{c.told})
				a.Announce(49152, Idle)
				advance(10 * time.Second)
				l.take()
				w.set(eth0("10.0.0.1/24"))
				advance(scanInterval)
				equal(t, "sent first", firstTwo(l.take()), []string{classic1, state1})
			})
		})
	}
}

// TestSleep: after a machine's sleep its nodes send beacons like newcomers; a short stall does not count.
func TestSleep(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		log, lines := logger()
		h := &sleepingHost{host: l.host(eth0("10.0.0.1/24"))}
		changed := 0
		var mu sync.Mutex
		a := open(t, Config{Network: h, Interval: time.Hour, Log: log, Changed: func() { mu.Lock(); changed++; mu.Unlock() }})
		open(t, Config{Network: h, Changed: func() { t.Error("Changed was called before Announce") }})
		a.Announce(49152, Idle)
		advance(10 * time.Second)
		for _, c := range []struct {
			sleep time.Duration
			turns int
		}{{2 * time.Second, 0}, {time.Hour, 3}, {-2 * time.Hour, 0}, {5 * time.Second, 3}} {
			l.take()
			lines()
			changed = 0
			h.sleep(c.sleep)
			advance(scanInterval)
			if n := len(l.take()); c.turns > 0 && n == 0 {
				t.Errorf("slept %v: no beacon within %v", c.sleep, scanInterval)
			} else {
				advance(10 * time.Second)
				if n += len(l.take()); n != 2*c.turns {
					t.Errorf("slept %v: %d beacons, want %d", c.sleep, n, 2*c.turns)
				}
			}
			if want := min(c.turns, 1); changed != want || counts(lines(), "slept")[0] != want {
				t.Errorf("slept %v: Changed called %d times, want %d; or as often logged", c.sleep, changed, want)
			}
		}
	})
}

// TestChanged: the application is told when it may reach others again, from Announce to Close.
func TestChanged(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host(eth0("10.0.0.1/24"))
		var mu sync.Mutex
		calls := 0
		a := open(t, Config{Network: h, Changed: func() { mu.Lock(); calls++; mu.Unlock() }})
		step := func(what string, want int, set ...Interface) {
			t.Helper()
			mu.Lock()
			calls = 0
			mu.Unlock()
			h.set(set...)
			advance(scanInterval)
			mu.Lock()
			defer mu.Unlock()
			if calls != want {
				t.Errorf("%s: Changed was called %d times, want %d", what, calls, want)
			}
		}
		step("before Announce", 0, eth0("10.0.0.3/24"))
		a.Announce(49152, Idle)
		step("nothing", 0, eth0("10.0.0.3/24"))
		step("another address", 1, eth0("10.0.0.1/24"))
		step("no carrier", 1, iface(2, "eth0", ethernet&^net.FlagRunning, "10.0.0.1/24"))
		step("a carrier", 1, eth0("10.0.0.1/24"))
		step("an interface more", 1, eth0("10.0.0.1/24"), wifi)
		step("one less", 1, eth0("10.0.0.1/24"))
		step("one that is not used", 0, eth0("10.0.0.1/24"), tunnel)
		a.Close()
		step("after Close", 0, wifi)
	})
}

// TestLaterInterface: what a glob or a CIDR chooses may come later.
func TestLaterInterface(t *testing.T) {
	for _, entry := range []string{"eth*", "10.0.0.0/24"} {
		inFakeTime(t, func(t *testing.T, l *lan) {
			h := l.host(wifi)
			log, lines := logger()
			a := open(t, Config{Network: h, Log: log, Interval: time.Hour, Interfaces: []string{entry}})
			equal(t, "log lines", counts(lines(), "no usable network interface"), []int{1})
			a.Announce(49152, Idle)
			advance(10 * time.Second)
			equal(t, "sent", texts(l.take()), nil)
			h.set(wifi, eth0("10.0.0.1/24"))
			advance(scanInterval)
			equal(t, "sent first", firstTwo(l.take()), []string{classic1, state1})
		})
	}
}

// slow is a network on which a scan takes long.
type slow struct {
	*host
	takes time.Duration
}

func (s slow) Interfaces() ([]Interface, error) {
	time.Sleep(s.takes) // fake time
	return s.host.Interfaces()
}

// TestSlowScans: however long a scan takes, most of the time none runs.
func TestSlowScans(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		s := slow{l.host(eth0("10.0.0.1/24")), 100 * time.Millisecond}
		open(t, Config{Network: s})
		if scans := scansOf(s.host, func() { advance(time.Minute) }); scans < 25 || scans > 31 {
			t.Errorf("%d scans of 100 ms in a minute, want them to take a twentieth of it", scans)
		}
	})
}

// TestStatePortOption: state beacons are sent and heard on the configured port.
func TestStatePortOption(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		var ears sightingLog
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24")), StatePort: 7000})
		open(t, Config{Network: l.host(eth0("10.0.0.2/24")), StatePort: 7000, Handler: ears.record})
		a.Announce(49152, Idle)
		advance(0)
		equal(t, "sent", texts(l.take()), []string{classic1, "7000: 23 port 49152 idle to 239.255.90.82:7000 from 10.0.0.1%2"})
		if heard := ears.take(); !slices.ContainsFunc(heard, func(s Sighting) bool { return s.Multicast && s.State == Idle }) {
			t.Errorf("heard %v", heard)
		}
	})
}

// routed is a network whose sockets have a time to live.
type routed struct {
	*host
	ttls map[int]int // of multicasts, by port
	err  error
}

type routedConn struct {
	PacketConn
	network *routed
	port    int
}

func (r *routed) ListenPacket(network string, port int) (PacketConn, error) {
	conn, err := r.host.ListenPacket(network, port)
	return routedConn{conn, r, port}, err
}

func (c routedConn) SetTTL(ttl int) error {
	c.network.ttls[c.port] = ttl
	return c.network.err
}

// TestTTL: agents with another TTL have separate sockets, because the TTL belongs to the socket.
func TestTTL(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		r := &routed{host: l.host(eth0("10.0.0.1/24")), ttls: make(map[int]int)}
		one := open(t, Config{Network: r})
		if r.ttls[15670] != 1 || len(r.ttls) != 1 {
			t.Errorf("times to live: %v, want 1 for port 15670", r.ttls)
		}
		site := open(t, Config{Network: r, TTL: SiteTTL})
		if r.ttls[15670] != 8 || site.station == one.station {
			t.Errorf("times to live: %v, want 8 for port 15670", r.ttls)
		}
		site.Close()
		one.Close()
		r.err = errBusy
		failing := open(t, Config{Network: r})
		if f := failing.Failures(); len(f) != 1 || !errors.Is(f[0].Err, errBusy) || !strings.Contains(f[0].Err.Error(), "TTL") {
			t.Errorf("failures: %v", f)
		}
		if len(r.conns) != 1 {
			t.Errorf("%d sockets open, want that of the classic beacons", len(r.conns))
		}
	})
}
