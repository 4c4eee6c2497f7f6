package srv

import (
	"bytes"
	"context"
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

// A watch is a Watcher in a bubble, with a fake server, and a log of what it did.
type watch struct {
	*Watcher
	fake    *fake
	calls   [][]netip.AddrPort
	log     logBuffer
	problem string // the last one
}

// A logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *logBuffer) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

// take returns what was written since the last call.
func (d *logBuffer) take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.text.Reset()
	return d.text.String()
}

// newWatch makes a watch without jitter.
func newWatch(a answerer) *watch {
	w := &watch{fake: &fake{handler: a}}
	w.Watcher = &Watcher{
		Name:     testName,
		Resolver: &Resolver{Server: "10.0.0.2", Dial: w.fake.dial},
		OnChange: func(set []netip.AddrPort) { w.calls = append(w.calls, set) },
		Log:      zerolog.New(&w.log).Level(zerolog.InfoLevel),
		OnProblem: func(err error) {
			if k := innermostText(err); k != w.problem {
				w.problem = k
				w.Log.Warn().Str("error", ": "+k).Msg(map[bool]string{true: "problem", false: "solved"}[err != nil])
			}
		},
		Roll: func(d time.Duration) time.Duration { return d / 2 },
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

// lines returns the messages logged since the last call.
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
	return zone{answers: testName + " " + ttl + " SRV 0 0 5671 a.robots.example.", extra: "a.robots.example. " + ttl + " A 10.1.2.3"}.answer
}

// ours answers with our own endpoint, of port 1, and a TTL in seconds.
func ours(ttl string) answerer {
	return zone{answers: testName + " " + ttl + " SRV 0 0 1 a.robots.example.", extra: "a.robots.example. " + ttl + " A 10.1.2.3"}.answer
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
		{"our own alone, TTL 0", ours("0"), "0s 1s 2s 3s", 3 * time.Second},
		{"our own alone, TTL 7", ours("7"), "0s 7s 14s", 15 * time.Second},
		{"nobody", zone{}.answer, "0s 500ms 1.5s 2.5s 3.5s", 3500 * time.Millisecond},
		{"nobody, and then one", inTurn(zone{}.answer, zone{}.answer, withTTL("60")), "0s 500ms 1.5s 1m1.5s", 70 * time.Second},
		{"nobody any more", inTurn(withTTL("60"), zone{}.answer), "0s 1m0s 1m0.5s 1m1.5s 1m2.5s", 63 * time.Second},
		{"failures", refuse(dns.RcodeRefused), "0s 500ms 1.5s 2.5s 3.5s", 3500 * time.Millisecond},
		{"failures after an answer", inTurn(withTTL("60"), refuse(dns.RcodeRefused)), "0s 1m0s 1m0.5s 1m1.5s 1m3.5s 1m7.5s 1m12.5s 1m17.5s",
			80 * time.Second},
		{"silence", silent, "0s 2s 4.5s 6.5s 9.5s 11.5s", 12 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex // guards times
				var times []string
				begin := time.Now()
				w := newWatch(func(network string, q *dns.Msg) *dns.Msg {
					mu.Lock()
					defer mu.Unlock()
					if at := time.Since(begin).String(); len(times) == 0 || times[len(times)-1] != at { // else it is a second try
						times = append(times, at)
					}
					return c.answer(network, q)
				})
				w.Skip = func(at netip.AddrPort) bool { return at.Port() == 1 }
				w.run(t, c.last+time.Second/4)
				mu.Lock()
				defer mu.Unlock()
				if got := strings.Join(times, " "); got != c.want {
					t.Errorf("asked after %s, want %s", got, c.want)
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

func TestWatcherReportsChanges(t *testing.T) {
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
		w.run(t, time.Minute)
		want := [][]netip.AddrPort{ports("10.0.0.1:1"), ports("10.0.0.2:1", "10.0.0.1:1"), ports("10.0.0.2:1")}
		if !slices.EqualFunc(w.calls, want, slices.Equal) {
			t.Errorf("reported %v, want %v", w.calls, want)
		}
	})
}

func TestWatcherSkipsOurOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(zone{
			answers: testName + " 10 SRV 0 0 1 a.robots.example.\n" + testName + " 10 SRV 0 0 2 a.robots.example.",
			extra:   "a.robots.example. 10 A 10.0.0.1",
		}.answer)
		own := ports("10.0.0.1:1", "10.0.0.1:2")
		w.Skip = func(e netip.AddrPort) bool { return slices.Contains(own, e) }
		w.run(t, 12*time.Second)
		if len(w.calls) != 1 || len(w.calls[0]) != 0 {
			t.Errorf("reported %v, want one empty list", w.calls)
		}
		own = own[:1]
		w.run(t, 12*time.Second)
		if len(w.calls) != 2 || !slices.Equal(w.calls[1], ports("10.0.0.1:2")) {
			t.Errorf("reported %v", w.calls)
		}
	})
}

