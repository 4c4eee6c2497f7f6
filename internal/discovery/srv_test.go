package discovery

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/go-zre/go-zre/internal/cert"
)

// dial connects to the DNS server of the world, by UDP.
func (w *world) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	known := make(chan []string, 1)
	select {
	case w.loop <- func() { known <- slices.Clone(w.zone) }:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	zone := <-known
	if zone == nil {
		return nil, errRefused
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		buffer := make([]byte, 2000)
		for {
			n, err := theirs.Read(buffer)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(buffer[:n]) != nil {
				return
			}
			packet, err := answer(zone, q).Pack()
			if err != nil {
				return
			}
			if _, err := theirs.Write(packet); err != nil {
				return
			}
		}
	}()
	return ours, nil
}

func answer(zone []string, q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
	m.Authoritative = true
	for _, text := range zone {
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

// Names with SRV records are looked up from AddSRV to RemoveSRV, and their problems are reported.
func TestAddAndRemoveSRV(t *testing.T) {
	inWorld(t, func(w *world) {
		const x, y = "_zre._tcp.x.example.", "_zre._tcp.y.example."
		w.routers[a], w.routers[b] = router{id: one}, router{id: two}
		w.do(func() {
			w.cfg.DNSServer = "10.0.0.53"
			w.AddSRV(x)
			w.AddSRV(x)
			w.AddSRV(y)
		})
		w.pass(10 * time.Second)
		w.do(func() { slices.Sort(w.recorded) })
		w.expectRecorded("trouble with "+x, "trouble with "+y)
		w.do(func() {
			w.zone = []string{x + " 5 SRV 0 0 1 a.example.", "a.example. 5 A 10.0.0.1"}
			w.troubles[y] = nil
		})
		w.pass(2 * time.Second)
		w.expectRecorded("solved "+x, "meet 1 at 10.0.0.1:1")
		w.pass(emptyFor)
		w.expectRecorded("trouble with " + y)
		w.do(func() {
			w.RemoveSRV(y)
			w.RemoveSRV(y)
			w.RemoveSRV(x)
		})
		w.expectRecorded("solved "+y, "removed 10.0.0.1:1")
		w.do(func() { w.zone = []string{x + " 5 SRV 0 0 1 b.example.", "b.example. 5 A 10.0.0.2"} })
		w.pass(time.Minute)
		w.expectRecorded()
		w.do(func() { w.AddSRV(x) })
		w.pass(time.Second)
		w.expectRecorded("meet 2 at 10.0.0.2:1")
		if n := strings.Count(w.log.String(), "the name has no endpoints"); n != 1 {
			t.Errorf("logged %d times that there are no endpoints: %s", n, w.log.String())
		}
	})
}

// emptyFor is a little longer than the time in which a name may have no endpoints.
const emptyFor = 35 * time.Second

// A hub that cannot be reached is reported until it is disconnected, or the connection is up.
func TestDisconnect(t *testing.T) {
	inWorld(t, func(w *world) {
		dialled := 0
		h := w.NewHub(HubConfig{Dial: func(context.Context, string, string) (net.Conn, error) {
			dialled++
			return nil, errRefused
		}}, nil)
		const hub = "tcp://hub.example:5672"
		w.do(func() {
			if err := h.Connect(hub); err != nil {
				t.Error(err)
			}
		})
		w.pass(10 * time.Second)
		w.expectRecorded("trouble with " + hub)
		w.do(func() {
			for _, endpoint := range []string{hub, hub, "tcp://other:1"} {
				if err := h.Disconnect(endpoint); err != nil {
					t.Error(err)
				}
			}
			if err := h.Disconnect("tcp://hub"); err == nil {
				t.Error("Disconnect of an invalid endpoint: no error")
			}
		})
		w.expectRecorded("solved " + hub)
		before := dialled
		w.pass(time.Minute)
		if dialled != before {
			t.Errorf("the hub was dialled %d times after Disconnect", dialled-before)
		}
		w.expectRecorded()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

// A secure node takes targets of SRV records with the key in their TXT record.
func TestKeysOfSRV(t *testing.T) {
	inWorld(t, func(w *world) {
		const x = "_zre._tcp.x.example."
		key := cert.PublicKey{1}
		w.do(func() {
			w.cfg.DNSServer, w.cfg.Secure = "10.0.0.53", true
			w.zone = []string{
				x + " 5 SRV 0 0 1 a.example.", "a.example. 5 A 10.0.0.1", `a.example. 5 TXT "zre-key=` + key.String() + `"`,
				x + " 5 SRV 0 0 1 b.example.", "b.example. 5 A 10.0.0.2",
				x + " 5 SRV 0 0 1 c.example.", "c.example. 5 A 10.0.0.3", `c.example. 5 TXT "zre-key=none"`,
			}
			w.AddSRV(x)
		})
		w.pass(time.Second)
		w.do(func() {
			if len(w.candidates) != 1 || w.candidates[Place{a, key}] == nil {
				t.Errorf("candidates %v", w.candidates)
			}
			w.zone = w.zone[3:5]
		})
		w.pass(10 * time.Second)
		w.do(func() {
			if len(w.candidates) != 1 || w.troubles[x] == nil {
				t.Errorf("after the record has gone: %v, %v", w.candidates, w.troubles)
			}
		})
	})
}
