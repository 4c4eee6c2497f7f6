package srv

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// Servers that do not know EDNS are asked without it; each is asked with it once per lookup.
func TestWithoutEDNS(t *testing.T) {
	for _, c := range []struct {
		name   string
		refuse func(q *dns.Msg) *dns.Msg
	}{
		{"FORMERR without question", func(q *dns.Msg) *dns.Msg {
			m := new(dns.Msg).SetRcode(q, dns.RcodeFormatError)
			m.Question = nil
			return m
		}},
		{"FORMERR", func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeFormatError) }},
		{"NOTIMP", func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeNotImplemented) }},
		{"BADVERS", func(q *dns.Msg) *dns.Msg {
			return new(dns.Msg).SetRcode(q, dns.RcodeBadVers).SetEdns0(512, false)
		}},
	} {
		for _, network := range []string{"", "tcp://"} {
			t.Run(c.name+" "+network, func(t *testing.T) {
				var with, without atomic.Int32
				r := &Resolver{Server: network + serve(t, "127.0.0.1", func(network string, q *dns.Msg) *dns.Msg {
					if q.IsEdns0() != nil {
						with.Add(1)
						return c.refuse(q)
					}
					without.Add(1)
					return good.answer(network, q)
				})}
				answer, err := r.Lookup(t.Context(), testName)
				if err != nil || formatEndpoints(answer.Endpoints) != goodEndpoint {
					t.Errorf("%v, %v", answer, err)
				}
				if with.Load() != 1 || without.Load() != 3 {
					t.Errorf("%d questions with EDNS, %d without", with.Load(), without.Load())
				}
			})
		}
	}
}

// A header alone is an answer only if it reports a failure.
func TestHeaderAlone(t *testing.T) {
	q := dns.Question{Name: testName, Qtype: dns.TypeSRV, Qclass: dns.ClassINET}
	for code, want := range map[int]error{
		dns.RcodeRefused: RCode(dns.RcodeRefused), dns.RcodeServerFailure: RCode(dns.RcodeServerFailure),
		dns.RcodeNameError: errUnrelated, dns.RcodeSuccess: errUnrelated,
	} {
		for questions := range uint16(2) {
			packet := make([]byte, headerSize)
			binary.BigEndian.PutUint16(packet, 7)
			binary.BigEndian.PutUint16(packet[2:], 0x8000|uint16(code))
			binary.BigEndian.PutUint16(packet[questionCount:], questions)
			if _, err := parse(packet, 7, q); !errors.Is(err, want) {
				t.Errorf("code %d, %d questions: %v, want %v", code, questions, err, want)
			}
		}
	}
}

// If TCP does not deliver a truncated answer, what came counts, wherever it ends.
func TestTruncatedWithoutTCP(t *testing.T) {
	z, want := many(100)
	z.answers += z.extra
	for _, c := range []struct {
		name string
		cut  func(m *dns.Msg) []byte // of a truncated answer
		want string                  // the error's end
	}{
		{"at a record", nil, "connection refused"},
		{"within a record", func(m *dns.Msg) []byte { p, _ := m.Pack(); return p[:len(p)-3] }, "connection refused"},
		{"before the first record", func(m *dns.Msg) []byte { m.Answer = nil; p, _ := m.Pack(); return p }, "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			packets, listener := listenBoth(t, "127.0.0.1")
			listener.Close()
			udp := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
				m := z.answer("udp", q)
				if !m.Truncated || c.cut == nil {
					_ = w.WriteMsg(m)
					return
				}
				_, _ = w.Write(c.cut(m))
			})}
			done := make(chan error)
			go func() { done <- udp.ActivateAndServe() }()
			answer, err := (&Resolver{Server: packets.LocalAddr().String()}).Lookup(t.Context(), testName)
			packets.Close()
			<-done
			found := formatEndpoints(answer.Endpoints)
			if c.name == "before the first record" {
				if err == nil || !strings.HasSuffix(err.Error(), c.want) {
					t.Errorf("%v, found %q", err, found)
				}
				return
			}
			if err != nil || found == "" || !strings.HasPrefix(want, found) || len(answer.Endpoints) < 10 {
				t.Errorf("%v, found\n%s", err, found)
			}
			if answer.Partial == nil || !strings.HasSuffix(answer.Partial.Error(), c.want) {
				t.Errorf("partial: %v", answer.Partial)
			}
		})
	}
}

