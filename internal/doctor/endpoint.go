package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// An Endpoint is where a mailbox is: a host's name or address, and a TCP port.
type Endpoint struct {
	Host string
	Port uint16
}

// ParseEndpoint reads "tcp://host:port". An IPv6 address has brackets: "tcp://[fe80::1%eth0]:5671".
func ParseEndpoint(text string) (Endpoint, error) {
	address, ok := strings.CutPrefix(text, "tcp://")
	host, port, err := net.SplitHostPort(address)
	number, wrong := strconv.ParseUint(port, 10, 16)
	if !ok || err != nil || wrong != nil || host == "" || host == "*" || number == 0 {
		return Endpoint{}, fmt.Errorf("%q is no endpoint, want tcp://HOST:PORT", text)
	}
	return Endpoint{host, uint16(number)}, nil
}

// String returns the endpoint as ParseEndpoint reads it.
func (e Endpoint) String() string {
	return "tcp://" + net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

func endpointOf(a netip.Addr, port uint16) string {
	return "tcp://" + netip.AddrPortFrom(a, port).String()
}
