package srv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// datagram is the largest answer that we accept by UDP, in octets: it passes everywhere without fragmentation.
const datagram = 1232

// headerSize is the size of a message's header, in octets (RFC 1035, section 4.1.1).
const headerSize = 12

// A record is an SRV record.
type record struct {
	target                 string // lower case, without the last dot
	port, priority, weight uint16
}

// A reply is what a server answered, as far as it matters here.
type reply struct {
	records   []record
	ttl       time.Duration // the least of the answer, CNAMEs included
	host      addresses     // of the host in the question
	texts     []string      // its TXT records
	extra     map[string]addresses
	truncated bool  // there were more
	tcpErr    error // if cut: why TCP did not give the whole answer; nil if TCP gave no more
}

var (
	// errUnrelated means that a message answers another question, or none.
	errUnrelated = errors.New("the answer is to another question")

	errShort = errors.New("it ends within a record")
)

// A message is a packet that is read record by record. dns.Msg would unpack all of it: then a record of a kind that we did not ask for may
// take a thousand times its octets in memory, and nothing is left of a truncated answer that ends within a record.
type message struct {
	dns.MsgHdr
	packet []byte
	off    int // where the next record begins
}

// parse reads an answer. The owners of the records in the answer section are not checked: a server puts there what it found by following
// CNAMEs, in any order.
func parse(packet []byte, id uint16, q dns.Question) (*reply, error) {
	m, err := open(packet, id, q)
	if err != nil {
		return nil, err
	}
	switch m.Rcode {
	case dns.RcodeSuccess:
	case dns.RcodeNameError:
		return nil, ErrNoName
	default:
		return nil, RCode(m.Rcode)
	}
	r := &reply{ttl: math.MaxInt64, extra: map[string]addresses{}, truncated: m.Truncated}
	err = m.answers(r)
	if r.truncated {
		return r, nil // it may end anywhere
	}
	if err != nil {
		return nil, fmt.Errorf("the answer is ill-formed: %w", err)
	}
	if code := m.additionals(r); code != dns.RcodeSuccess {
		return nil, RCode(code)
	}
	if m.count(answerCount) == 0 && !m.Authoritative && !m.RecursionAvailable {
		return nil, errLame
	}
	return r, nil
}

// open reads the header and the question, which must be the one that was asked. A server that cannot read the question, for example because
// it does not know EDNS, repeats none: its code is accepted all the same, but not that there is no such name.
func open(packet []byte, id uint16, q dns.Question) (*message, error) {
	var header dns.Msg
	if len(packet) < headerSize || header.Unpack(packet[:headerSize]) != nil || !header.Response || header.Id != id {
		return nil, errUnrelated
	}
	m := &message{MsgHdr: header.MsgHdr, packet: packet, off: headerSize}
	if m.count(questionCount) == 0 || len(packet) == headerSize {
		if m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError {
			return nil, errUnrelated
		}
		return m, nil
	}
	name, off, err := dns.UnpackDomainName(packet, m.off)
	if err != nil || off+4 > len(packet) || m.count(questionCount) != 1 || !strings.EqualFold(name, q.Name) ||
		binary.BigEndian.Uint16(packet[off:]) != q.Qtype || binary.BigEndian.Uint16(packet[off+2:]) != q.Qclass {
		return nil, errUnrelated
	}
	m.off = off + 4
	return m, nil
}

// The offsets of the counts in the header.
const (
	questionCount   = 4
	answerCount     = 6
	authorityCount  = 8
	additionalCount = 10
)

func (m *message) count(at int) int { return int(binary.BigEndian.Uint16(m.packet[at:])) }

// next reads the head of a record, and returns where its data begins.
func (m *message) next() (h dns.RR_Header, data int, err error) {
	h.Name, data, err = dns.UnpackDomainName(m.packet, m.off)
	if err != nil {
		return h, 0, err
	}
	if data+10 > len(m.packet) {
		return h, 0, errShort
	}
	fixed := m.packet[data : data+10]
	h.Rrtype, h.Class = binary.BigEndian.Uint16(fixed), binary.BigEndian.Uint16(fixed[2:])
	h.Ttl, h.Rdlength = binary.BigEndian.Uint32(fixed[4:]), binary.BigEndian.Uint16(fixed[8:])
	data += len(fixed)
	if m.off = data + int(h.Rdlength); m.off > len(m.packet) {
		return h, 0, errShort
	}
	return h, data, nil
}

// answers reads the answer section, up to the first ill-formed record.
func (m *message) answers(r *reply) error {
	for range m.count(answerCount) {
		h, data, err := m.next()
		if err != nil {
			return err
		}
		switch {
		case h.Rrtype == dns.TypeCNAME:
			r.ttl = min(r.ttl, ttl(h))
		case h.Rrtype == dns.TypeSRV && h.Class == dns.ClassINET:
			rr, _, err := dns.UnpackRRWithHeader(h, m.packet, data)
			if err != nil {
				return err
			}
			if s, ok := rr.(*dns.SRV); ok && s.Target != "" {
				r.records = append(r.records, record{lower(s.Target), s.Port, s.Priority, s.Weight})
				r.ttl = min(r.ttl, ttl(h))
			}
		case h.Rrtype == dns.TypeTXT && h.Class == dns.ClassINET:
			if err := m.text(r, h, data); err != nil {
				return err
			}
		default:
			if addr, ok := m.address(h, data); ok {
				r.host.add(addr, ttl(h))
			}
		}
	}
	return nil
}

// additionals takes addresses from the additional section, and returns the code, which an OPT record there extends. Ill-formed records
// there are ignored.
func (m *message) additionals(r *reply) (code int) {
	for range m.count(authorityCount) {
		if _, _, err := m.next(); err != nil {
			return m.Rcode
		}
	}
	code = m.Rcode
	for range m.count(additionalCount) {
		h, data, err := m.next()
		if err != nil {
			break
		}
		if h.Rrtype == dns.TypeOPT {
			code |= (&dns.OPT{Hdr: h}).ExtendedRcode()
		} else if addr, ok := m.address(h, data); ok {
			owner := lower(h.Name)
			a := r.extra[owner]
			a.add(addr, ttl(h))
			r.extra[owner] = a
		}
	}
	return code
}

// address reads the data of a record if it is an A or AAAA.
func (m *message) address(h dns.RR_Header, data int) (netip.Addr, bool) {
	isA, isAAAA := h.Rrtype == dns.TypeA && h.Rdlength == net.IPv4len, h.Rrtype == dns.TypeAAAA && h.Rdlength == net.IPv6len
	if h.Class != dns.ClassINET || !isA && !isAAAA {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(m.packet[data : data+int(h.Rdlength)])
}

// lower returns the form of names in which they are compared.
func lower(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// ttl returns a record's time to live; one with the highest bit set counts as 0 (RFC 2181, section 8).
func ttl(h dns.RR_Header) time.Duration {
	if h.Ttl > math.MaxInt32 {
		return 0
	}
	return time.Duration(h.Ttl) * time.Second
}
