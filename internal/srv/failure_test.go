package srv

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

var good = zone{
	answers: testName + ` 60 SRV 0 0 5671 a.robots.example.
		a.robots.example. 60 A 10.1.2.3`,
}

const goodEndpoint = "a.robots.example 10.1.2.3:5671"

// only answers with just these records.
func only(records string) answerer { return zone{answers: records}.answer }

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer answerer
		want   error // wrapped
	}{
		{"NXDOMAIN", only(""), ErrNoName},
		{"no SRV records", only(testName + " 60 A 10.0.0.1"), ErrNoRecords},
		{"no service", only(testName + " 60 SRV 0 0 0 ."), ErrNoRecords},
		{"SERVFAIL", refuse(dns.RcodeServerFailure), RCode(2)},
		{"REFUSED", refuse(dns.RcodeRefused), RCode(5)},
		{"FORMERR", refuse(dns.RcodeFormatError), RCode(1)},
		{"target missing", only(testName + " 60 SRV 0 0 1 a.robots.example."), errNoAddress},
		{"target without address", only(testName + " 60 SRV 0 0 1 a.robots.example.\na.robots.example. 60 TXT x"), errNoAddress},
		{"target nonsense", only(testName + ` 60 SRV 0 0 1 a\000.robots.example.`), errBadTarget},
		{"targets fail", func(network string, q *dns.Msg) *dns.Msg {
			if q.Question[0].Qtype == dns.TypeSRV {
				return good.answer(network, q)
			}
			return new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
		}, RCode(2)},
		{"lame", func(_ string, q *dns.Msg) *dns.Msg {
			m := new(dns.Msg).SetReply(q)
			m.Ns = records("example. 60 NS ns.example.")
			return m
		}, errLame},
		{"truncated, and TCP does not work", func(network string, q *dns.Msg) *dns.Msg {
			m := new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
			if network == "udp" {
				m.Rcode, m.Truncated = dns.RcodeSuccess, true
			}
			return m
		}, RCode(2)},
		{"TCP: wrong question", func(_ string, q *dns.Msg) *dns.Msg {
			m := new(dns.Msg).SetReply(q)
			m.Truncated = true
			m.Question[0].Qtype = dns.TypeSRV + dns.TypeTXT - q.Question[0].Qtype
			return m
		}, errUnrelated},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Resolver{Server: serve(t, "127.0.0.1", c.answer)}
			if c.want == errUnrelated {
				r.Server = "tcp://" + r.Server
			}
			answer, err := r.Lookup(t.Context(), testName)
			if !errors.Is(err, c.want) || len(answer.Endpoints) > 0 {
				t.Fatalf("%v, %v; want %v", answer, err, c.want)
			}
			if !strings.HasPrefix(err.Error(), "srv: cannot look up "+testName+": ") {
				t.Errorf("the error does not say what was tried: %v", err)
			}
			if c.want != ErrNoName && errors.Is(err, ErrNoName) || innermostText(err) != c.want.Error() {
				t.Errorf("the error is of another kind: %v", err)
			}
		})
	}
}

