//go:build linux

package routed

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

const srvName = "_zre._tcp.robots.example."

// record is an SRV record with the address of its target.
func record(name string, h *testbed.Host, port string) string {
	return fmt.Sprintf("%s 1 SRV 0 0 %s %s.robots.example.\n%s.robots.example. 1 A %v\n", name, port, h.Name, h.Name, h.Addr)
}

// asked waits until a server has been asked again, twice: then the first answer is in use.
func asked(t *testing.T, s *server) {
	t.Helper()
	before := s.questions("udp") + s.questions("tcp")
	for deadline := time.Now().Add(testbed.Patience); s.questions("udp")+s.questions("tcp") < before+2; {
		if time.Now().After(deadline) {
			t.Fatal("the DNS server is not asked any more")
		}
		<-time.After(20 * time.Millisecond)
	}
}

// The first node finds only itself. A later node is dialled; a node whose record is removed stays; and without a server the last answer
// holds.
func TestSRVChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := serveDNS(t, w.host(w.there, "dns"))
	own := record(srvName, w.a, port)
	s.set(own)
	a := start(t, w.a, testbed.Zre, listening("a", "--srv", "robots.example", "--resolver", s.address))
	b := start(t, w.b, testbed.Zre, listening("b"))
	s.set(own + record(srvName, w.b, port))
	meet(t, a, b)
	s.end()
	b.Kill()
	gone(t, a, b, "crashed")
	c := start(t, w.b, testbed.Zre, listening("c"))
	meet(t, a, c)
	s.set(own)
	s.start()
	asked(t, s)
	calm(t, a, c)
	once(t, a, c)
}

// What does not fit into a datagram comes by TCP. Many records lead nowhere.
func TestSRVLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := serveDNS(t, w.host(w.there, "dns"))
	var zone strings.Builder
	for i := range 100 {
		zone.WriteString(record(srvName, w.b, fmt.Sprint(7000+i)))
	}
	s.set(zone.String() + record(srvName, w.b, port))
	b := start(t, w.b, testbed.Zre, listening("b"))
	a := start(t, w.a, testbed.Zre, options("a", "--srv", "robots.example", "--resolver", s.address))
	meet(t, a, b)
	if s.questions("tcp") == 0 {
		t.Error("nobody asked by TCP")
	}
}

// The names that Kubernetes and Consul use, in the form in which their DNS servers answer.
func TestSRVNames(t *testing.T) {
	t.Parallel()
	const search = "search default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
	const headless = "_zre._tcp.robots.default.svc.cluster.local."
	for _, test := range []struct {
		name, srv, resolver string
		zone                string // %[1]v is the address of b
		network             string // the only network by which the server is asked
	}{
		{"Kubernetes", "_zre._tcp.robots.default.svc.cluster.local", "",
			headless + " 5 SRV 0 100 5671 10-1-0-7.robots.default.svc.cluster.local.\n10-1-0-7.robots.default.svc.cluster.local. 5 A %[1]v", "udp"},
		{"Kubernetes, from another namespace", "robots.default", "",
			headless + " 5 SRV 0 100 5671 10-1-0-7.robots.default.svc.cluster.local.\n10-1-0-7.robots.default.svc.cluster.local. 5 A %[1]v", "udp"},
		{"Kubernetes, within the namespace", "robots", "",
			headless + " 5 SRV 0 100 5671 10-1-0-7.robots.default.svc.cluster.local.\n10-1-0-7.robots.default.svc.cluster.local. 5 A %[1]v", "udp"},
		{"Consul", "_robots._tcp.service.consul", "tcp://%s:53",
			"_robots._tcp.service.consul. 0 SRV 1 1 5671 0a010007.addr.dc1.consul.\n0a010007.addr.dc1.consul. 0 A %[1]v", "tcp"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := serveDNS(t, w.host(w.there, "dns"))
			s.set(fmt.Sprintf(test.zone, w.b.Addr))
			args := []string{"--srv", test.srv}
			if test.resolver == "" {
				w.a.SetFile("/etc/resolv.conf", "nameserver "+s.address+"\n"+search)
			} else {
				args = append(args, "--resolver", fmt.Sprintf(test.resolver, s.address))
			}
			b := start(t, w.b, testbed.Zre, listening("b"))
			a := start(t, w.a, testbed.Zre, options("a", args...))
			meet(t, a, b)
			calm(t, a, b)
			once(t, a, b)
			for _, other := range []string{"udp", "tcp"} {
				if n := s.questions(other); other != test.network && n > 0 {
					t.Errorf("%d questions by %s", n, other)
				}
			}
		})
	}
}

