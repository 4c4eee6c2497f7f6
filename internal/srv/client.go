package srv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// A client asks servers, for one lookup.
type client struct {
	servers []server // the one that answered last comes first
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	timeout time.Duration // of one question to one server
	tries   int           // how often each server is asked before a question is given up: datagrams get lost
	noAAAA  bool          // do not ask for IPv6 addresses
	noEDNS  sync.Map      // servers that do not know EDNS
}

func (c *client) records(ctx context.Context, name string) (*reply, error) {
	i, r, err := c.ask(ctx, name, dns.TypeSRV)
	if err != nil {
		return nil, err
	}
	good := c.servers[i]
	c.servers = slices.Insert(slices.Delete(c.servers, i, i+1), 0, good)
	return r, nil
}

// host asks for both families. It returns an error only if nothing was found.
func (c *client) host(ctx context.Context, name string) (addresses, error) {
	var found addresses
	var problem error
	for _, family := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if family == dns.TypeAAAA && c.noAAAA {
			break
		}
		_, r, err := c.ask(ctx, dns.Fqdn(name), family)
		if errors.Is(err, ErrNoName) {
			break
		}
		if err != nil {
			problem = err
			continue
		}
		for _, addr := range r.host.list {
			found.add(addr, min(r.host.ttl, r.ttl))
		}
	}
	if len(found.list) > 0 {
		return found, nil
	}
	return found, problem
}

// ask asks one server after the other, until one knows the answer. It returns the server's index.
func (c *client) ask(ctx context.Context, name string, kind uint16) (int, *reply, error) {
	if _, ok := dns.IsDomainName(name); !ok {
		return 0, nil, fmt.Errorf("%q is no domain name", name)
	}
	q := dns.Question{Name: name, Qtype: kind, Qclass: dns.ClassINET}
	var err error
	for range c.tries {
		for i, s := range c.servers {
			var r *reply
			if r, err = c.exchange(ctx, s, q); err == nil {
				return i, r, nil
			}
			err = fmt.Errorf("%v: %w", s, err)
			if errors.Is(err, ErrNoName) || ctx.Err() != nil {
				return 0, nil, err
			}
		}
	}
	return 0, nil, err
}

// exchange asks one server, by UDP first.
func (c *client) exchange(ctx context.Context, s server, q dns.Question) (*reply, error) {
	if s.tcp {
		return c.exchangeOver(ctx, "tcp", s, q)
	}
	r, err := c.exchangeOver(ctx, "udp", s, q)
	if err != nil || !r.truncated {
		return r, err
	}
	byTCP, err := c.exchangeOver(ctx, "tcp", s, q)
	switch {
	case err == nil || errors.Is(err, ErrNoName):
		return byTCP, err
	case len(r.records) > 0 || len(r.host.list) > 0: // some peers are better than none
		r.tcpErr = fmt.Errorf("%v: %v, and by TCP: %w", s, errTruncated, err)
		return r, nil
	}
	return nil, fmt.Errorf("%v, and by TCP: %w", errTruncated, err)
}

// exchangeOver asks by UDP or TCP: with EDNS, so that more fits into a datagram, and without if the server does not know it (RFC 6891, section 7).
func (c *client) exchangeOver(ctx context.Context, network string, s server, q dns.Question) (*reply, error) {
	for {
		_, withoutEDNS := c.noEDNS.Load(s)
		r, err := c.dialAndAsk(ctx, network, s.address, q, !withoutEDNS)
		if withoutEDNS || !refusesEDNS(err) {
			return r, unifyTimeout(err)
		}
		c.noEDNS.Store(s, true)
	}
}

// refusesEDNS tells whether an error may come from a server that does not know EDNS, or not this version.
func refusesEDNS(err error) bool {
	var code RCode
	return errors.As(err, &code) && (code == dns.RcodeFormatError || code == dns.RcodeNotImplemented || code == dns.RcodeBadVers)
}

// dialAndAsk asks a question on a new connection.
func (c *client) dialAndAsk(ctx context.Context, network, address string, q dns.Question, edns bool) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	r, err := askOn(conn, network, q, edns)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return r, err
}

// askOn asks a question and reads the answer, until the connection is closed.
func askOn(conn net.Conn, network string, q dns.Question, edns bool) (*reply, error) {
	m := &dns.Msg{MsgHdr: dns.MsgHdr{Id: dns.Id(), RecursionDesired: true}, Question: []dns.Question{q}}
	if edns {
		m.SetEdns0(datagram, false)
	}
	dnsConn := dns.Conn{Conn: conn, UDPSize: datagram}
	if network == "udp" {
		dnsConn.Conn = datagrams{conn}
	}
	if err := dnsConn.WriteMsg(m); err != nil {
		return nil, err
	}
	for {
		packet, err := dnsConn.ReadMsgHeader(nil)
		if err != nil && !errors.Is(err, dns.ErrShortRead) {
			return nil, err
		}
		// Anybody may send a datagram: one that does not answer this question is not from the server.
		if r, err := parse(packet, m.Id, q); network == "tcp" || !errors.Is(err, errUnrelated) {
			return r, err
		}
	}
}

// datagrams makes dns.Conn treat a connection as one of datagrams, whatever Network made it.
type datagrams struct{ net.Conn }

func (d datagrams) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := d.Read(p)
	return n, d.RemoteAddr(), err
}

func (d datagrams) WriteTo(p []byte, _ net.Addr) (int, error) { return d.Write(p) }
