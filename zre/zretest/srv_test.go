package zretest_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A nameServer is the DNS server 10.0.0.53 of a cluster. Tests can change its records and make it fail.
type nameServer struct {
	mu      sync.Mutex
	records []string // in zone file format
	err     error    // for each dial
	silent  bool
	code    int // of all answers, unless it is 0
	asked   int
}

func (s *nameServer) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *nameServer) answer(q *dns.Msg) *dns.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	switch {
	case s.silent:
		return nil
	case s.code != 0:
		return new(dns.Msg).SetRcode(q, s.code)
	}
	m := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
	m.Authoritative = true
	for _, text := range s.records {
		rr, err := dns.NewRR(text)
		if err != nil {
			panic(err)
		}
		if rr.Header().Name == q.Question[0].Name {
			m.Rcode = dns.RcodeSuccess
			if rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
	}
	return m
}

// serve answers queries on a connection, by UDP or TCP.
func (s *nameServer) serve(conn net.Conn, byTCP bool) {
	defer conn.Close()
	buffer := make([]byte, 2000)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		packet := buffer[:n]
		if byTCP {
			packet = packet[2:]
		}
		q := new(dns.Msg)
		if q.Unpack(packet) != nil {
			return
		}
		m := s.answer(q)
		if m == nil {
			continue
		}
		if packet, err = m.Pack(); err != nil {
			panic(err)
		}
		if byTCP {
			packet = append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
		}
		if _, err := conn.Write(packet); err != nil {
			return
		}
	}
}

// A pod is a host that can reach the DNS server.
type pod struct {
	*zretest.Host
	dns *nameServer
}

func (p *pod) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address != "10.0.0.53:53" {
		return p.Host.Dial(ctx, network, address)
	}
	p.dns.mu.Lock()
	defer p.dns.mu.Unlock()
	if err := cmp.Or(p.dns.err, ctx.Err()); err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	go p.dns.serve(theirs, network == "tcp")
	return ours, nil
}

const service = "_zre._tcp.robots.example."

// addRecord adds the records of a pod, with a TTL in seconds.
func (s *nameServer) addRecord(ip string, ttl int) {
	host := strings.ReplaceAll(ip, ".", "-") + ".robots.example."
	s.set(func() {
		s.records = append(s.records, fmt.Sprintf("%s %d SRV 0 100 5671 %s", service, ttl, host), fmt.Sprintf("%s %d A %s", host, ttl, ip))
	})
}

// startPod starts a node that finds others by DNS. It must be up at once.
func startPod(t *testing.T, lan *zretest.LAN, s *nameServer, ip string, options ...zre.Option) *zretest.Watched {
	t.Helper()
	began := time.Now()
	w := zretest.Start(t, &pod{lan.Host(ip), s}, append(options, zre.WithName(ip), zre.WithListen("tcp://*:5671"),
		zre.WithSRV("robots.example"), zre.WithDNSServer("10.0.0.53"))...)
	if took := time.Since(began); took > time.Second {
		t.Errorf("Start took %v", took)
	}
	return w
}

// A headless service of Kubernetes: the name does not exist before a pod is ready, some time after its node has started. The second node
// meets the first as soon as there is a record for it.
func TestFirstOfTwoPods(t *testing.T) {
	for _, ttl := range []int{0, 5, 30} {
		t.Run(fmt.Sprint("TTL ", ttl), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				lan.SetRouting(true)
				var s nameServer
				a := startPod(t, lan, &s, "10.0.1.1")
				b := startPod(t, lan, &s, "10.0.2.1")
				advance(20 * time.Second)
				expectEqual(t, "problems", problems(b), nil)
				s.addRecord("10.0.1.1", ttl)
				ready := time.Now()
				zretest.Next[zre.Enter](b)
				zretest.Next[zre.Enter](a)
				if took := time.Since(ready); took > 2*time.Second {
					t.Errorf("they met %v after the record came", took)
				}
				s.addRecord("10.0.2.1", ttl)
				advance(time.Minute)
				c := startPod(t, lan, &s, "10.0.3.1")
				advance(2 * time.Second)
				expectCounts(t, c, map[string]int{"zre.Enter": 2})
				s.set(func() { s.records = nil }) // none is ready any more: no session ends for that
				advance(5 * time.Minute)
				expectCounts(t, c, map[string]int{"zre.Enter": 2})
			})
		})
	}
}

