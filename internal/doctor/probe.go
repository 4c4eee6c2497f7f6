package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/zre"
)

const (
	// probeTimeout is how long a port may take to accept, and then again to greet. It leaves room for one lost SYN.
	probeTimeout = 2 * time.Second
	// maxAddresses is how many addresses of a name are tested.
	maxAddresses = 8
)

// probe asks who answers at an address. The node there does not learn of us.
func (c *Config) probe(ctx context.Context, address netip.AddrPort, key zre.PublicKey) *Mailbox {
	m := &Mailbox{Endpoint: "tcp://" + address.String()}
	dialling, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	nc, err := c.dial(dialling, address.String())
	if err != nil {
		m.Answer, m.Error, m.Here = dialAnswer(err), errorText(err), isLocalError(err)
	} else {
		if local, err := netip.ParseAddrPort(nc.LocalAddr().String()); err == nil {
			from := local.Addr().Unmap().WithZone("")
			m.From = &from
		}
		id, err := c.probeOver(ctx, nc, key)
		m.Answer, m.UUID = answerOf(id, err)
		m.Answer = c.securedAnswer(m.Answer, key)
		m.Error = errorText(err)
	}
	if ctx.Err() != nil && !m.Answer.isNode() {
		m.Answer, m.Error = Untested, ""
	}
	return m
}

// dialAnswer says what a failed attempt to connect means.
func dialAnswer(err error) Answer {
	var timeout net.Error
	switch {
	case isRefused(err):
		return Refused
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return Silent
	}
	return Unreachable
}

// isRefused also knows Windows' error.
func isRefused(err error) bool {
	const windows = syscall.Errno(10061) // WSAECONNREFUSED
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, windows)
}

// isLocalError tells whether this machine itself made an attempt to connect fail: the network never causes these errors.
func isLocalError(err error) bool {
	const windows = syscall.Errno(10051) // WSAENETUNREACH
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, windows) || errors.Is(err, syscall.EPERM)
}

// isTaken tells whether another program holds a port alone. Windows has other numbers, and calls it forbidden.
func isTaken(err error) bool {
	const inUse, forbidden = syscall.Errno(10048), syscall.Errno(10013) // WSAEADDRINUSE, WSAEACCES
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, inUse) || errors.Is(err, forbidden)
}

// answerOf returns the result of a probe, and the UUID of the node if it gives one.
func answerOf(identity []byte, err error) (Answer, *uuid.UUID) {
	const identityPrefix = 1 // before the UUID (RFC 36)
	var reset syscall.Errno
	if other, ok := errors.AsType[*zmtp.MechanismError](err); ok {
		switch other.Theirs {
		case "CURVE":
			return Curve, nil
		case "NULL":
			return Plain, nil
		}
	}
	switch {
	case errors.Is(err, zmtp.ErrNoWelcome):
		return WrongKey, nil
	case err == nil && len(identity) == 17 && identity[0] == identityPrefix:
		id := uuid.UUID(identity[1:])
		return Zre, &id
	case err == nil:
		return Zmtp, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Mute, nil
	case errors.Is(err, io.EOF), errors.As(err, &reset):
		return Closed, nil
	}
	return Other, nil
}

// errorText returns an error's text without what the reader knows already: the package and the destination.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	if broken, ok := errors.AsType[*zmtp.ProtocolError](err); ok {
		return broken.Reason
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		err = op.Err
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		err = call.Err
	}
	return clean(strings.TrimPrefix(err.Error(), "zmtp: "))
}

// resolve returns the addresses of an endpoint's host.
func (c *Config) resolve(ctx context.Context, e Endpoint) ([]netip.AddrPort, error) {
	if a, err := netip.ParseAddr(e.Host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a, e.Port)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*probeTimeout)
	defer cancel()
	found, err := c.lookUp(ctx, e.Host)
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		switch {
		case dns.IsNotFound:
			return nil, errors.New("there is no such name")
		case dns.IsTimeout, ctx.Err() != nil:
			return nil, errors.New("the resolver (DNS) does not answer")
		}
		return nil, fmt.Errorf("the resolver (DNS) fails: %s", clean(dns.Err))
	}
	if err != nil {
		return nil, err
	}
	var list []netip.AddrPort
	for _, a := range found[:min(len(found), maxAddresses)] {
		list = append(list, netip.AddrPortFrom(a.Unmap(), e.Port))
	}
	if list == nil {
		return nil, errors.New("the name has no address")
	}
	return list, nil
}
