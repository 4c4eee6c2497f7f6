package doctor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A world is a simulated network, and what is examined in it from where.
type world struct {
	t   *testing.T
	lan *zretest.LAN
	us  *faulty
	cfg Config
}

// collect examines it, and compares the kinds of problems and notes, "problems | notes", with the expected ones.
func collect(t *testing.T, cfg Config, want string) *Report {
	t.Helper()
	begin := time.Now()
	facts, err := Collect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > DefaultTime+extraProbeTime+2*time.Second {
		t.Errorf("it took %v", took)
	}
	r := Diagnose(facts)
	kinds := func(list []Finding) string {
		var kinds []string
		for _, f := range list {
			kinds = append(kinds, f.Kind)
		}
		return strings.Join(kinds, " ")
	}
	if got := kinds(r.Problems) + " | " + kinds(r.Notes); got != want {
		t.Errorf("found %s; want %s\n%+v\n%+v", got, want, r.Problems, r.Notes)
	}
	return r
}

func endpoint(text string) []Endpoint {
	e, err := ParseEndpoint(text)
	if err != nil {
		panic(err)
	}
	return []Endpoint{e}
}

// What is found on a simulated network, and what Diagnose concludes: kinds of problems and notes.
func TestCollect(t *testing.T) {
	them := func(w *world) *zretest.Host { return w.lan.Host("10.0.0.2") }
	for _, c := range []struct {
		name  string
		build func(w *world)
		want  string // problems | notes
		check func(t *testing.T, r *Report)
	}{
		{"a healthy pair", func(w *world) { zretest.Start(w.t, them(w), zre.WithName("alice")) }, " | ", func(t *testing.T, r *Report) {
			n, i := r.Nodes[0], r.Interfaces[1]
			if n.Name != "alice" || !n.Entered || n.Local || n.Left || len(n.Beacons) != 2 || n.Mailboxes[0].Answer != Zre {
				t.Errorf("alice is told as %+v", n)
			}
			if h := n.Beacons[0]; h.Bytes != 22 || h.Multicast || h.Count < 3 || h.EveryMS < 300 || h.EveryMS > 1200 || h.State != "" {
				t.Errorf("her classic beacons: %+v", h)
			}
			if h := n.Beacons[1]; h.Bytes != 23 || !h.Multicast || h.State != "idle" {
				t.Errorf("her state beacons: %+v", h)
			}
			if i.Name != "eth0" || i.Use != "used" || i.Beacons[0].Back < 3 || i.Beacons[1].Back < 3 || len(i.Endpoints) != 1 {
				t.Errorf("eth0 is told as %+v", i)
			}
		}},
		{"on one host", func(w *world) { zretest.Start(w.t, w.us.Process()) }, " | alone", func(t *testing.T, r *Report) {
			if n := r.Nodes[0]; !n.Local || !n.Entered {
				t.Errorf("the node here is told as %+v", n)
			}
		}},
		{"alone", func(*world) {}, " | alone", nil},
		{"one that leaves", func(w *world) {
			node := zretest.Start(w.t, them(w))
			time.AfterFunc(2*time.Second, func() { node.Close() })
		}, " | ", func(t *testing.T, r *Report) {
			if !r.Nodes[0].Left {
				t.Errorf("it left: %+v", r.Nodes[0])
			}
		}},

		{"a firewall here drops incoming TCP", func(w *world) { zretest.Start(w.t, them(w)); w.us.accept = swallowed }, "no-hello | ", nil},
		{"a firewall there drops it", func(w *world) {
			zretest.Start(w.t, them(w))
			w.us.dial = func(string) error { return os.ErrDeadlineExceeded }
		}, "mailbox-silent | ", nil},
		{"a firewall here forbids outgoing TCP", func(w *world) {
			zretest.Start(w.t, them(w))
			w.us.dial = func(string) error { return os.NewSyscallError("connect", syscall.EPERM) }
		}, "mailbox-unreachable | ", nil},
		{"a firewall here blocks outgoing broadcasts", func(w *world) {
			zretest.Start(w.t, them(w))
			w.us.swallow = func(to netip.AddrPort) bool { return to.Port() == 5670 }
		}, "beacons-lost | ", nil},
		{"a firewall here blocks all outgoing beacons", func(w *world) {
			zretest.Start(w.t, them(w))
			w.us.swallow = func(netip.AddrPort) bool { return true }
		}, "beacons-lost | ", nil},
		{"UDP port taken", func(w *world) {
			zretest.Start(w.t, them(w)) // found by other beacons
			w.us.listenPacket = func(network string, port int) error {
				if port == 5670 {
					return os.NewSyscallError("bind", syscall.EADDRINUSE)
				}
				return nil
			}
		}, "udp-port-taken | ", func(t *testing.T, r *Report) {
			if !r.Ports[0].Taken || r.Ports[1].Taken || r.Self.Port == 0 || len(r.Nodes) != 1 || !r.Nodes[0].Entered {
				t.Errorf("%+v, self %+v, nodes %+v", r.Ports, r.Self, r.Nodes)
			}
		}},
		{"mailbox taken", func(w *world) {
			serve(w.t, w.us.Host, 5671, untilClosed)
			w.cfg.Listen = "tcp://*:5671"
		}, "no-start | ", nil},
		{"mailbox at one address", func(w *world) {
			w.us.AddInterface("10.1.0.1")
			w.cfg.Listen = "tcp://10.0.0.1:5671"
			zretest.Start(w.t, them(w))
		}, " | ", func(t *testing.T, r *Report) {
			if got := fmt.Sprint(r.Interfaces[1].Endpoints, r.Interfaces[2].Use); got != "[tcp://10.0.0.1:5671]not chosen" || r.Self.Port != 5671 {
				t.Errorf("endpoints, and the other interface: %s", got)
			}
		}},

		{"nobody listens", func(w *world) { speak(w.t, them(w), said(bobID, 5671)) }, "mailbox-refused | ", nil},
		{"it hangs", func(w *world) {
			h := them(w)
			serve(w.t, h, 5671, untilClosed)
			speak(w.t, h, said(bobID, 5671))
		}, "mailbox-mute | ", nil},
		{"it hangs up", func(w *world) {
			h := them(w)
			serve(w.t, h, 5671, func(net.Conn) {})
			speak(w.t, h, said(bobID, 5671))
		}, "mailbox-closed | ", nil},
		{"it is another program", func(w *world) {
			h := them(w)
			serve(w.t, h, 5671, func(nc net.Conn) { fmt.Fprint(nc, "SSH-2.0-OpenSSH\r\n"); untilClosed(nc) })
			speak(w.t, h, said(bobID, 5671))
		}, "mailbox-other | ", func(t *testing.T, r *Report) {
			if m := r.Nodes[0].Mailboxes[0]; !strings.Contains(m.Error, "0x53") {
				t.Errorf("it says %q", m.Error)
			}
		}},
		{"it is another node", func(w *world) {
			h := them(w)
			zretest.Start(w.t, h, zre.WithUUID(aliceID), zre.WithListen("tcp://*:5671"))
			speak(w.t, h, said(bobID, 5671))
		}, "mailbox-another | ", func(t *testing.T, r *Report) {
			if len(r.Nodes) != 2 || *r.Nodes[1].Mailboxes[0].UUID != aliceID {
				t.Errorf("nodes: %+v", r.Nodes)
			}
		}},
		{"twins", func(w *world) {
			h := them(w)
			zretest.Start(w.t, h, zre.WithUUID(aliceID), zre.WithListen("tcp://*:5671"))
			zretest.Start(w.t, w.lan.Host("10.0.0.3"), zre.WithUUID(aliceID), zre.WithListen("tcp://*:5672"))
		}, "twins | ", nil},
		{"CURVE", func(w *world) {
			b := said(bobID, 5671)
			b.Key[0] = 1
			speak(w.t, them(w), b)
		}, " | curve", func(t *testing.T, r *Report) {
			if h := r.Nodes[0].Beacons[0]; h.Bytes != 54 {
				t.Errorf("%+v", h)
			}
		}},
		{"a state by broadcast", func(w *world) { zretest.Start(w.t, them(w), zre.WithStateByBroadcast()) }, " | state-by-broadcast", nil},

		{"a named one that is heard", func(w *world) {
			zretest.Start(w.t, them(w), zre.WithListen("tcp://*:5671"))
			w.cfg.Peers = endpoint("tcp://alice.example:5671")
			w.lan.SetHostName("alice.example", "10.0.0.2")
		}, " | ", func(t *testing.T, r *Report) {
			if m := r.Peers[0].Mailboxes[0]; m.Endpoint != "tcp://10.0.0.2:5671" || m.Answer != Zre {
				t.Errorf("%+v", m)
			}
		}},
		{"a named one with other beacons", func(w *world) {
			zretest.Start(w.t, them(w), zre.WithListen("tcp://*:5671"), zre.WithBeaconPort(6000))
			w.cfg.Peers = endpoint("tcp://10.0.0.2:5671")
		}, " | peer-unheard", func(t *testing.T, r *Report) {
			p := r.Peers[0]
			if len(r.Nodes) != 1 || !p.Entered || *p.UUID != r.Nodes[0].UUID || p.KnownMS < 2000 || r.Nodes[0].Endpoint != p.Endpoint {
				t.Errorf("%+v, nodes %+v", p, r.Nodes)
			}
			if m := p.Mailboxes[0]; m.From == nil || m.From.String() != "10.0.0.1" {
				t.Errorf("reached from %v", m.From)
			}
		}},
		{"a named one in another subnet", func(w *world) {
			zretest.Start(w.t, w.lan.Host("10.9.0.2"), zre.WithListen("tcp://*:5671"))
			w.lan.SetRouting(true)
			w.cfg.Peers = endpoint("tcp://10.9.0.2:5671")
		}, " | peer-unheard", nil},
		{"a named one that cannot come back", func(w *world) {
			zretest.Start(w.t, them(w), zre.WithListen("tcp://*:5671"), zre.WithBeaconPort(6000))
			w.us.accept = swallowed
			w.cfg.Peers = endpoint("tcp://10.0.0.2:5671")
		}, "peer-no-hello | ", func(t *testing.T, r *Report) {
			if text := r.Problems[0].Text; !strings.Contains(text, fmt.Sprint("endpoint tcp://10.0.0.1:", r.Self.Port, " (")) {
				t.Error(text)
			}
		}},
		{"a named one that cannot come back, as we advertise a wrong endpoint", func(w *world) {
			zretest.Start(w.t, them(w), zre.WithListen("tcp://*:5671"), zre.WithBeaconPort(6000))
			w.cfg.Listen, w.cfg.Advertise = "tcp://*:5672", "tcp://10.0.0.77:9"
			w.cfg.Peers = endpoint("tcp://10.0.0.2:5671")
		}, "peer-no-hello | ", func(t *testing.T, r *Report) {
			if text := r.Problems[0].Text; !strings.Contains(text, "endpoint tcp://10.0.0.77:9 (") || r.Self.Port != 5672 {
				t.Errorf("port %d: %s", r.Self.Port, text)
			}
		}},
		{"a named one that is us", func(w *world) {
			w.cfg.Listen, w.cfg.Peers = "tcp://*:5671", endpoint("tcp://10.0.0.1:5671")
		}, " | alone", nil},
		{"a named one that is not there", func(w *world) {
			them(w)
			w.cfg.Peers = endpoint("tcp://10.0.0.2:5671")
		}, "peer-refused | ", nil},
		{"no such name", func(w *world) {
			w.cfg.Peers = endpoint("tcp://nobody.example:5671")
		}, "peer-name | ", nil},
		{"no resolver", func(w *world) {
			w.cfg.Peers = endpoint("tcp://nobody.example:5671")
			w.us.lookUp = func(ctx context.Context, host string) ([]netip.Addr, error) {
				<-ctx.Done()
				return nil, &net.DNSError{Err: "timeout", Name: host, IsTimeout: true}
			}
		}, "peer-name | ", func(t *testing.T, r *Report) {
			if !strings.Contains(r.Problems[0].Text, "does not answer") {
				t.Error(r.Problems[0].Text)
			}
		}},

		{"an interface that is down", func(w *world) {
			w.us.AddInterface("10.1.0.1")
			w.us.InterfaceDown("eth1")
			zretest.Start(w.t, them(w))
		}, " | ", func(t *testing.T, r *Report) {
			if i := r.Interfaces[2]; i.Use != "down" || i.Up || len(i.Used) > 0 || len(i.Beacons) > 0 {
				t.Errorf("eth1 is told as %+v", i)
			}
		}},
		{"the only one is down", func(w *world) { w.us.InterfaceDown("eth0") }, "loopback-only | ", nil},
		{"beacons on another port", func(w *world) {
			w.cfg.Port = 6000
			zretest.Start(w.t, them(w), zre.WithBeaconPort(6000))
		}, " | ", func(t *testing.T, r *Report) {
			if r.Ports[0].Port != 6000 || r.Ports[1].Port != 16000 || len(r.Nodes) != 1 {
				t.Errorf("ports %+v, nodes %+v", r.Ports, r.Nodes)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lan := zretest.NewLAN(t)
				us := &faulty{Host: lan.Host("10.0.0.1")}
				w := &world{t: t, lan: lan, us: us, cfg: Config{Network: us}}
				c.build(w)
				r := collect(t, w.cfg, c.want)
				if c.check != nil {
					c.check(t, r)
				}
			})
		})
	}
}