// Consul keeps a service's record as long as its check passes: a connection to the node's port.
func TestServiceWithCheck(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetRouting(true)
		var s nameServer
		agent := lan.Host("10.0.9.1")
		passes := make(map[string]time.Time)
		for _, ip := range []string{"10.0.1.1", "10.0.2.1"} {
			go func() {
				for {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					conn, err := agent.Dial(ctx, "tcp", ip+":5671")
					cancel()
					if t.Context().Err() != nil {
						return
					}
					if err == nil {
						conn.Close()
						s.addRecord(ip, 0)
						s.set(func() { passes[ip] = time.Now() })
						return
					}
					time.Sleep(10 * time.Second) // fake time
				}
			}()
		}
		advance(5 * time.Second)
		a := startPod(t, lan, &s, "10.0.1.1")
		b := startPod(t, lan, &s, "10.0.2.1")
		zretest.Next[zre.Enter](a)
		zretest.Next[zre.Enter](b)
		s.set(func() {
			if first := passes["10.0.1.1"]; first.IsZero() || time.Since(first) > 2*time.Second {
				t.Errorf("the check passed at %v, they met %v later", first, time.Since(first))
			}
		})
	})
}

// Whatever the DNS does, a node starts at once, its neighbours see it, it reports what is wrong once, and it closes at once.
func TestStartDoesNotWaitForDNS(t *testing.T) {
	const problem = "DNS _zre._tcp.robots.example"
	for _, c := range []struct {
		name  string
		fail  func(s *nameServer)
		after time.Duration // when it becomes a problem
		cause string
	}{
		{"no such name", func(*nameServer) {}, 30 * time.Second, "no such name"},
		{"no records", func(s *nameServer) { s.records = []string{service + " 5 TXT x"} }, 30 * time.Second, "no SRV records"},
		{"port 0", func(s *nameServer) { s.records = []string{service + " 5 SRV 0 0 0 a.example."} }, 0, "not a host name and a port"},
		{"SERVFAIL", func(s *nameServer) { s.code = dns.RcodeServerFailure }, 0, "SERVFAIL"},
		{"refused", func(s *nameServer) { s.err = syscall.ECONNREFUSED }, 0, "connection refused"},
		{"no route", func(s *nameServer) { s.err = syscall.ENETUNREACH }, 0, "unreachable"},
		{"silence", func(s *nameServer) { s.silent = true }, 4 * time.Second, "no answer in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				lan.SetRouting(true)
				var s nameServer
				c.fail(&s)
				neighbour := zretest.Start(t, lan.Host("10.0.1.2"), zre.WithName("neighbour"))
				a := startPod(t, lan, &s, "10.0.1.1")
				began := time.Now()
				zretest.Next[zre.Enter](neighbour)
				if took := time.Since(began); took > time.Second {
					t.Errorf("the neighbour saw it after %v", took)
				}
				if c.after > 0 {
					advance(time.Until(began.Add(c.after)) - 10*time.Millisecond)
					expectEqual(t, "problems", problems(a), nil)
				}
				advance(2 * time.Second)
				expectEqual(t, "problems", problems(a), []string{problem})
				if list := a.Problems(); len(list) != 1 || list[0].Kind != zre.ProblemDNS || !strings.Contains(list[0].Err.Error(), c.cause) {
					t.Errorf("problems: %v", list)
				}
				advance(5 * time.Minute)
				expectEqual(t, "problems", problems(a), []string{problem})

				s.set(func() { s.err, s.silent, s.code, s.records = nil, false, 0, nil })
				zretest.Start(t, lan.Host("10.0.5.1"), zre.WithName("far"), zre.WithListen("tcp://*:5671"))
				s.addRecord("10.0.5.1", 5)
				came := time.Now()
				far := a.Wait("far", func(e zre.Event) bool { enter, ok := e.(zre.Enter); return ok && enter.Peer.Name == "far" })
				limit := 2 * time.Second
				if c.name == "silence" {
					limit = 4 * time.Second // a lost query is repeated after 2 s
				}
				if took := time.Since(came); took > limit {
					t.Errorf("%v entered %v after the DNS answers", far, took)
				}
				advance(time.Second)
				expectEqual(t, "problems", problems(a), []string{problem, problem + ": solved"})

				s.set(func() { s.silent = true })
				advance(6 * time.Second) // now a look-up waits
				began = time.Now()
				if err := a.Close(); err != nil || time.Since(began) > 100*time.Millisecond {
					t.Errorf("Close: %v after %v", err, time.Since(began))
				}
			})
		})
	}
}

