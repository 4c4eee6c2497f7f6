package srv

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// service is what RFC 2782 puts before the domain.
const service = "_zre._tcp."

// Name returns the name to look up for a domain: "example.org" becomes "_zre._tcp.example.org". A name whose first label begins with an
// underscore is used as it is: "_robots._tcp.service.consul".
//
// A name that ends with a dot is complete. One without is searched, by search and ndots of /etc/resolv.conf, as host names are. The error
// names the value.
func Name(domain string) (string, error) {
	fail := func(why string) (string, error) {
		return "", fmt.Errorf("srv: %q is not a domain with SRV records: %s; want one such as example.org or _zre._tcp.example.org",
			domain, why)
	}
	name := domain
	if !strings.HasPrefix(name, "_") {
		name = service + name
	}
	name, complete := strings.CutSuffix(name, ".")
	if _, err := netip.ParseAddr(strings.TrimSuffix(domain, ".")); err == nil {
		return fail("it is an address")
	}
	if domain == "" {
		return fail("it is empty")
	}
	if why := badName(name); why != "" {
		return fail(why)
	}
	labels := strings.Split(name, ".")
	if strings.HasPrefix(labels[len(labels)-1], "_") {
		return fail("it names a service without a domain")
	}
	if complete {
		name += "."
	}
	return name, nil
}

// badName says why a name, without its last dot, is not one of a host or service; "" if it is.
func badName(name string) string {
	if len(name) > 253 {
		return "it is longer than 253 bytes"
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return "it has an empty label"
		case len(label) > 63:
			return "it has a label longer than 63 bytes"
		case label[0] == '-' || label[len(label)-1] == '-':
			return "it has a label that begins or ends with a hyphen"
		}
		for _, c := range label {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			case c > 127:
				return "it has letters beyond ASCII (write it in its xn-- form)"
			default:
				return fmt.Sprintf("it has %q in it", c)
			}
		}
	}
	return ""
}

// Server checks the address of a DNS server, and returns it in full: "10.0.0.2" becomes "10.0.0.2:53". Besides addresses, "HOST:PORT" is
// accepted; the HOST is resolved when it is dialled. The prefix "tcp://" means to ask only by TCP, for servers that send incomplete answers
// by UDP without saying so. The error names the value.
func Server(address string) (string, error) {
	s, err := parseServer(address)
	if err != nil {
		return "", err
	}
	return s.String(), nil
}

// A server is where to ask.
type server struct {
	address string // HOST:PORT
	tcp     bool   // not by UDP
}

func (s server) String() string {
	if s.tcp {
		return "tcp://" + s.address
	}
	return s.address
}

func parseServer(address string) (server, error) {
	rest, tcp := strings.CutPrefix(address, "tcp://")
	if _, err := netip.ParseAddr(rest); err == nil {
		return server{net.JoinHostPort(rest, "53"), tcp}, nil
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil { // no port, or an error that the next try does not fix
		host, port, _ = net.SplitHostPort(rest + ":53")
	}
	_, notAddress := netip.ParseAddr(host)
	number, notPort := strconv.ParseUint(port, 10, 16)
	if notAddress != nil && badName(strings.TrimSuffix(host, ".")) != "" || notPort != nil || number == 0 {
		return server{}, fmt.Errorf("srv: %q is not the address of a DNS server: want ADDRESS, ADDRESS:PORT or HOST:PORT, "+
			"perhaps with tcp:// before it", address)
	}
	return server{net.JoinHostPort(host, port), tcp}, nil
}
