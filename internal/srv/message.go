package srv

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// datagram is the largest answer that we take by UDP, in octets: it passes everywhere in one piece.
const datagram = 1232

// A record is an SRV record.
type record struct {
	target                 string // lower case, without the last dot
	port, priority, weight uint16
}

// A reply is what a server said, as far as it matters here.
type reply struct {
	records []record
	ttl     time.Duration // the least of the answer, CNAMEs included
	host    addresses     // of the host that was asked for
	extra   map[string]addresses
	cut     bool // there were more
}

// question makes the octets of a question.
func question(id uint16, q dnsmessage.Question) ([]byte, error) {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, RecursionDesired: true})
	var opt dnsmessage.ResourceHeader
	err := errors.Join(
		b.StartQuestions(), b.Question(q),
		b.StartAdditionals(), opt.SetEDNS0(datagram, dnsmessage.RCodeSuccess, false), b.OPTResource(opt, dnsmessage.OPTResource{}))
	if err != nil {
		return nil, err
	}
	return b.Finish()
}

// errOther means that a message answers another question, or none.
var errOther = errors.New("the answer is to another question")

// parse reads an answer. Whose records they are is not checked in the answer section: a server puts there what it found by
// following CNAMEs, in whatever order.
func parse(packet []byte, id uint16, q dnsmessage.Question) (*reply, error) {
	var p dnsmessage.Parser
	header, err := p.Start(packet)
	if err != nil || !header.Response || header.ID != id {
		return nil, errOther
	}
	asked, err := p.AllQuestions()
	if err != nil || len(asked) != 1 || asked[0].Type != q.Type || asked[0].Class != q.Class ||
		!strings.EqualFold(asked[0].Name.String(), q.Name.String()) {
		return nil, errOther
	}
	switch header.RCode {
	case dnsmessage.RCodeSuccess:
	case dnsmessage.RCodeNameError:
		return nil, ErrNoName
	default:
		return nil, RCode(header.RCode)
	}
	r := &reply{ttl: math.MaxInt64, extra: map[string]addresses{}, cut: header.Truncated}
	count, err := r.answers(&p)
	if r.cut {
		return r, nil // it may end anywhere
	}
	if err != nil {
		return nil, fmt.Errorf("the answer is ill-formed: %w", err)
	}
	if count == 0 && !header.Authoritative && !header.RecursionAvailable {
		return nil, errLame
	}
	r.additionals(&p)
	return r, nil
}

// answers reads the answer section and counts its records.
func (r *reply) answers(p *dnsmessage.Parser) (count int, err error) {
	for ; ; count++ {
		h, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return count, nil
		}
		if err != nil {
			return count, err
		}
		if h.Class == dnsmessage.ClassINET && h.Type == dnsmessage.TypeSRV && h.Length > 6 { // else the parser would read beyond
			s, err := p.SRVResource()
			if err != nil {
				return count, err
			}
			r.records = append(r.records, record{host(s.Target), s.Port, s.Priority, s.Weight})
			r.ttl = min(r.ttl, ttl(h))
			continue
		}
		if addr, ok := address(p, h); ok {
			r.host.add(addr, ttl(h))
		} else if err := p.SkipAnswer(); err != nil {
			return count, err
		}
		if h.Type == dnsmessage.TypeCNAME {
			r.ttl = min(r.ttl, ttl(h))
		}
	}
}

// additionals takes addresses from the additional section. What is ill-formed there is not missed.
func (r *reply) additionals(p *dnsmessage.Parser) {
	if p.SkipAllAuthorities() != nil {
		return
	}
	for {
		h, err := p.AdditionalHeader()
		if err != nil {
			return
		}
		if addr, ok := address(p, h); ok {
			owner := host(h.Name)
			a := r.extra[owner]
			a.add(addr, ttl(h))
			r.extra[owner] = a
		} else if p.SkipAdditional() != nil {
			return
		}
	}
}

// address reads the record that follows h if it is an A or AAAA.
func address(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) (netip.Addr, bool) {
	if h.Class != dnsmessage.ClassINET {
		return netip.Addr{}, false
	}
	switch {
	case h.Type == dnsmessage.TypeA && h.Length == 4:
		a, err := p.AResource()
		return netip.AddrFrom4(a.A), err == nil
	case h.Type == dnsmessage.TypeAAAA && h.Length == 16:
		a, err := p.AAAAResource()
		return netip.AddrFrom16(a.AAAA), err == nil
	}
	return netip.Addr{}, false
}

func host(name dnsmessage.Name) string {
	return lower(name.String())
}

// lower gives the form of names in which they are compared.
func lower(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// ttl gives a record's time to live; one with the highest bit set counts as 0 (RFC 2181, section 8).
func ttl(h dnsmessage.ResourceHeader) time.Duration {
	if h.TTL > math.MaxInt32 {
		return 0
	}
	return time.Duration(h.TTL) * time.Second
}
