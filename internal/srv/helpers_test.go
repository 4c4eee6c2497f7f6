package srv

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// The name that most tests ask for.
const testName = "_zre._tcp.robots.example."

// An answerer makes the answer to a question; nil is none. It may be called by many at once.
type answerer func(network string, question *dns.Msg) *dns.Msg

// serve runs a real DNS server on a loopback address, by UDP and TCP, and returns its address.
func serve(t *testing.T, ip string, answer answerer) string {
	t.Helper()
	packets, listener := listenBoth(t, ip)
	t.Cleanup(start(t, packets, listener, answer))
	return listener.Addr().String()
}

// start runs a server until stop is called.
func start(t *testing.T, packets net.PacketConn, listener net.Listener, answer answerer) (stop func()) {
	t.Helper()
	var stops []func()
	for network, s := range map[string]*dns.Server{"udp": {PacketConn: packets}, "tcp": {Listener: listener}} {
		s.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			if m := answer(network, q); m != nil {
				_ = w.WriteMsg(m)
			}
		})
		ready, done := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go func() {
			defer close(done)
			if err := s.ActivateAndServe(); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		}()
		<-ready
		stops = append(stops, func() {
			if err := s.Shutdown(); err != nil {
				t.Error(err)
			}
			<-done
		})
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// listenBoth finds a port that is free for UDP and TCP.
func listenBoth(t *testing.T, ip string) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
		if err != nil {
			t.Skipf("no %s here: %v", ip, err)
		}
		p, err := net.ListenPacket("udp", l.Addr().String())
		if err == nil {
			return p, l
		}
		_ = l.Close()
	}
	t.Fatal("no port free for both")
	return nil, nil
}

// A zone is what a server knows: records in zone file syntax.
type zone struct {
	answers string // by owner and type; a CNAME leads on
	extra   string // sent along with SRV records
}

// answer answers as an authoritative server does.
func (z zone) answer(network string, q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative, m.Compress = true, true
	name, known := strings.ToLower(q.Question[0].Name), false
	for _, rr := range records(z.answers) {
		if strings.ToLower(rr.Header().Name) != name {
			continue
		}
		known = true
		if c, ok := rr.(*dns.CNAME); ok {
			name = c.Target
			m.Answer = append(m.Answer, rr)
		} else if rr.Header().Rrtype == q.Question[0].Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	if !known {
		m.Rcode = dns.RcodeNameError
	}
	if q.Question[0].Qtype == dns.TypeSRV {
		m.Extra = records(z.extra)
	}
	if opt := q.IsEdns0(); network == "udp" && opt != nil {
		m.SetEdns0(dns.DefaultMsgSize, false)
		m.Truncate(int(opt.UDPSize()))
	}
	return m
}

func records(text string) (list []dns.RR) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line) // at the beginning it would stand for the owner above
	}
	parser := dns.NewZoneParser(strings.NewReader(strings.Join(lines, "\n")), ".", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		list = append(list, rr)
	}
	if err := parser.Err(); err != nil {
		panic(err)
	}
	return list
}

// refuse answers with a code.
func refuse(code int) answerer {
	return func(_ string, q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, code) }
}

// silent never answers.
func silent(string, *dns.Msg) *dns.Msg { return nil }

// A fake is a server without sockets, for tests in fake time. Its answers may be changed.
type fake struct {
	mu      sync.Mutex
	handler answerer
	asked   []string // the names, in order
}

func (f *fake) set(a answerer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handler = a
}

func (f *fake) questions() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// dial is for Resolver.Dial.
func (f *fake) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	go f.answerOn(theirs, network)
	return ours, nil
}

func (f *fake) answerOn(conn net.Conn, network string) {
	defer conn.Close()
	buffer := make([]byte, 2000)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		packet := buffer[:n]
		if network == "tcp" {
			packet = packet[2:]
		}
		q := new(dns.Msg)
		if q.Unpack(packet) != nil {
			return
		}
		f.mu.Lock()
		f.asked = append(f.asked, q.Question[0].Name)
		handler := f.handler
		f.mu.Unlock()
		m := handler(network, q)
		if m == nil {
			continue
		}
		if packet, err = m.Pack(); err != nil {
			panic(err)
		}
		if network == "tcp" {
			packet = append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
		}
		if _, err := conn.Write(packet); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			return
		}
	}
}

// formatEndpoints formats endpoints as text.
func formatEndpoints(endpoints []Endpoint) string {
	var list []string
	for _, e := range endpoints {
		list = append(list, e.Target+" "+e.AddrPort.String())
	}
	return strings.Join(list, "\n")
}

func ports(list ...string) (set []netip.AddrPort) {
	for _, s := range list {
		set = append(set, netip.MustParseAddrPort(s))
	}
	return set
}
