// Package doctor finds out why the ZRE nodes of a network do not find or reach each other. [Collect] runs a real node for some seconds
// beside a second listener, tests the mailbox of every node that is heard, and gathers [Facts]. From these alone, [Diagnose] says what is
// well, what is wrong, and what to try. [Report.Print] shows it to a person, and the Report's JSON to a program.
package doctor

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre"
)

// Config says what to examine. The zero value means the defaults of a node.
type Config struct {
	Interfaces []string      // see zre.WithInterfaces
	Port       int           // UDP port of the classic beacons; 0 means 5670
	Listen     string        // endpoint of the mailbox, as of zre.WithListen
	Advertise  string        // endpoint that peers are told, as of zre.WithAdvertise
	Peers      []Endpoint    // tested whether they beacon or not, and told to the node, as of zre.WithPeers
	SRV        []string      // domains that the node looks up, as of zre.WithSRV
	Resolver   string        // the DNS server for these, as of zre.WithDNSServer
	Security   []zre.Option  // the certificate and the authorizer; none for a plain node
	Time       time.Duration // to listen; 0 means 3 s. Less than 1 s may miss nodes, which beacon once a second

	// Network is examined instead of the operating system's network, in tests.
	Network zre.Network

	key zre.PublicKey // of Security
}

// DefaultTime is how long Collect listens: every node in reach beacons at least twice.
const DefaultTime = 3 * time.Second

func (c Config) withDefaults() Config {
	if c.Port == 0 {
		c.Port = beacon.DefaultPort
	}
	c.key = c.publicKey()
	if c.Time <= 0 {
		c.Time = DefaultTime
	}
	// A node that listens at one address sends beacons only there.
	if host, ok := c.listenHost(); ok && len(c.Interfaces) == 0 {
		c.Interfaces = []string{host.String()}
	}
	return c
}

// listenHost returns the address that the mailbox must listen at, if there is just one. The node will refuse an invalid endpoint.
func (c *Config) listenHost() (netip.Addr, bool) {
	host, _, _ := net.SplitHostPort(trimScheme(c.Listen))
	addr, err := netip.ParseAddr(host)
	return addr, err == nil && !addr.IsUnspecified()
}

// beacons returns the configuration of the beacons, which is that of the node.
func (c *Config) beacons() beacon.Config {
	b := beacon.Config{Port: c.Port, Interfaces: c.Interfaces, Key: beacon.Key(c.key)}
	if c.Network != nil {
		b.Network = c.Network
	}
	return b
}

// listenPacket tries a UDP port of a family.
func (c *Config) listenPacket(network string, port int) (beacon.PacketConn, error) {
	if c.Network != nil {
		return c.Network.ListenPacket(network, port)
	}
	return beacon.System.ListenPacket(network, port)
}

func (c *Config) dial(ctx context.Context, address string) (net.Conn, error) {
	if c.Network != nil {
		return c.Network.Dial(ctx, "tcp", address)
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", address)
}

// lookUp finds the addresses of a host name, as the node does.
func (c *Config) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	type resolver interface { // node.Resolver
		LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	}
	if r, ok := c.Network.(resolver); ok {
		return r.LookupNetIP(ctx, "ip", host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}
