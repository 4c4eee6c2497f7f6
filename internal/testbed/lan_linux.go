package testbed

import (
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// LAN is a private network: a bridge, to which each Host is connected. It exists in the namespace of the test process
// and ends with the test.
type LAN struct {
	Subnet netip.Prefix

	t      testing.TB
	bridge string

	mu   sync.Mutex
	last netip.Addr // the last one in use
}

// lans counts the networks of this process: names of interfaces must differ.
var lans atomic.Int32

// NewLAN makes a network. The subnet is, for example, "10.77.0.0/24", or empty for one that no other LAN of this process has. It calls
// Missing if the process could not get its own namespaces (see Main).
func NewLAN(t testing.TB, subnet string) *LAN {
	t.Helper()
	if separation != "" {
		Missing(t, "%s", separation)
	}
	number := int(lans.Add(1))
	if subnet == "" {
		subnet = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77 + byte(number>>8), byte(number), 0}), 24).String()
	}
	prefix, err := netip.ParsePrefix(subnet)
	if err != nil {
		t.Fatalf("testbed: subnet of a LAN: %v", err)
	}
	l := &LAN{t: t, Subnet: prefix.Masked(), bridge: "lan" + strconv.Itoa(number)}
	l.last = l.Subnet.Addr()
	// Snooping would hold multicast back until a host asks for it.
	must(t, "link", "add", l.bridge, "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
	t.Cleanup(func() { must(t, "link", "del", l.bridge) })
	must(t, "link", "set", l.bridge, "up")
	return l
}

// Address returns the next free address of the network, in the form for a host's interface.
func (l *LAN) Address() netip.Prefix {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = l.last.Next()
	if !l.Subnet.Contains(l.last.Next()) { // the last address is the broadcast
		l.t.Fatalf("testbed: %v has no address left", l.Subnet)
	}
	return netip.PrefixFrom(l.last, l.Subnet.Bits())
}

// must runs ip and fails the test if that fails.
func must(t testing.TB, args ...string) string {
	t.Helper()
	out, err := ip(args...)
	if err != nil {
		t.Fatalf("testbed: %v", err)
	}
	return out
}