// A datagram that does not answer the question is ignored.
func TestForged(t *testing.T) {
	for _, c := range []struct {
		name  string
		forge func(m *dns.Msg)
	}{
		{"wrong id", func(m *dns.Msg) { m.Id++ }},
		{"wrong name", func(m *dns.Msg) { m.Question[0].Name = "other.example." }},
		{"wrong type", func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeTXT }},
		{"wrong class", func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }},
		{"no question", func(m *dns.Msg) { m.Question = nil }},
		{"two questions", func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }},
		{"a question itself", func(m *dns.Msg) { m.Response = false }},
	} {
		t.Run(c.name, func(t *testing.T) {
			packets, listener := listenBoth(t, "127.0.0.1")
			defer listener.Close()
			done := make(chan struct{})
			go func() {
				defer close(done)
				buffer := make([]byte, 2000)
				for {
					n, from, err := packets.ReadFrom(buffer)
					if err != nil {
						return
					}
					q := new(dns.Msg)
					if q.Unpack(buffer[:n]) != nil {
						continue
					}
					forged := new(dns.Msg).SetReply(q)
					forged.Authoritative, forged.Rcode = true, dns.RcodeNameError
					c.forge(forged)
					for _, m := range []*dns.Msg{forged, good.answer("udp", q)} {
						if packet, err := m.Pack(); err == nil {
							_, _ = packets.WriteTo(packet, from)
						}
					}
				}
			}()
			defer func() { _ = packets.Close(); <-done }()
			answer, err := (&Resolver{Server: packets.LocalAddr().String()}).Lookup(t.Context(), testName)
			if err != nil || formatEndpoints(answer.Endpoints) != goodEndpoint {
				t.Errorf("%v, %v", answer, err)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{handler: silent}
		r := &Resolver{Server: "10.0.0.2", Dial: f.dial}
		begin := time.Now()
		_, err := r.Lookup(t.Context(), testName)
		if !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "10.0.0.2:53: no answer in time") {
			t.Error(err)
		}
		if d := time.Since(begin); d != 4*time.Second || len(f.questions()) != 2 {
			t.Errorf("%v and %v", d, f.questions())
		}
	})
}

// However many targets a server names without answering for them, a lookup ends, with what it has.
func TestTargetsTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z, _ := many(300)
		z.answers += z.extra
		z.extra = ""
		f := &fake{handler: func(network string, q *dns.Msg) *dns.Msg {
			if q.Question[0].Qtype == dns.TypeSRV || strings.HasPrefix(q.Question[0].Name, "target-0001.") {
				return z.answer(network, q)
			}
			return nil
		}}
		r := &Resolver{Server: "10.0.0.2", Dial: f.dial, Timeout: time.Second}
		begin := time.Now()
		answer, err := r.Lookup(t.Context(), testName)
		if err != nil || formatEndpoints(answer.Endpoints) != "target-0001.robots.example 10.1.0.1:5671" {
			t.Errorf("%v, %v", answer, err)
		}
		if d := time.Since(begin); d != 10*time.Second {
			t.Errorf("Lookup took %v", d)
		}
		if answer.Partial == nil || !strings.HasPrefix(answer.Partial.Error(), "299 problems, ") {
			t.Errorf("partial: %v", answer.Partial)
		}
	})
}

// Too many records: the first count, and the number of questions for them is bounded.
func TestTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z, _ := many(maxTargets + 10)
		f := &fake{handler: func(_ string, q *dns.Msg) *dns.Msg {
			if q.Question[0].Qtype == dns.TypeSRV {
				return zone{answers: z.answers}.answer("tcp", q)
			}
			m := new(dns.Msg).SetReply(q)
			m.Authoritative = true
			m.Answer = records(q.Question[0].Name + " 60 A 10.0.0.1")
			return m
		}}
		r := &Resolver{Server: "tcp://10.0.0.2", Dial: f.dial}
		if _, err := r.Lookup(t.Context(), testName); err != nil {
			t.Error(err)
		}
		if n := len(f.questions()); n != 1+2*maxAsked {
			t.Errorf("%d questions", n)
		}
	})
	t.Run("addresses along", func(t *testing.T) {
		r := &reply{extra: map[string]addresses{}}
		for i := range 2 * maxTargets {
			r.records = append(r.records, record{"a", uint16(1 + i%(maxTargets+10)), 7, 0})
		}
		r.records = append(r.records, record{"z", 7, 6, 0})
		got, problems := usableRecords(r)
		if len(got) != maxTargets || len(problems) != 11 || got[0].target != "z" || got[maxTargets-1].port != maxTargets-1 {
			t.Errorf("%d records, %d problems", len(got), len(problems))
		}
	})
}

func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{handler: silent}
		r := &Resolver{Server: "10.0.0.2", Dial: f.dial}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := r.Lookup(ctx, testName); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Error(err, time.Since(begin))
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		if _, err := r.Lookup(ctx, testName); !errors.Is(err, context.Canceled) || time.Since(begin) != 2*time.Second {
			t.Error(err, time.Since(begin))
		}
	})
}

