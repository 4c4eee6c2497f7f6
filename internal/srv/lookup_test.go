package srv

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// What a server answers, and the result.
var lookups = []struct {
	name    string
	ask     string // instead of testName
	zone    zone
	want    string // Target AddrPort, one per line
	ttl     time.Duration
	partial string
}{
	{
		name: "both families, asked for",
		zone: zone{answers: `
			_zre._tcp.robots.example. 60 SRV 0 0 5671 a.robots.example.
			a.robots.example. 50 A 10.1.2.3
			a.robots.example. 40 AAAA fd00::3`},
		want: "a.robots.example 10.1.2.3:5671\na.robots.example [fd00::3]:5671",
		ttl:  40 * time.Second,
	},
	{
		name: "sent along",
		zone: zone{
			answers: `_zre._tcp.robots.example. 60 SRV 0 0 5671 A.robots.example.`,
			extra: `
				a.Robots.example. 20 A 10.1.2.3
				a.robots.example. 90 AAAA fd00::3
				b.robots.example. 1 A 10.9.9.9`,
		},
		want: "a.robots.example 10.1.2.3:5671\na.robots.example [fd00::3]:5671",
		ttl:  20 * time.Second,
	},
	{
		name: "IPv6 only",
		zone: zone{answers: `
			_zre._tcp.robots.example. 60 SRV 0 0 5671 a.robots.example.
			a.robots.example. 60 AAAA fd00::3`},
		want: "a.robots.example [fd00::3]:5671",
		ttl:  time.Minute,
	},
	{
		name: "priority, weight, doubles",
		zone: zone{answers: `
			_zre._tcp.robots.example. 60 SRV 20 50 1 a.robots.example.
			_zre._tcp.robots.example. 60 SRV 10 1 2 a.robots.example.
			_zre._tcp.robots.example. 60 SRV 10 9 3 a.robots.example.
			_zre._tcp.robots.example. 60 SRV 30 0 3 b.robots.example.
			a.robots.example. 60 A 10.1.2.3
			b.robots.example. 60 A 10.1.2.3`},
		want: "a.robots.example 10.1.2.3:3\na.robots.example 10.1.2.3:2\na.robots.example 10.1.2.3:1",
		ttl:  time.Minute,
	},
	{
		name: "CNAMEs",
		zone: zone{answers: `
			_zre._tcp.robots.example. 30 CNAME _zre._tcp.other.example.
			_zre._tcp.other.example. 60 SRV 0 0 5671 alias.example.
			alias.example. 25 CNAME real.example.
			real.example. 60 A 10.1.2.3`},
		want: "alias.example 10.1.2.3:5671",
		ttl:  25 * time.Second,
	},
	{
		name: "four addresses of a family",
		zone: zone{answers: `
			_zre._tcp.robots.example. 60 SRV 0 0 1 a.robots.example.
			a.robots.example. 60 A 10.0.0.1
			a.robots.example. 60 A 10.0.0.2
			a.robots.example. 60 A 10.0.0.3
			a.robots.example. 60 A 10.0.0.4
			a.robots.example. 60 A 10.0.0.5
			a.robots.example. 60 AAAA fd00::1`},
		want: "a.robots.example 10.0.0.1:1\na.robots.example 10.0.0.2:1\na.robots.example 10.0.0.3:1\n" +
			"a.robots.example 10.0.0.4:1\na.robots.example [fd00::1]:1",
		ttl: time.Minute,
	},
	{
		name: "what cannot be used",
		zone: zone{answers: `
			_zre._tcp.robots.example. 60 SRV 0 0 0 a.robots.example.
			_zre._tcp.robots.example. 60 SRV 0 0 1 a\032b.robots.example.
			_zre._tcp.robots.example. 60 SRV 0 0 1 .
			_zre._tcp.robots.example. 60 SRV 0 0 1 missing.robots.example.
			_zre._tcp.robots.example. 60 SRV 0 0 1 a.robots.example.
			a.robots.example. 60 A 10.0.0.1
			a.robots.example. 60 A 0.0.0.0
			a.robots.example. 60 A 224.0.0.1
			a.robots.example. 60 A 255.255.255.255
			a.robots.example. 60 AAAA ::
			a.robots.example. 60 AAAA ff02::1
			a.robots.example. 60 AAAA fe80::1
			a.robots.example. 60 AAAA ::ffff:10.0.0.1`},
		want:    "a.robots.example 10.0.0.1:1",
		ttl:     time.Minute,
		partial: `3 problems, the first: not a host name and a port: "a.robots.example", 0`,
	},
	{
		name: "TTL 0",
		zone: zone{
			answers: `_zre._tcp.robots.example. 0 SRV 0 0 1 a.robots.example.`,
			extra:   `a.robots.example. 60 A 10.0.0.1`,
		},
		want: "a.robots.example 10.0.0.1:1",
	},
	{
		name: "TTL huge",
		zone: zone{
			answers: `_zre._tcp.robots.example. 2147483647 SRV 0 0 1 a.robots.example.`,
			extra:   `a.robots.example. 2147483647 A 10.0.0.1`,
		},
		want: "a.robots.example 10.0.0.1:1",
		ttl:  2147483647 * time.Second,
	},
	{
		name: "TTL negative",
		zone: zone{
			answers: `_zre._tcp.robots.example. 4294967295 SRV 0 0 1 a.robots.example.`,
			extra:   `a.robots.example. 60 A 10.0.0.1`,
		},
		want: "a.robots.example 10.0.0.1:1",
	},
	{
		name: "Kubernetes, headless service, addresses along",
		ask:  "_zre._tcp.robots.default.svc.cluster.local",
		zone: zone{
			answers: `
				_zre._tcp.robots.default.svc.cluster.local. 5 SRV 0 50 5671 10-1-2-3.robots.default.svc.cluster.local.
				_zre._tcp.robots.default.svc.cluster.local. 5 SRV 0 50 5671 robot-0.robots.default.svc.cluster.local.`,
			extra: `
				10-1-2-3.robots.default.svc.cluster.local. 5 A 10.1.2.3
				robot-0.robots.default.svc.cluster.local. 5 A 10.1.2.4`,
		},
		want: "10-1-2-3.robots.default.svc.cluster.local 10.1.2.3:5671\nrobot-0.robots.default.svc.cluster.local 10.1.2.4:5671",
		ttl:  5 * time.Second,
	},
	{
		name: "Kubernetes, headless service, both families, one address along",
		ask:  "robots.default.svc.cluster.local",
		zone: zone{
			answers: `
				_zre._tcp.robots.default.svc.cluster.local. 30 SRV 0 50 5671 10-1-2-3.robots.default.svc.cluster.local.
				_zre._tcp.robots.default.svc.cluster.local. 30 SRV 0 50 5671 fd00--4.robots.default.svc.cluster.local.
				10-1-2-3.robots.default.svc.cluster.local. 30 A 10.1.2.3
				fd00--4.robots.default.svc.cluster.local. 30 AAAA fd00::4`,
			extra: `10-1-2-3.robots.default.svc.cluster.local. 30 A 10.1.2.3`,
		},
		want: "10-1-2-3.robots.default.svc.cluster.local 10.1.2.3:5671\nfd00--4.robots.default.svc.cluster.local [fd00::4]:5671",
		ttl:  30 * time.Second,
	},
	{
		name: "Consul, RFC 2782 lookup",
		ask:  "_robots._tcp.service.consul",
		zone: zone{
			answers: `
				_robots._tcp.service.consul. 0 SRV 1 1 49152 0a010203.addr.dc1.consul.
				_robots._tcp.service.consul. 0 SRV 1 1 49153 node-b.node.dc1.consul.`,
			extra: `
				0a010203.addr.dc1.consul. 0 A 10.1.2.3
				node-b.node.dc1.consul. 0 A 10.1.2.4
				node-b.node.dc1.consul. 0 TXT "consul-network-segment="`,
		},
		want: "0a010203.addr.dc1.consul 10.1.2.3:49152\nnode-b.node.dc1.consul 10.1.2.4:49153",
	},
}

