//go:build linux

package routed

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/go-zre/go-zre/internal/testbed"
)

// A server is a real DNS server on port 53 of a host, by UDP and TCP, authoritative for everything that it knows.
type server struct {
	address string // without the port

	t    *testing.T
	host *testbed.Host

	mu      sync.Mutex
	records []dns.RR
	asked   map[string]int // questions by network
	stop    func()
	silent  bool // answers nothing
}

func serveDNS(t *testing.T, h *testbed.Host) *server {
	t.Helper()
	s := &server{address: h.Addr.String(), t: t, host: h, asked: make(map[string]int)}
	s.start()
	t.Cleanup(s.end)
	return s
}

// start starts serving, also after an end.
func (s *server) start() {
	s.t.Helper()
	at := netip.AddrPortFrom(s.host.Addr, 53).String()
	var packets net.PacketConn
	var listener net.Listener
	err := s.host.Do(func() (err error) {
		if packets, err = net.ListenPacket("udp4", at); err != nil {
			return err
		}
		listener, err = net.Listen("tcp4", at)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	var stops []func()
	for network, d := range map[string]*dns.Server{"udp": {PacketConn: packets}, "tcp": {Listener: listener}} {
		d.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			if m := s.answer(network, q); m != nil {
				_ = w.WriteMsg(m)
			}
		})
		ready, done := make(chan struct{}), make(chan struct{})
		d.NotifyStartedFunc = func() { close(ready) }
		go func() {
			defer close(done)
			if err := d.ActivateAndServe(); err != nil && !errors.Is(err, net.ErrClosed) {
				s.t.Error(err)
			}
		}()
		<-ready
		stops = append(stops, func() {
			if err := d.Shutdown(); err != nil {
				s.t.Error(err)
			}
			<-done
		})
	}
	s.stop = func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// end closes the server's ports, as if its process had died.
func (s *server) end() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// set makes the server know these records, in zone file syntax, and no others.
func (s *server) set(zone string) {
	s.t.Helper()
	lines := strings.Split(zone, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line) // at the beginning it would stand for the owner above
	}
	var records []dns.RR
	parser := dns.NewZoneParser(strings.NewReader(strings.Join(lines, "\n")), ".", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		records = append(records, rr)
	}
	if err := parser.Err(); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = records
}

// setSilent makes the server answer nothing at all, or answer again.
func (s *server) setSilent(silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = silent
}

func (s *server) questions(network string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[network]
}

func (s *server) answer(network string, q *dns.Msg) *dns.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[network]++
	if s.silent {
		return nil
	}
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	known := false
	for _, rr := range s.records {
		if !strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
			continue
		}
		known = true
		if rr.Header().Rrtype == q.Question[0].Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	if !known {
		m.Rcode = dns.RcodeNameError
	}
	if network == "udp" {
		m.Truncate(dns.MinMsgSize) // for any client, so that a few records are too many
	}
	return m
}
