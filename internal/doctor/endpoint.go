package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/go-zre/go-zre/zre"
)

// An Endpoint is where a mailbox is: a host's name or address, and a TCP port. Key is the public key of a secure node.
type Endpoint struct {
	Host string
	Port uint16
	Key  zre.PublicKey
}

// ParseEndpoint reads "tcp://host:port". An IPv6 address has brackets, a link-local one also the interface: "tcp://[fe80::1%eth0]:5671".
func ParseEndpoint(text string) (Endpoint, error) {
	text, keyText, isKeyed := strings.Cut(text, "|")
	var key zre.PublicKey
	if isKeyed {
		var err error
		if key, err = zre.ParsePublicKey(keyText); err != nil {
			return Endpoint{}, fmt.Errorf("the public key behind the bar: %w", err)
		}
	}
	address, ok := strings.CutPrefix(text, "tcp://")
	host, port, err := net.SplitHostPort(address)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if !ok || err != nil || portErr != nil || host == "" || host == "*" || number == 0 {
		return Endpoint{}, fmt.Errorf("%q is no endpoint, want tcp://HOST:PORT, with brackets around an IPv6 address", text)
	}
	switch a, err := netip.ParseAddr(host); {
	case err == nil && (a.IsUnspecified() || a.IsMulticast()):
		return Endpoint{}, fmt.Errorf("%v is no address of a host", a)
	case err == nil && a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "":
		return Endpoint{}, fmt.Errorf("%v is an address of one link, so it needs the interface of this machine that leads there, as in tcp://[%[1]v%%eth0]:%s", a, port)
	}
	return Endpoint{host, uint16(number), key}, nil
}

// withKey returns the endpoint as ParseEndpoint reads it.
func (e Endpoint) withKey() string {
	if e.Key.IsZero() {
		return e.String()
	}
	return e.String() + "|" + e.Key.String()
}

// String returns the endpoint without the key.
func (e Endpoint) String() string {
	return "tcp://" + net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

// zone returns the interface that a link-local address names, or "".
func (e Endpoint) zone() string {
	a, _ := netip.ParseAddr(e.Host)
	return a.Zone()
}

func endpointOf(a netip.Addr, port uint16) string {
	return "tcp://" + netip.AddrPortFrom(a, port).String()
}