func TestLookup(t *testing.T) {
	for _, c := range lookups {
		t.Run(c.name, func(t *testing.T) {
			name := testName
			if c.ask != "" {
				var err error
				if name, err = Name(c.ask); err != nil {
					t.Fatal(err)
				}
			}
			for _, ip := range []string{"127.0.0.1", "::1"} {
				t.Run(ip, func(t *testing.T) {
					r := &Resolver{Server: serve(t, ip, c.zone.answer)}
					answer, err := r.Lookup(t.Context(), name)
					if err != nil {
						t.Fatal(err)
					}
					if got := formatEndpoints(answer.Endpoints); got != c.want {
						t.Errorf("got\n%s\nwant\n%s", got, c.want)
					}
					if answer.TTL != c.ttl {
						t.Errorf("TTL: got %v, want %v", answer.TTL, c.ttl)
					}
					if got := fmt.Sprint(answer.Partial); got != c.partial && (c.partial != "" || answer.Partial != nil) {
						t.Errorf("partial: %v; want %q", answer.Partial, c.partial)
					}
				})
			}
		})
	}
}

// How many questions a lookup takes, and what they look like.
func TestQuestions(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	z := zone{answers: testName + ` 60 SRV 0 0 1 a.robots.example.
		_zre._tcp.robots.example. 60 SRV 0 0 2 a.robots.example.
		_zre._tcp.robots.example. 60 SRV 0 0 2 missing.robots.example.
		a.robots.example. 60 A 10.0.0.1`}
	r := &Resolver{Server: serve(t, "127.0.0.1", func(network string, q *dns.Msg) *dns.Msg {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, q.Question[0].Name+" "+dns.TypeToString[q.Question[0].Qtype])
		if opt := q.IsEdns0(); opt == nil || opt.UDPSize() != 1232 || opt.Do() || !q.RecursionDesired || len(q.Question) != 1 {
			t.Errorf("asked with %v", q)
		}
		return z.answer(network, q)
	})}
	if answer, err := r.Lookup(t.Context(), testName); err != nil || len(answer.Endpoints) != 2 {
		t.Errorf("%v, %v", answer, err)
	}
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(asked)
	const want = testName + " SRV, a.robots.example. A, a.robots.example. AAAA, missing.robots.example. A"
	if got := strings.Join(asked, ", "); got != want {
		t.Errorf("asked %s", got)
	}
}