// Sources can change while the node runs, and before.
func TestSourcesAtRunTime(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetRouting(true)
		var s nameServer
		s.addRecord("10.0.2.1", 5)
		lan.SetHostName("later.example", "10.0.3.1")
		far, hosts := make(map[string]*zretest.Watched), make(map[string]*zretest.Host)
		for ip, name := range map[string]string{"10.0.2.1": "by SRV", "10.0.3.1": "by name", "10.0.4.1": "by address"} {
			hosts[name] = lan.Host(ip)
			far[name] = zretest.Start(t, hosts[name], zre.WithName(name), zre.WithListen("tcp://*:5671"))
		}
		far["hub"] = zretest.Start(t, lan.Host("10.0.5.1"), zre.WithName("hub"), zre.WithGossipBind("tcp://*:5672"))
		far["member"] = zretest.Start(t, lan.Host("10.0.6.1"), zre.WithName("member"), zre.WithGossipConnect("tcp://10.0.5.1:5672"))

		node, err := zre.NewNode(zre.WithNetwork(&pod{lan.Host("10.0.1.1"), &s}), zre.WithDNSServer("10.0.0.53"), zre.WithPeers("tcp://10.0.9.9:5671"))
		if err != nil {
			t.Fatal(err)
		}
		defer node.Close()
		w := zretest.Watch(t, node)
		at := func(what string, err error, peers ...string) {
			t.Helper()
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
			advance(3 * time.Second)
			var names []string
			for _, p := range node.Peers() {
				names = append(names, p.Name)
			}
			slices.Sort(names)
			expectEqual(t, what, names, peers)
		}
		at("before Start", errors.Join(node.RemovePeers("tcp://10.0.9.9:5671"), node.AddPeers("tcp://10.0.4.1:5671", "tcp://10.0.4.1:5671")))
		at("Start", node.Start(t.Context()), "by address")
		expectEqual(t, "problems", problems(w), nil)
		at("AddPeers", node.AddPeers("tcp://later.example:5671"), "by address", "by name")
		at("AddSRV", node.AddSRV("robots.example"), "by SRV", "by address", "by name")
		at("ConnectGossip", node.ConnectGossip("tcp://10.0.5.1:5672"), "by SRV", "by address", "by name", "hub", "member")

		// A peer that is no longer named stays as long as it lives, and is not looked for again.
		at("remove", errors.Join(node.RemovePeers("tcp://later.example:5671", "tcp://10.0.4.1:5671", "tcp://never:1"), node.RemoveSRV("robots.example"),
			node.DisconnectGossip("tcp://10.0.5.1:5672")), "by SRV", "by address", "by name", "hub", "member")
		for _, name := range []string{"by SRV", "by name", "by address", "member"} {
			far[name].Close()
		}
		advance(2 * time.Minute)
		s.set(func() { s.asked = 0 })
		for _, host := range hosts {
			zretest.Start(t, host.Process(), zre.WithName("again"), zre.WithListen("tcp://*:5671"))
		}
		zretest.Start(t, lan.Host("10.0.7.1"), zre.WithName("again"), zre.WithGossipConnect("tcp://10.0.5.1:5672"))
		at("removed", nil, "hub")
		advance(2 * time.Minute)
		at("removed", nil, "hub")
		s.set(func() {
			if s.asked > 0 {
				t.Errorf("the DNS was asked %d times", s.asked)
			}
		})
		expectEqual(t, "problems that stand", currentProblems(w), nil)

		// A failing source is a problem until it is removed.
		s.set(func() { s.code = dns.RcodeServerFailure })
		at("what does not work", errors.Join(node.AddPeers("tcp://10.0.9.9:5671", "tcp://nowhere.example:1"), node.AddSRV("robots.example"),
			node.ConnectGossip("tcp://10.0.9.9:5672")), "hub")
		advance(10 * time.Second)
		all := []string{"unreachable tcp://10.0.9.9:5671", "DNS _zre._tcp.robots.example", "DNS tcp://nowhere.example:1", "gossip tcp://10.0.9.9:5672"}
		expectEqual(t, "problems that stand", currentProblems(w), all)
		at("remove it", errors.Join(node.RemovePeers("tcp://10.0.9.9:5671", "tcp://nowhere.example:1"), node.RemoveSRV("robots.example"),
			node.DisconnectGossip("tcp://10.0.9.9:5672")), "hub")
		expectEqual(t, "problems that stand", currentProblems(w), nil)
	})
}