// A host name of a static peer becomes known, and then has two addresses, one of which leads nowhere.
func TestHostNameByDNS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := serveDNS(t, w.host(w.there, "dns"))
	w.a.SetFile("/etc/resolv.conf", "nameserver "+s.address+"\n")
	b := start(t, w.b, testbed.Zre, listening("b"))
	a := start(t, w.a, testbed.Zre, options("a", "--peer", "tcp://robot.example:"+port))
	s.set(fmt.Sprintf("robot.example. 1 A %v\nrobot.example. 1 A 10.99.0.1\n", w.b.Addr))
	meet(t, a, b)
	calm(t, a, b)
	once(t, a, b)
}

// A node does not wait for the DNS: it is up at once, and reports what is wrong. When the DNS works it meets others.
func TestSRVFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		fail func(s *server)
		tcp  string
		want string // of the problem; "" if there is none yet
	}{
		{"no such name", func(s *server) {}, "", ""},
		{"no answer", func(s *server) { s.setSilent(true) }, "", "no answer in time"},
		{"no server", (*server).end, "", "refused"},
		{"no server, by TCP", (*server).end, "tcp://", "refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := start(t, w.b, testbed.Zre, listening("b"))
			s := serveDNS(t, w.host(w.there, "dns"))
			test.fail(s)
			began := time.Now()
			a := start(t, w.a, testbed.Zre, listening("a", "--srv", "robots.example", "--resolver", test.tcp+s.address))
			t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
			isProblem := func(e testbed.Event) bool { return e.Event == "problem" }
			if test.want != "" {
				if e := a.Wait(t, "the problem", isProblem); !strings.Contains(e.Error, test.want) || !strings.Contains(e.Error, srvName) {
					t.Errorf("%+v", e)
				}
			} else if e, ok := a.Try(testbed.Event{}, calmTime, isProblem); ok {
				t.Errorf("%v", e)
			}
			s.set(record(srvName, w.b, port))
			s.setSilent(false)
			if s.stop == nil {
				s.start()
			}
			meet(t, a, b)
		})
	}
}

// Two nodes start before there is a record of either, as Kubernetes pods do: the name does not exist until one is ready. The other case is
// Consul's check, which passes when the port listens.
func TestSRVFirstOfTwo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		ready func(t *testing.T, w *world) // waits until a is ready
	}{
		{"Kubernetes", func(*testing.T, *world) {}},
		{"Consul", func(t *testing.T, w *world) {
			for deadline := time.Now().Add(testbed.Patience); ; {
				err := w.b.Do(func() error {
					conn, err := net.DialTimeout("tcp", net.JoinHostPort(w.a.Addr.String(), port), time.Second)
					if err == nil {
						conn.Close()
					}
					return err
				})
				if err == nil {
					return
				}
				if time.Now().After(deadline) {
					t.Fatal(err)
				}
				<-time.After(100 * time.Millisecond)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := serveDNS(t, w.host(w.there, "dns"))
			args := []string{"--srv", "robots.example", "--resolver", s.address}
			a := start(t, w.a, testbed.Zre, listening("a", args...))
			b := start(t, w.b, testbed.Zre, listening("b", args...))
			asked(t, s)
			test.ready(t, w)
			came := time.Now()
			s.set(record(srvName, w.a, port))
			b.Wait(t, "ENTER of a", testbed.Is("enter", a))
			if took := time.Since(came); took > 2*time.Second {
				t.Errorf("they met %v after the record came", took)
			} else {
				t.Logf("they met %v after the record came", took.Round(time.Millisecond))
			}
			meet(t, a, b)
			s.set(record(srvName, w.a, port) + record(srvName, w.b, port))
			asked(t, s)
			calm(t, a, b)
			once(t, a, b)
		})
	}
}

// A host with an address of each family is one peer.
func TestSRVBothFamilies(t *testing.T) {
	t.Parallel()
	lan := testbed.NewLAN(t, "")
	ha, hb, hd := lan.Host("a"), lan.Host("b"), lan.Host("dns")
	for i, h := range []*testbed.Host{ha, hb} {
		out, err := h.Command("ip", "addr", "add", fmt.Sprintf("fd77::%d/64", i+1), "dev", h.Interface, "nodad").CombinedOutput()
		if err != nil {
			testbed.Missing(t, "IPv6: %s", out)
		}
	}
	s := serveDNS(t, hd)
	for _, kind := range []testbed.Kind{testbed.Zre, testbed.Zyre} {
		s.set(record(srvName, hb, port) + "b.robots.example. 1 AAAA fd77::2\n")
		var b *testbed.Peer
		if kind == testbed.Zre {
			b = start(t, hb, kind, listening("b"))
		} else {
			b, _ = foreign(t, hb, kind, "b")
		}
		a := start(t, ha, testbed.Zre, options("a", "--srv", "robots.example", "--resolver", s.address))
		meet(t, a, b)
		calm(t, a, b)
		once(t, a, b)
		a.Quit(t)
		b.Quit(t)
	}
}
