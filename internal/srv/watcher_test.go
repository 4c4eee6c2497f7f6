package srv

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/rs/zerolog"
)

// A watch is a Watcher in a bubble, with a fake server, and a diary of what it did.
type watch struct {
	*Watcher
	fake  *fake
	calls [][]netip.AddrPort
	log   diary
}

// A diary is a log that may be read while it is written.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

// take gives what was written since the last call.
func (d *diary) take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.text.Reset()
	return d.text.String()
}

// newWatch makes one without jitter.
func newWatch(a answerer) *watch {
	w := &watch{fake: &fake{handler: a}}
	w.Watcher = &Watcher{
		Name:     robots,
		Resolver: &Resolver{Server: "10.0.0.2", Dial: w.fake.dial},
		OnChange: func(set []netip.AddrPort) { w.calls = append(w.calls, set) },
		Log:      zerolog.New(&w.log).Level(zerolog.InfoLevel),
		Roll:     func(d time.Duration) time.Duration { return d / 2 },
	}
	return w
}

// run runs it for some time.
func (w *watch) run(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	w.Run(ctx)
	synctest.Wait()
}

// lines gives the messages logged since the last call.
func (w *watch) lines() (list []string) {
	for line := range strings.Lines(w.log.take()) {
		_, text, _ := strings.Cut(line, `"message":"`)
		level := strings.Split(line, `"`)[3]
		text = strings.TrimSuffix(strings.TrimSpace(text), `"}`)
		if _, err, ok := strings.Cut(line, `"error":"`); ok {
			err, _, _ = strings.Cut(err, `"`)
			text += ": " + err[strings.LastIndex(err, ": ")+2:]
		}
		list = append(list, level+" "+text)
	}
	return list
}

// withTTL answers with one endpoint and a TTL in seconds.
func withTTL(ttl string) answerer {
	return zone{answers: robots + " " + ttl + " SRV 0 0 5671 a.robots.example.", extra: "a.robots.example. " + ttl + " A 10.1.2.3"}.answer
}

func TestWatcherWaits(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer answerer
		want   string        // when the server is asked
		last   time.Duration // until when
	}{
		{"TTL 0", withTTL("0"), "0s 5s 10s 15s", 15 * time.Second},
		{"TTL 1", withTTL("1"), "0s 5s 10s", 10 * time.Second},
		{"TTL 7", withTTL("7"), "0s 7s 14s", 15 * time.Second},
		{"TTL 60", withTTL("60"), "0s 1m0s 2m0s 3m0s", 200 * time.Second},
		{"TTL huge", withTTL("2147483647"), "0s 5m0s 10m0s 15m0s", 1000 * time.Second},
		{"TTL negative", withTTL("4294967295"), "0s 5s 10s", 10 * time.Second},
		{"failures and luck", inTurn(zone{}.answer, zone{}.answer, withTTL("60"), zone{}.answer, zone{}.answer),
			"0s 5s 15s 1m15s 1m20s 1m30s", 100 * time.Second},
		{"failure", zone{}.answer, "0s 5s 15s 35s 1m5s 1m35s 2m5s", 130 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var times []string
				begin := time.Now()
				w := newWatch(func(network string, q *dns.Msg) *dns.Msg {
					times = append(times, time.Since(begin).String())
					return c.answer(network, q)
				})
				w.run(t, c.last+time.Second)
				if got := strings.Join(times, " "); got != c.want {
					t.Errorf("asked after %s, not %s", got, c.want)
				}
			})
		})
	}
}

// inTurn answers with one after the other, and stays with the last.
func inTurn(script ...answerer) answerer {
	return func(network string, q *dns.Msg) *dns.Msg {
		answer := script[0]
		script = script[min(1, len(script)-1):]
		return answer(network, q)
	}
}

func TestWatcherJitter(t *testing.T) {
	w := &Watcher{}
	seen := map[time.Duration]bool{}
	for range 1000 {
		d := w.jitter(time.Minute)
		if d < 54*time.Second || d >= 66*time.Second {
			t.Fatalf("a minute with jitter is %v", d)
		}
		seen[d] = true
	}
	if len(seen) < 500 {
		t.Errorf("%d waits of 1,000 differ", len(seen))
	}
	w.Roll = func(d time.Duration) time.Duration { return d - 1 }
	if got := w.jitter(10 * time.Second); got != 11*time.Second-1 {
		t.Error(got)
	}
}

func TestWatcherTellsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := "_zre._tcp.robots.example. 10 SRV 0 0 1 a.robots.example.\n"
		b := "_zre._tcp.robots.example. 10 SRV 0 9 1 b.robots.example.\n"
		lessB := "_zre._tcp.robots.example. 10 SRV 9 0 1 b.robots.example.\n"
		extra := "a.robots.example. 10 A 10.0.0.1\nb.robots.example. 10 A 10.0.0.2"
		w := newWatch(inTurn(
			zone{a, extra}.answer,
			zone{a, extra}.answer,
			zone{a + b, extra}.answer,
			zone{lessB + a, extra}.answer, // another order, the same set
			zone{}.answer,                 // gone: the last answer stays
			zone{b, extra}.answer,
		))
		if err := w.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(w.calls) != 0 {
			t.Error("Look calls OnChange")
		}
		w.run(t, time.Minute)
		want := [][]netip.AddrPort{ports("10.0.0.1:1"), ports("10.0.0.2:1", "10.0.0.1:1"), ports("10.0.0.2:1")}
		if !slices.EqualFunc(w.calls, want, slices.Equal) {
			t.Errorf("told %v, not %v", w.calls, want)
		}
	})
}

func TestWatcherSkipsOurOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(zone{
			answers: robots + " 10 SRV 0 0 1 a.robots.example.\n" + robots + " 10 SRV 0 0 2 a.robots.example.",
			extra:   "a.robots.example. 10 A 10.0.0.1",
		}.answer)
		own := ports("10.0.0.1:1", "10.0.0.1:2")
		w.Skip = func(e netip.AddrPort) bool { return slices.Contains(own, e) }
		w.run(t, 12*time.Second)
		if len(w.calls) != 1 || len(w.calls[0]) != 0 {
			t.Errorf("told %v, not of none, once", w.calls)
		}
		own = own[:1]
		w.run(t, 12*time.Second)
		if len(w.calls) != 2 || !slices.Equal(w.calls[1], ports("10.0.0.1:2")) {
			t.Errorf("told %v", w.calls)
		}
	})
}

// The server goes and comes: a line for each change, whatever the number of tries.
func TestWatcherLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(withTTL("5"))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()

		const kept = "SRV: no answer, the last good one stays: "
		partly := zone{
			answers: robots + " 5 SRV 0 0 5671 a.robots.example.\n" + robots + " 5 SRV 0 0 5671 missing.robots.example.",
			extra:   "a.robots.example. 5 A 10.1.2.3",
		}
		for _, step := range []struct {
			name   string
			answer answerer
			want   []string
		}{
			{"well", withTTL("5"), nil},
			{"silent", silent, []string{"warn " + kept + "no answer in time"}},
			{"SERVFAIL", refuse(dns.RcodeServerFailure), []string{"warn " + kept + "SERVFAIL"}},
			{"NXDOMAIN", zone{}.answer, []string{"warn " + kept + "no such name"}},
			{"back", withTTL("5"), []string{"info SRV: all is well again"}},
			{"in part", partly.answer, []string{"warn SRV: some of the records cannot be used: no usable address"}},
			{"back again", withTTL("5"), []string{"info SRV: all is well again"}},
		} {
			w.fake.set(step.answer)
			time.Sleep(5 * time.Minute) // in fake time
			synctest.Wait()
			if got := w.lines(); !slices.Equal(got, step.want) {
				t.Errorf("%s: logged %q, not %q", step.name, got, step.want)
			}
		}
		if len(w.calls) != 1 {
			t.Errorf("told %v", w.calls)
		}
		stop()
		<-done
	})
}

// Whoever starts a node learns of the first failure, may go on, and is told when there is an answer.
func TestWatcherFirstFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(zone{}.answer)
		if err := w.Look(t.Context()); !errors.Is(err, ErrNoName) {
			t.Fatal(err)
		}
		w.run(t, 4*time.Second)
		if got := len(w.fake.questions()); got != 1 {
			t.Errorf("asked %d times", got)
		}
		w.fake.set(withTTL("5"))
		w.run(t, 6*time.Second)
		if len(w.calls) != 1 || !slices.Equal(w.calls[0], ports("10.1.2.3:5671")) {
			t.Errorf("told %v", w.calls)
		}
		if got := w.lines(); len(got) != 0 {
			t.Errorf("logged %q", got)
		}
	})
}

// A first answer that can be used in part is no error of Look, so Run logs it; and failures without end do no harm.
func TestWatcherLongLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(zone{
			answers: robots + " 60 SRV 0 0 5671 a.robots.example.\n" + robots + " 60 SRV 0 0 5671 missing.robots.example.",
			extra:   "a.robots.example. 60 A 10.1.2.3",
		}.answer)
		if err := w.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.run(t, time.Second)
		if got := w.lines(); len(got) != 1 || !strings.HasPrefix(got[0], "warn SRV: some of the records") {
			t.Errorf("logged %q", got)
		}
		w.fake.set(zone{}.answer)
		for w.failures < 100 {
			_ = w.Look(t.Context())
		}
		if w.wait != maxRetry {
			t.Errorf("after 100 failures the wait is %v", w.wait)
		}
	})
}

// The context ends a lookup under way, without a line in the log.
func TestWatcherEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(silent)
		begin := time.Now()
		w.run(t, time.Second)
		if d := time.Since(begin); d != time.Second {
			t.Errorf("it took %v", d)
		}
		if got := w.lines(); len(got) != 0 || len(w.calls) != 0 {
			t.Errorf("logged %q, told %v", got, w.calls)
		}
	})
}

// With a real server, that goes away and comes back where it was.
func TestWatcherRealServer(t *testing.T) {
	packets, listener := listenBoth(t, "127.0.0.1")
	address := listener.Addr().String()
	stop := start(t, packets, listener, good.answer)
	told := make(chan []netip.AddrPort)
	w := &Watcher{Name: robots, Resolver: &Resolver{Server: address}, OnChange: func(set []netip.AddrPort) { told <- set }}
	if err := w.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := w.Look(t.Context()); err == nil {
		t.Fatal("a server that is gone answers")
	}
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	if got := <-told; !slices.Equal(got, ports("10.1.2.3:5671")) {
		t.Errorf("told %v, not the last good answer", got)
	}
	end()
	<-done

	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Skipf("somebody took %s meanwhile: %v", address, err)
	}
	listener, err = net.Listen("tcp", address)
	if err != nil {
		_ = packets.Close()
		t.Skipf("somebody took %s meanwhile: %v", address, err)
	}
	defer start(t, packets, listener, good.answer)()
	if err := w.Look(t.Context()); err != nil {
		t.Error(err)
	}
}
