package srv

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A canned connection answers each question with the same octets, except for the id and, if it is to be accepted, the question.
type canned struct {
	net.Conn // nil
	answer   []byte
	tcp      bool
	out      []byte
}

func (c *canned) Write(p []byte) (int, error) {
	n := len(p)
	if c.tcp {
		p = p[2:]
	}
	c.out = append([]byte{}, p[:2]...)
	c.out = append(c.out, 0x84|c.answer[0]&2, c.answer[1])
	c.out = append(c.out, 0, 1)
	c.out = append(c.out, c.answer[2:8]...)
	c.out = append(c.out, p[12:len(p)-11]...) // without OPT
	c.out = append(c.out, c.answer[8:]...)
	if c.tcp {
		c.out = append(binary.BigEndian.AppendUint16(nil, uint16(len(c.out))), c.out...)
	}
	return n, nil
}

func (c *canned) Read(p []byte) (int, error) {
	if len(c.out) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	if !c.tcp {
		c.out = nil
	}
	return n, nil
}

func (c *canned) Close() error                { return nil }
func (c *canned) LocalAddr() net.Addr         { return nil }
func (c *canned) SetDeadline(time.Time) error { return nil }

// seeds returns answers that begin with the flags and the counts, and leave out the question.
func seeds(f *testing.F) {
	add := func(m *dns.Msg) {
		packet, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		q := dns.Msg{Question: m.Question}
		head, err := q.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(append([]byte{packet[2] & 2, packet[3]}, packet[6:12]...), packet[len(head):]...))
	}
	for _, c := range lookups {
		m := c.zone.answer("tcp", new(dns.Msg).SetQuestion(testName, dns.TypeSRV))
		m.Rcode = 0
		m.Compress = false
		add(m)
		m.Truncated = true
		add(m)
	}
	m := refuse(dns.RcodeServerFailure)("udp", new(dns.Msg).SetQuestion(testName, dns.TypeSRV))
	add(m)
	// A name that points at itself, and one that points at the question.
	for _, pointer := range []byte{12, 12 + 27 + 4} {
		f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0xc0, pointer, 0, 33, 0, 1, 0, 0, 0, 9, 0, 8, 0, 0, 0, 0, 0, 7, 0xc0, pointer})
	}
}

// Whatever a server answers, a lookup ends, and its endpoints can be dialled.
func FuzzLookup(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, answer []byte) {
		if len(answer) < 8 {
			return
		}
		asked := make(chan *int, 1)
		asked <- new(int)
		r := &Resolver{Server: "10.0.0.2", Dial: func(_ context.Context, network, _ string) (net.Conn, error) {
			n := <-asked
			defer func() { asked <- n }()
			*n++
			return &canned{answer: answer, tcp: network == "tcp"}, nil
		}}
		got, err := r.Lookup(t.Context(), testName)
		if (err == nil) != (len(got.Endpoints) > 0) {
			t.Fatalf("%v, %v", got, err)
		}
		if n := *<-asked; n > (1+2*maxAsked)*defaultTries*2+maxConcurrent { // a server without EDNS is noticed by as many at once
			t.Fatalf("%d questions", n)
		}
		if got.TTL < 0 || got.TTL > 1<<31*time.Second {
			t.Fatalf("TTL %v", got.TTL)
		}
		for _, e := range got.Endpoints {
			if !e.AddrPort.IsValid() || e.AddrPort.Port() == 0 || !usable(e.AddrPort.Addr()) || badName(e.Target) != "" {
				t.Fatalf("%v", e)
			}
		}
	})
}

// Reading record by record gives what the library reads as a whole, if it can read it.
func FuzzParse(f *testing.F) {
	f.Add([]byte("\x00\x01\x84\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x21\x00\x01"), uint16(1))
	for _, c := range lookups {
		m := c.zone.answer("tcp", new(dns.Msg).SetQuestion(testName, dns.TypeSRV))
		packet, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet, m.Id)
	}
	q := dns.Question{Name: testName, Qtype: dns.TypeSRV, Qclass: dns.ClassINET}
	f.Fuzz(func(t *testing.T, packet []byte, id uint16) {
		r, err := parse(packet, id, q)
		if err != nil {
			return
		}
		m := new(dns.Msg)
		if r.truncated || m.Unpack(packet) != nil {
			return
		}
		if m.Id != id || !m.Response || m.Rcode != 0 && m.IsEdns0() == nil {
			t.Fatalf("an invalid answer was accepted: %v", m)
		}
		n := 0
		for _, rr := range m.Answer {
			if s, ok := rr.(*dns.SRV); ok && s.Hdr.Class == dns.ClassINET && s.Target != "" {
				if n < len(r.records) && (r.records[n].port != s.Port || r.records[n].priority != s.Priority || r.records[n].weight != s.Weight) {
					t.Fatalf("%v read as %v", s, r.records[n])
				}
				n++
			}
		}
		if n != len(r.records) {
			t.Fatalf("%d SRV records, not %d: %v", len(r.records), n, m)
		}
	})
}