// The server goes and comes: one line for each change, whatever the number of tries.
func TestWatcherLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(withTTL("5"))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()

		partly := zone{
			answers: testName + " 5 SRV 0 0 5671 a.robots.example.\n" + testName + " 5 SRV 0 0 5671 missing.robots.example.",
			extra:   "a.robots.example. 5 A 10.1.2.3",
		}
		for _, step := range []struct {
			name   string
			answer answerer
			want   []string
		}{
			{"well", withTTL("5"), nil},
			{"silent", silent, []string{"warn problem: no answer in time"}},
			{"SERVFAIL", refuse(dns.RcodeServerFailure), []string{"warn problem: SERVFAIL"}},
			{"NXDOMAIN", zone{}.answer, []string{"info SRV: the name has no endpoints, will look again: no such name", "warn solved: "}},
			{"SERVFAIL after NXDOMAIN", refuse(dns.RcodeServerFailure), []string{"warn problem: SERVFAIL"}},
			{"NXDOMAIN again", zone{}.answer, []string{"warn solved: "}},
			{"back", withTTL("5"), []string{"info SRV: all is well again"}},
			{"no records", only(testName + " 5 A 10.0.0.1"), []string{"info SRV: the name has no endpoints, will look again: the name has no SRV records"}},
			{"in part", partly.answer, []string{"warn SRV: some of the records cannot be used: no usable address"}},
			{"port 0 alone", only(testName + " 5 SRV 0 0 0 a.robots.example."), []string{`warn problem: not a host name and a port`}},
			{"back again", withTTL("5"), []string{"info SRV: all is well again", "warn solved: "}},
		} {
			w.fake.set(step.answer)
			time.Sleep(5 * time.Minute) // in fake time
			synctest.Wait()
			if got := w.lines(); !slices.Equal(got, step.want) {
				t.Errorf("%s: logged %q, want %q", step.name, got, step.want)
			}
		}
		if len(w.calls) != 1 {
			t.Errorf("reported %v", w.calls)
		}
		stop()
		<-done
	})
}

// A name without endpoints is logged once, at once, and is a problem if it stays this way: the name may be mistyped.
func TestWatcherNoEndpoints(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer answerer
		cause  string
	}{
		{"no such name", zone{}.answer, "no such name"},
		{"no records", only(testName + " 5 A 10.0.0.1"), "the name has no SRV records"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatch(c.answer)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				done := make(chan struct{})
				go func() { w.Run(ctx); close(done) }()
				for _, step := range []struct {
					after  time.Duration
					answer answerer
					want   []string
				}{
					{29 * time.Second, withTTL("5"), []string{"info SRV: the name has no endpoints, will look again: " + c.cause}},
					{1500 * time.Millisecond, c.answer, []string{"info SRV: all is well again"}},
					{10 * time.Minute, nil, []string{"info SRV: the name has no endpoints, will look again: " + c.cause}},
				} {
					time.Sleep(step.after) // fake time
					synctest.Wait()
					if got := w.lines(); !slices.Equal(got, step.want) {
						t.Errorf("logged %q, want %q", got, step.want)
					}
					w.fake.set(step.answer)
				}
				if len(w.calls) != 1 || !slices.Equal(w.calls[0], ports("10.1.2.3:5671")) {
					t.Errorf("reported %v", w.calls)
				}
				stop()
				<-done
				w = newWatch(c.answer)
				w.run(t, 32*time.Second)
				want := []string{"info SRV: the name has no endpoints, will look again: " + c.cause, "warn problem: " + c.cause}
				if got := w.lines(); !slices.Equal(got, want) {
					t.Errorf("logged %q, want %q", got, want)
				}
			})
		})
	}
}

// A partial answer is reported, and failures without end do no harm.
func TestWatcherLongLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(zone{
			answers: testName + " 60 SRV 0 0 5671 a.robots.example.\n" + testName + " 60 SRV 0 0 5671 missing.robots.example.",
			extra:   "a.robots.example. 60 A 10.1.2.3",
		}.answer)
		w.run(t, time.Second)
		if got := w.lines(); len(got) != 1 || !strings.HasPrefix(got[0], "warn SRV: some of the records") {
			t.Errorf("logged %q", got)
		}
		w.fake.set(refuse(dns.RcodeServerFailure))
		for w.failures < 100 {
			_ = w.look(t.Context())
		}
		if w.wait != minWait {
			t.Errorf("after 100 failures the wait is %v", w.wait)
		}
	})
}

// The end of the context ends a lookup under way, without a line in the log.
func TestWatcherEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(silent)
		begin := time.Now()
		w.run(t, time.Second)
		if d := time.Since(begin); d != time.Second {
			t.Errorf("Run took %v", d)
		}
		if got := w.lines(); len(got) != 0 || len(w.calls) != 0 {
			t.Errorf("logged %q, reported %v", got, w.calls)
		}
	})
}

// A real server that goes away and comes back at the same address.
func TestWatcherRealServer(t *testing.T) {
	packets, listener := listenBoth(t, "127.0.0.1")
	address := listener.Addr().String()
	stop := start(t, packets, listener, good.answer)
	told := make(chan []netip.AddrPort)
	w := &Watcher{Name: testName, Resolver: &Resolver{Server: address}, OnChange: func(set []netip.AddrPort) { told <- set }}
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	if got := <-told; !slices.Equal(got, ports("10.1.2.3:5671")) {
		t.Errorf("reported %v", got)
	}
	end()
	<-done
	stop()
	if err := w.look(t.Context()); err == nil {
		t.Fatal("a server that is gone answers")
	}
	if got := w.list(); !slices.Equal(got, ports("10.1.2.3:5671")) {
		t.Errorf("the list is %v, want the last good answer", got)
	}

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
	if err := w.look(t.Context()); err != nil {
		t.Error(err)
	}
}