// A malformed source is an error that names the call and the value, and the call changes nothing. On a closed node the error says so.
func TestInvalidSources(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		w := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("a"))
		for name, c := range map[string]struct {
			call        func(...string) error
			good, wrong string
		}{
			"AddPeers":         {w.AddPeers, "tcp://10.0.0.9:1", "robot:1"},
			"RemovePeers":      {w.RemovePeers, "tcp://10.0.0.9:1", "tcp://robot"},
			"AddSRV":           {w.AddSRV, "example.org", "10.0.0.1"},
			"RemoveSRV":        {w.RemoveSRV, "example.org", ""},
			"ConnectGossip":    {w.ConnectGossip, "tcp://10.0.0.9:1", "tcp://*:1"},
			"DisconnectGossip": {w.DisconnectGossip, "tcp://10.0.0.9:1", "tcp://hub:0"},
		} {
			err := c.call(c.good, c.wrong)
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), fmt.Sprintf("%q", c.wrong)) {
				t.Errorf("%s(%q): %v", name, c.wrong, err)
			}
		}
		advance(time.Minute)
		expectEqual(t, "problems", problems(w), nil)
		w.Close()
		for _, call := range []func(...string) error{w.AddPeers, w.RemovePeers, w.ConnectGossip, w.DisconnectGossip} {
			if err := call("tcp://10.0.0.9:1"); !errors.Is(err, zre.ErrClosed) {
				t.Errorf("a call of a closed node: %v", err)
			}
		}
		for _, call := range []func(...string) error{w.AddSRV, w.RemoveSRV} {
			if err := call("example.org"); !errors.Is(err, zre.ErrClosed) {
				t.Errorf("a call of a closed node: %v", err)
			}
		}
		synctest.Wait()
	})
}

// Changing sources from many goroutines while the node starts and closes does no harm.
func TestSourcesBesideStartAndClose(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		for i := range 20 {
			var s nameServer
			s.silent = i%2 == 0
			node, err := zre.NewNode(zre.WithNetwork(&pod{lan.Host(fmt.Sprintf("10.0.1.%d", i+1)), &s}), zre.WithDNSServer("10.0.0.53"))
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for _, call := range []func() error{
				func() error { return node.AddPeers("tcp://10.0.9.9:1", "tcp://x.example:1") },
				func() error { return node.AddSRV("robots.example") },
				func() error { return node.ConnectGossip("tcp://10.0.9.9:2") },
				func() error { return node.RemovePeers("tcp://10.0.9.9:1", "tcp://x.example:1") },
				func() error { return node.RemoveSRV("robots.example") },
				func() error { return node.DisconnectGossip("tcp://10.0.9.9:2") },
			} {
				all.Go(func() {
					for range 10 {
						if err := call(); err != nil && !errors.Is(err, zre.ErrClosed) {
							t.Error(err)
						}
						time.Sleep(time.Millisecond) // fake time
					}
				})
			}
			if err := node.Start(t.Context()); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Duration(i) * time.Millisecond) // fake time
			if err := node.Close(); err != nil {
				t.Error(err)
			}
			all.Wait()
		}
	})
}