// A port without a listener is noticed at once.
func TestNoServer(t *testing.T) {
	packets, listener := listenBoth(t, "127.0.0.1")
	_, _ = packets.Close(), listener.Close()
	r := &Resolver{Server: packets.LocalAddr().String(), Timeout: time.Minute}
	if _, err := r.Lookup(t.Context(), testName); err == nil || errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	if _, err := (&Resolver{Server: "nonsense:"}).Lookup(t.Context(), testName); err == nil || !strings.Contains(err.Error(), `"nonsense:"`) {
		t.Error(err)
	}
	if _, err := (&Resolver{Server: "10.0.0.2"}).Lookup(t.Context(), "a..b."); err == nil {
		t.Error("a name that cannot be asked for gives no error")
	}
}

// resolver makes a Resolver for a resolv.conf, and replaces the servers in it by test servers.
func resolver(t *testing.T, text string, servers map[string]string) *Resolver {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &Resolver{path: path, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, servers[address])
	}}
}

func TestServersInTurn(t *testing.T) {
	for name, bad := range map[string]answerer{
		"SERVFAIL": refuse(dns.RcodeServerFailure),
		"REFUSED":  refuse(dns.RcodeRefused),
		"silent":   silent,
		"lame":     func(_ string, q *dns.Msg) *dns.Msg { return new(dns.Msg).SetReply(q) },
		"hangs up": nil,
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			servers := map[string]string{"10.0.0.2:53": "127.0.0.1:1", "[fd00::2]:53": serve(t, "127.0.0.1", good.answer)}
			if bad != nil {
				servers["10.0.0.2:53"] = serve(t, "127.0.0.1", func(network string, q *dns.Msg) *dns.Msg {
					asked.Add(1)
					return bad(network, q)
				})
			}
			r := resolver(t, "nameserver 10.0.0.2\nnameserver fd00::2\n", servers)
			r.Timeout = time.Second / 2
			answer, err := r.Lookup(t.Context(), testName)
			if err != nil || formatEndpoints(answer.Endpoints) != goodEndpoint {
				t.Errorf("%v, %v", answer, err)
			}
			if n := asked.Load(); n != 1 && bad != nil {
				t.Errorf("the bad one was asked %d times: the good one should come first for targets", n)
			}
		})
	}
	t.Run("NXDOMAIN is an answer", func(t *testing.T) {
		r := resolver(t, "nameserver 10.0.0.2\nnameserver fd00::2\n", map[string]string{
			"10.0.0.2:53":  serve(t, "127.0.0.1", zone{}.answer),
			"[fd00::2]:53": serve(t, "127.0.0.1", good.answer),
		})
		if _, err := r.Lookup(t.Context(), testName); !errors.Is(err, ErrNoName) {
			t.Error(err)
		}
	})
}