// Others see that the doctor is a doctor, and see it leave.
func TestCollectShowsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		alice := zretest.Start(t, lan.Host("10.0.0.2"))
		if _, err := Collect(t.Context(), Config{Network: lan.Host("10.0.0.1")}); err != nil {
			t.Fatal(err)
		}
		enter := zretest.Next[zre.Enter](alice)
		if enter.Peer.Name != "zre doctor" || enter.Peer.Headers["role"] != "doctor" {
			t.Errorf("alice saw %q, headers %v", enter.Peer.Name, enter.Peer.Headers)
		}
		if exit := zretest.Next[zre.Exit](alice); exit.Reason != zre.ReasonLeft {
			t.Errorf("it exited: %v", exit.Reason)
		}
	})
}

// A flood of beacons makes it keep, and allocate, no more than it should.
func TestCollectFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		them := lan.Host("10.0.0.2")
		var all []beacon.Beacon
		for i := range 1500 {
			if i%4 == 0 {
				all = append(all, said(uuid.New(), 5671))
			}
			all = append(all, said(uuid.New(), uint16(10_000+i)))
		}
		for port := range uint16(100) {
			all = append(all, said(bobID, 6000+port))
		}
		var tested atomic.Int32
		serve(t, them, 5671, func(nc net.Conn) { tested.Add(1); untilClosed(nc) })
		speak(t, them, all...)
		begin := time.Now()
		facts, err := Collect(t.Context(), Config{Network: lan.Host("10.0.0.1")})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > DefaultTime+extraProbeTime+2*time.Second {
			t.Errorf("it took %v", took)
		}
		// The doctor's node dials on its own, within its limits: 128 strangers per address.
		if n := tested.Load(); n > 1+128 {
			t.Errorf("one port was tested %d times", n)
		}
		if len(facts.Nodes) > maxNodes || facts.Unrecorded == 0 {
			t.Errorf("%d nodes are kept, %d beacons are not", len(facts.Nodes), facts.Unrecorded)
		}
		answers := make(map[Answer]map[string]bool)
		for _, n := range facts.Nodes {
			for _, m := range n.Mailboxes {
				if answers[m.Answer] == nil {
					answers[m.Answer] = make(map[string]bool)
				}
				answers[m.Answer][m.Endpoint] = true
			}
		}
		if mute, refused := len(answers[Mute]), len(answers[Refused]); mute != 1 || refused > maxTested || refused < maxTested/2 || len(answers[Untested]) == 0 {
			t.Errorf("%d ports are mute, %d refused, %d not tested", mute, refused, len(answers[Untested]))
		}
		for _, n := range facts.Nodes {
			if len(n.Beacons) > maxHeard || len(n.Mailboxes) > maxMailboxes {
				t.Errorf("%d beacons and %d mailboxes of a node", len(n.Beacons), len(n.Mailboxes))
			}
		}
	})
}