// many makes a zone of n targets, each with its address.
func many(n int) (zone, string) {
	var answers, extra, want strings.Builder
	for i := range n {
		fmt.Fprintf(&answers, "%s 60 SRV 0 0 5671 target-%04d.robots.example.\n", testName, i)
		fmt.Fprintf(&extra, "target-%04d.robots.example. 60 A 10.1.%d.%d\n", i, i/256, i%256)
		if i > 0 {
			want.WriteByte('\n')
		}
		fmt.Fprintf(&want, "target-%04d.robots.example 10.1.%d.%d:5671", i, i/256, i%256)
	}
	return zone{answers: answers.String(), extra: extra.String()}, want.String()
}

// Large answers come by TCP, whatever the server leaves out by UDP.
func TestLarge(t *testing.T) {
	z, want := many(100)
	t.Run("addresses along", func(t *testing.T) {
		lookUpLarge(t, z, want)
	})
	t.Run("addresses asked for", func(t *testing.T) {
		lookUpLarge(t, zone{answers: z.answers + z.extra}, want)
	})
}

func lookUpLarge(t *testing.T, z zone, want string) {
	t.Helper()
	var byTCP, bits atomic.Bool
	r := &Resolver{Server: serve(t, "127.0.0.1", func(network string, q *dns.Msg) *dns.Msg {
		m := z.answer(network, q)
		if network == "tcp" {
			byTCP.Store(true)
		} else if m.Truncated {
			bits.Store(true)
		}
		return m
	})}
	answer, err := r.Lookup(t.Context(), testName)
	if err != nil || answer.Partial != nil {
		t.Fatal(err, answer.Partial)
	}
	if got := formatEndpoints(answer.Endpoints); got != want {
		t.Errorf("got\n%s", got)
	}
	if !byTCP.Load() || !bits.Load() {
		t.Errorf("TCP: %v, truncated by UDP: %v", byTCP.Load(), bits.Load())
	}
}

// A server that leaves out records by UDP without saying so is asked by TCP if the user asks for that.
func TestTCPAlone(t *testing.T) {
	z, want := many(5)
	address := serve(t, "127.0.0.1", func(network string, q *dns.Msg) *dns.Msg {
		m := z.answer(network, q)
		if network == "udp" {
			m.Answer = m.Answer[:3]
		}
		return m
	})
	for server, count := range map[string]int{address: 3, "tcp://" + address: 5} {
		answer, err := (&Resolver{Server: server}).Lookup(t.Context(), testName)
		if err != nil || len(answer.Endpoints) != count {
			t.Errorf("%s: %d endpoints, %v; want %d", server, len(answer.Endpoints), err, count)
		}
		if got := formatEndpoints(answer.Endpoints); !strings.HasPrefix(want, got) {
			t.Errorf("%s: got\n%s", server, got)
		}
	}
}

// Too large even for TCP: what is there is used.
func TestCutByTCP(t *testing.T) {
	z, want := many(5)
	z.answers += z.extra
	r := &Resolver{Server: serve(t, "127.0.0.1", func(network string, q *dns.Msg) *dns.Msg {
		m := z.answer(network, q)
		m.Truncated = q.Question[0].Qtype == dns.TypeSRV
		return m
	})}
	answer, err := r.Lookup(t.Context(), testName)
	if err != nil || formatEndpoints(answer.Endpoints) != want {
		t.Errorf("%v, got\n%s", err, formatEndpoints(answer.Endpoints))
	}
	if answer.Partial == nil || innermostText(answer.Partial) != errTooLarge.Error() {
		t.Errorf("partial: %v", answer.Partial)
	}
}