func TestSearch(t *testing.T) {
	asked := make(chan string, 100)
	address := serve(t, "127.0.0.1", func(network string, q *dns.Msg) *dns.Msg {
		if q.Question[0].Qtype == dns.TypeSRV {
			asked <- q.Question[0].Name
		}
		if strings.HasSuffix(q.Question[0].Name, ".broken.") {
			return new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
		}
		return good.answer(network, q)
	})
	r := resolver(t, "nameserver 10.0.0.2\nsearch svc.example example broken\n", map[string]string{"10.0.0.2:53": address})
	for _, c := range []struct{ domain, server, want, found string }{
		{"robots", "", "_zre._tcp.robots.svc.example. _zre._tcp.robots.example.", "yes"},
		{"others", "", "_zre._tcp.others.svc.example. _zre._tcp.others.example. _zre._tcp.others.broken. _zre._tcp.others.broken. _zre._tcp.others.", "SERVFAIL"},
		{"robots.", "", "_zre._tcp.robots.", "no such name"},
		{"robots.example", "", "_zre._tcp.robots.example.", "yes"},
		{"robots.svc", "", "_zre._tcp.robots.svc. _zre._tcp.robots.svc.svc.example. _zre._tcp.robots.svc.example. _zre._tcp.robots.svc.broken. " +
			"_zre._tcp.robots.svc.broken.", "no such name"},
		{"robots.lab", "", "_zre._tcp.robots.lab.", "no such name"}, // the others are left out, as one has just failed
		{"_zre._tcp.robots", "", "_zre._tcp.robots.svc.example. _zre._tcp.robots.example.", "yes"},
		{"robots", "10.0.0.2", "_zre._tcp.robots.", "no such name"},
	} {
		t.Run(c.domain+c.server, func(t *testing.T) {
			name, err := Name(c.domain)
			if err != nil {
				t.Fatal(err)
			}
			r.Server = c.server
			found := "yes"
			if answer, err := r.Lookup(t.Context(), name); err != nil {
				found = innermostText(err)
			} else if formatEndpoints(answer.Endpoints) != goodEndpoint {
				t.Error(formatEndpoints(answer.Endpoints))
			}
			var names []string
			for len(asked) > 0 {
				names = append(names, <-asked)
			}
			if got := strings.Join(names, " "); got != c.want || found != c.found {
				t.Errorf("asked %s, found: %s", got, found)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []struct{ name, text, servers, search string }{
		{"empty", "", "127.0.0.1:53 [::1]:53", ""},
		{"Kubernetes", "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
			"10.96.0.10:53", "default.svc.cluster.local svc.cluster.local cluster.local"},
		{"zones, comments, nonsense", "# x\n; y\nnameserver\nnameserver ns.example\nnameserver fe80::1%eth0 # z\r\ndomain example.org.\n",
			"[fe80::1%eth0]:53", "example.org"},
		{"the last search counts", "search a b\nsearch c .. d/e\n", "127.0.0.1:53 [::1]:53", "c"},
		{"too many", "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\nsearch a b c d e f g\n",
			"10.0.0.1:53 10.0.0.2:53 10.0.0.3:53", "a b c d e f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseConfig(c.text)
			if err != nil {
				t.Fatal(err)
			}
			var servers []string
			for _, s := range got.servers {
				servers = append(servers, s.String())
			}
			if strings.Join(servers, " ") != c.servers || strings.Join(got.list.Search, " ") != c.search {
				t.Errorf("%v, %v", servers, got.list.Search)
			}
		})
	}
	if _, err := readConfig(t.TempDir()); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory: %v", err)
	}
}

// Without a resolv.conf the net package asks.
func TestSystem(t *testing.T) {
	r := &Resolver{path: filepath.Join(t.TempDir(), "none")}
	p, err := r.plan("_zre._tcp.robots")
	if _, ok := p.asker.(system); !ok || err != nil || len(p.names) != 1 || p.names[0] != "_zre._tcp.robots" {
		t.Fatalf("%T, %v, %v", p.asker, p.names, err)
	}
	for _, c := range []struct {
		name   string
		answer answerer
		want   error
	}{
		{"good", good.answer, nil},
		{"NXDOMAIN", zone{}.answer, ErrNoName},
		{"silent", silent, ErrTimeout},
		{"target missing", zone{answers: testName + " 60 SRV 0 0 1 missing.example."}.answer, errNoAddress},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := serve(t, "127.0.0.1", c.answer)
			s := system{&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, address)
			}}}
			ctx := t.Context()
			if c.want == ErrTimeout {
				short, cancel := context.WithTimeout(ctx, time.Second/10)
				defer cancel()
				ctx = short
			}
			answer, err := lookup(ctx, plan{asker: s}, testName)
			if !errors.Is(err, c.want) {
				t.Fatal(err)
			}
			if err != nil && innermostText(err) != c.want.Error() {
				t.Errorf("the error is of another kind: %v", err)
			}
			if err == nil && (formatEndpoints(answer.Endpoints) != goodEndpoint || answer.TTL != defaultTTL) {
				t.Errorf("%v", answer)
			}
		})
	}
}