// One record that cannot be used does not affect the others.
func TestPortZero(t *testing.T) {
	z := zone{answers: good.answers + "\n" + testName + " 60 SRV 0 0 0 a.robots.example."}
	answer, err := (&Resolver{Server: serve(t, "127.0.0.1", z.answer)}).Lookup(t.Context(), testName)
	if err != nil || formatEndpoints(answer.Endpoints) != goodEndpoint || !errors.Is(answer.Partial, errBadTarget) {
		t.Errorf("%v, %v", answer, err)
	}
}

// How a name is completed: as the C library completes the domain.
func TestNames(t *testing.T) {
	const kubernetes = "search default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
	long := strings.Repeat(strings.Repeat("a", 59)+".", 4)
	for _, c := range []struct{ name, text, domain, want string }{
		{"one label", kubernetes, "robots", "robots.default.svc.cluster.local. robots.svc.cluster.local. robots.cluster.local. robots."},
		{"two labels", kubernetes, "robots.default", "robots.default.default.svc.cluster.local. robots.default.svc.cluster.local. " +
			"robots.default.cluster.local. robots.default."},
		{"complete", kubernetes, "robots.default.", "robots.default."},
		{"five dots", kubernetes, "a.robots.default.svc.cluster.local", "a.robots.default.svc.cluster.local. " +
			"a.robots.default.svc.cluster.local.default.svc.cluster.local. a.robots.default.svc.cluster.local.svc.cluster.local. " +
			"a.robots.default.svc.cluster.local.cluster.local."},
		{"no search list", "", "robots", "robots."},
		{"one label, ndots 1", "search example.org\n", "robots", "robots.example.org. robots."},
		{"one label, ndots 0", "search example.org\noptions ndots:0\n", "robots", "robots. robots.example.org."},
		{"two labels, ndots 1", "search example.org\n", "robots.lab", "robots.lab. robots.lab.example.org."},
		{"too long with it", "search example.org\n", strings.TrimSuffix(long, "."), long},
	} {
		for _, service := range []string{"_zre._tcp.", "_robots._udp."} {
			t.Run(c.name+" "+service, func(t *testing.T) {
				config, err := parseConfig(c.text)
				if err != nil {
					t.Fatal(err)
				}
				var want []string
				for name := range strings.FieldsSeq(c.want) {
					want = append(want, service+name)
				}
				got, first := config.names(service + c.domain)
				if !slices.Equal(got, want) {
					t.Errorf("%s, want %s", got, want)
				}
				if asItIs := got[0] == service+strings.TrimSuffix(c.domain, ".")+"."; asItIs && first != 1 || !asItIs && first != len(got)-1 {
					t.Errorf("%d of %s count", first, got)
				}
			})
		}
	}
}

// Options of resolv.conf, as far as they have an effect.
func TestOptions(t *testing.T) {
	for _, c := range []struct{ name, options, want string }{
		{"none", "", "0s 1 udp SRV, 2s 2 udp SRV, 4s 1 udp SRV, 6s 2 udp SRV"},
		{"timeout", "timeout:1", "0s 1 udp SRV, 1s 2 udp SRV, 2s 1 udp SRV, 3s 2 udp SRV"},
		{"timeout too long", "timeout:900 attempts:1", "0s 1 udp SRV, 30s 2 udp SRV"},
		{"attempts", "attempts:3 timeout:1", "0s 1 udp SRV, 1s 2 udp SRV, 2s 1 udp SRV, 3s 2 udp SRV, 4s 1 udp SRV, 5s 2 udp SRV"},
		{"use-vc", "use-vc attempts:1", "0s 1 tcp SRV, 2s 2 tcp SRV"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, asked, _ := ask(t, c.options, 1, silent)
				if asked[0] != c.want {
					t.Errorf("asked %s, want %s", asked[0], c.want)
				}
			})
		})
	}
	t.Run("rotate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, asked, _ := ask(t, "rotate", 3, zone{}.answer)
			if want := []string{"0s 1 udp SRV", "0s 2 udp SRV", "0s 1 udp SRV"}; !slices.Equal(asked, want) {
				t.Errorf("asked %q, want %q", asked, want)
			}
		})
	})
	t.Run("no-aaaa", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			answer, asked, err := ask(t, "no-aaaa", 1, good.answer)
			if want := "0s 1 udp SRV, 0s 1 udp A"; asked[0] != want || err != nil || formatEndpoints(answer.Endpoints) != goodEndpoint {
				t.Errorf("asked %s, want %s; %v, %v", asked[0], want, answer, err)
			}
		})
	})
}