// An interrupted examination returns what is known by then.
func TestCollectInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		us := &faulty{Host: lan.Host("10.0.0.1"), dial: func(string) error { return os.ErrDeadlineExceeded }}
		zretest.Start(t, lan.Host("10.0.0.2"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		facts, err := Collect(ctx, Config{Network: us, Time: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > 3*time.Second || facts.ListenedMS != 1000 {
			t.Errorf("it took %v, and listened for %d ms", took, facts.ListenedMS)
		}
		if len(facts.Nodes) != 1 || facts.Nodes[0].Mailboxes[0].Answer != Untested {
			t.Errorf("nodes: %+v", facts.Nodes)
		}
	})
}

// Configuration that cannot be used is an error that says so.
func TestCollectErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		us := zretest.NewLAN(t).Host("10.0.0.1")
		for says, cfg := range map[string]Config{
			"70000":              {Port: 70_000},
			"60000":              {Port: 60_000},
			"tcp://*:PORT":       {Listen: ":5671"},
			"localhost":          {Listen: "tcp://localhost:5671"},
			"not a glob":         {Interfaces: []string{"!eth["}},
			"name with --listen": {Advertise: "tcp://203.0.113.7:5671"},
			"no interface eth7":  {Peers: []Endpoint{{Host: "fe80::1%eth7", Port: 5671}}},
		} {
			cfg.Network = us
			if _, err := Collect(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%+v: %v, want it to say %q", cfg, err, says)
			}
		}
	})
}
