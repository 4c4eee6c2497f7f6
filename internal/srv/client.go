package srv

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// tries is how often each server is asked before a question is given up: datagrams get lost.
const tries = 2

// A client asks servers, for one lookup.
type client struct {
	servers []server // the one that answered last comes first
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	timeout time.Duration // of one question to one server
}

func (c *client) records(ctx context.Context, name string) (*reply, error) {
	i, r, err := c.ask(ctx, name, dnsmessage.TypeSRV)
	if err != nil {
		return nil, err
	}
	good := c.servers[i]
	c.servers = slices.Insert(slices.Delete(c.servers, i, i+1), 0, good)
	return r, nil
}

// host asks for both families. The error tells only of a host for which there is nothing.
func (c *client) host(ctx context.Context, name string) (addresses, error) {
	var found addresses
	var problem error
	for _, family := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		_, r, err := c.ask(ctx, name+".", family)
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

// ask asks one server after the other, until one knows. It tells which.
func (c *client) ask(ctx context.Context, name string, kind dnsmessage.Type) (int, *reply, error) {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return 0, nil, err
	}
	q := dnsmessage.Question{Name: n, Type: kind, Class: dnsmessage.ClassINET}
	for range tries {
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
func (c *client) exchange(ctx context.Context, s server, q dnsmessage.Question) (*reply, error) {
	if !s.tcp {
		r, err := c.over(ctx, "udp", s.address, q)
		if err != nil || !r.cut {
			return r, err
		}
	}
	r, err := c.over(ctx, "tcp", s.address, q)
	if err != nil && !s.tcp && !errors.Is(err, ErrNoName) {
		return nil, fmt.Errorf("%v, and by TCP: %w", errTruncated, err)
	}
	return r, err
}

// over asks by UDP or TCP.
func (c *client) over(ctx context.Context, network, address string, q dnsmessage.Question) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := c.talk(ctx, network, address, q)
	return r, timely(err)
}

func (c *client) talk(ctx context.Context, network, address string, q dnsmessage.Question) (*reply, error) {
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()

	id := uint16(rand.Uint32())
	packet, err := question(id, q)
	if err != nil {
		return nil, err
	}
	if network == "tcp" {
		return stream(conn, packet, id, q)
	}
	if _, err := conn.Write(packet); err != nil {
		return nil, err
	}
	buffer := make([]byte, datagram)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, err
		}
		// Anybody may send a datagram: what is no answer to this question is not the server's word.
		if r, err := parse(buffer[:n], id, q); !errors.Is(err, errOther) {
			return r, err
		}
	}
}

// stream asks by TCP, where the length goes before each message.
func stream(conn net.Conn, packet []byte, id uint16, q dnsmessage.Question) (*reply, error) {
	packet = slices.Concat(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet)
	if _, err := conn.Write(packet); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, err
	}
	return parse(answer, id, q)
}