// ask looks up a name some times, with two servers and options of resolv.conf. It returns the last answer, and what was asked each time:
// when, which server, how, and for what.
func ask(t *testing.T, options string, times int, a answerer) (answer Answer, asked []string, err error) {
	t.Helper()
	var mu sync.Mutex
	var list []string
	r := resolver(t, "nameserver 10.0.0.1\nnameserver 10.0.0.2\noptions "+options+"\n", nil)
	begin := time.Now()
	r.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		f := &fake{handler: func(network string, q *dns.Msg) *dns.Msg {
			mu.Lock()
			defer mu.Unlock()
			server := strings.TrimSuffix(strings.TrimPrefix(address, "10.0.0."), ":53")
			list = append(list, strings.Join([]string{time.Since(begin).String(), server, network, dns.TypeToString[q.Question[0].Qtype]}, " "))
			return a(network, q)
		}}
		return f.dial(ctx, network, address)
	}
	for range times {
		answer, err = r.Lookup(t.Context(), "_zre._tcp.robots.example.")
		mu.Lock()
		asked, list = append(asked, strings.Join(list, ", ")), nil
		mu.Unlock()
	}
	return answer, asked, err
}

// A server that starts late is asked again, and the first answer is reported within a timeout and a wait.
func TestServerComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(silent)
		var told time.Time
		w.OnChange = func([]netip.AddrPort) { told = time.Now() }
		var came time.Time
		time.AfterFunc(20*time.Second, func() { came = time.Now(); w.fake.set(withTTL("5")) })
		w.run(t, 30*time.Second)
		if told.IsZero() || told.Sub(came) > 3*time.Second {
			t.Errorf("the server came at %v, the answer was reported at %v", came, told)
		}
	})
}

// A network without access to the Internet: no server answers for the unchanged name, which is tried last. That is no failure of those
// before it, and does not slow down each lookup.
func TestLastNameUnanswered(t *testing.T) {
	for name, fail := range map[string]answerer{"SERVFAIL": refuse(dns.RcodeServerFailure), "silence": silent} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{handler: func(network string, q *dns.Msg) *dns.Msg {
					if strings.HasSuffix(q.Question[0].Name, ".cluster.local.") {
						return zone{}.answer(network, q)
					}
					return fail(network, q)
				}}
				r := resolver(t, "nameserver 10.0.0.1\nsearch cluster.local\noptions ndots:5\n", nil)
				r.Dial = f.dial
				count := func() (it, last int) {
					for _, asked := range f.questions() {
						if asked == "_zre._tcp.robots." {
							last++
						} else {
							it++
						}
					}
					return it, last
				}
				for i := range 29 {
					began := time.Now()
					_, err := r.Lookup(t.Context(), "_zre._tcp.robots")
					if !errors.Is(err, ErrNoName) {
						t.Fatal(err)
					}
					if it, last := count(); it != i+1 || last != 2 || i > 0 && time.Since(began) > 0 {
						t.Errorf("look-up %d: asked %d times for it, %d for the last, in %v", i+1, it, last, time.Since(began))
					}
					time.Sleep(time.Second) // fake time
				}
				time.Sleep(2 * time.Second) // fake time
				_, _ = r.Lookup(t.Context(), "_zre._tcp.robots")
				if _, last := count(); last != 4 {
					t.Errorf("asked %d times for the last, after a while", last)
				}
			})
		})
	}
}
