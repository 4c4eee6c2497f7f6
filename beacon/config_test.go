package beacon

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestConfigCheck(t *testing.T) {
	addrs := func(list ...string) (all []netip.Addr) {
		for _, a := range list {
			all = append(all, netip.MustParseAddr(a))
		}
		return all
	}
	for _, c := range []struct {
		name   string
		config Config
		says   []string // none: no error
	}{
		{"nothing but a UUID", Config{}, nil},
		{"all given", Config{Port: 65535, Interval: time.Minute, Interfaces: []string{"eth0", "192.168.1.7"},
			Addresses: addrs("10.0.0.255", "192.168.255.255", "255.255.255.255", "224.0.0.99")}, nil},
		{"no UUID", Config{UUID: uuid.Nil}, []string{"UUID"}},
		{"port 65536", Config{Port: 65536}, []string{"Port", "65536"}},
		{"port -1", Config{Port: -1}, []string{"Port", "-1"}},
		{"interval of 1 (nanosecond)", Config{Interval: 1}, []string{"Interval", "1ns", "10ms"}},
		{"interval -1s", Config{Interval: -time.Second}, []string{"Interval", "-1s"}},
		{"no such name", Config{Interfaces: []string{"eth0", "eth7"}}, nil},
		{"no such address", Config{Interfaces: []string{"10.0.0.6"}}, nil},
		{"IPv6 addresses", Config{Interfaces: []string{"fe80::1", "fe80::1%eth0", "fe80::/64", "!::/0", "!fe80::9"}}, nil},
		{"no such IPv6 address", Config{Interfaces: []string{"fe80::2"}}, nil},
		{"an IPv6 address of another interface", Config{Interfaces: []string{"fe80::1%wlan0"}}, nil},
		{"IPv4 in IPv6", Config{Interfaces: []string{"::ffff:10.0.0.5"}}, []string{"Interfaces", `"::ffff:10.0.0.5"`, "IPv4"}},
		{"CIDR of IPv4 in IPv6", Config{Interfaces: []string{"!::ffff:10.0.0.0/104"}}, []string{"Interfaces", `"!::ffff:10.0.0.0/104"`, "IPv4"}},
		{"empty name", Config{Interfaces: []string{""}}, []string{"Interfaces", `""`}},
		{"empty exclusion", Config{Interfaces: []string{"!"}}, []string{"Interfaces", `"!"`}},
		{"globs and CIDRs", Config{Interfaces: []string{"en*", "wl?0", "e[a-z]*", "192.168.0.0/16", "0.0.0.0/0"}}, nil},
		{"exclusions of what is not there", Config{Interfaces: []string{"!docker0", "!veth*", "!172.17.0.1", "!172.17.0.0/16"}}, nil},
		{"malformed glob", Config{Interfaces: []string{"en[0"}}, []string{"Interfaces", `"en[0"`, "glob"}},
		{"malformed exclusion", Config{Interfaces: []string{"!en[0"}}, []string{"Interfaces", `"!en[0"`, "glob"}},
		{"malformed CIDR", Config{Interfaces: []string{"10.0.0.0/33"}}, []string{"Interfaces", `"10.0.0.0/33"`, "CIDR"}},
		{"a path", Config{Interfaces: []string{"eth0/24"}}, []string{"Interfaces", `"eth0/24"`, "CIDR"}},
		{"half an address", Config{Interfaces: []string{"10.0.0"}}, []string{"Interfaces", `"10.0.0"`}},
		{"state port", Config{StatePort: 7000, TTL: 255}, nil},
		{"state port 65536", Config{StatePort: 65536}, []string{"StatePort", "65536", "15670"}},
		{"state port -1", Config{StatePort: -1}, []string{"StatePort", "-1"}},
		{"state port 5670", Config{StatePort: 5670, Port: 7000}, []string{"StatePort", "5670", "17000", "pyre"}},
		{"state port of the classic beacons", Config{StatePort: 7000, Port: 7000}, []string{"StatePort", "7000"}},
		{"TTL 256", Config{TTL: 256}, []string{"TTL", "256", "255"}},
		{"TTL -1", Config{TTL: -1}, []string{"TTL", "-1"}},
		{"unicast", Config{Addresses: addrs("10.0.0.7")}, nil},
		{"broadcast of a foreign subnet", Config{Addresses: addrs("10.9.0.255")}, nil},
		{"IPv6 groups", Config{Addresses: addrs("ff02::1", "ff12::99", "224.0.0.99")}, nil},
		{"two IPv6 groups", Config{Addresses: addrs("ff12::99", "ff12::98")}, []string{"Addresses", "ff12::98", "one"}},
		{"IPv6 unicast", Config{Addresses: addrs("fe80::1")}, []string{"Addresses", "fe80::1", "ff02::1"}},
		{"a group with a zone", Config{Addresses: addrs("ff12::99%eth0")}, []string{"Addresses", "ff12::99%eth0", "zone"}},
		{"an IPv4 group in IPv6", Config{Addresses: addrs("::ffff:224.0.0.99")}, []string{"Addresses", "224.0.0.99"}},
		{"no address", Config{Addresses: []netip.Addr{{}}}, []string{"Addresses", "invalid IP"}},
		{"a key", Config{Key: testKey}, nil},
		{"a key that C zyre takes for none", Config{Key: Key{1: 1}}, []string{"Key", "0", "C zyre"}},
		{"two groups", Config{Addresses: addrs("224.0.0.1", "224.0.0.2")}, []string{"Addresses", "224.0.0.1", "224.0.0.2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "no UUID" {
				c.config.UUID = testUUID
			}
			config := c.config.withDefaults()
			err := config.check()
			if (err != nil) != (c.says != nil) {
				t.Fatalf("error: %v", err)
			}
			for _, part := range c.says {
				if !strings.HasPrefix(err.Error(), "beacon: ") || !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

// TestMissing: a named interface that does not exist must not end the start: it may come.
func TestMissing(t *testing.T) {
	addr := netip.MustParseAddr
	for _, c := range []struct {
		name   string
		config Config
		want   []string
	}{
		{"nothing is named", Config{}, nil},
		{"all is there", Config{Interfaces: []string{"eth0", "192.168.1.7", "fe80::1%eth0"}, Addresses: []netip.Addr{addr("10.0.0.255")}}, nil},
		{"a name", Config{Interfaces: []string{"eth0", "eth7", "eth7"}}, []string{"eth7"}},
		{"an address", Config{Interfaces: []string{"10.0.0.6"}}, []string{"10.0.0.6"}},
		{"an IPv6 address", Config{Interfaces: []string{"fe80::2"}}, []string{"fe80::2"}},
		{"an IPv6 address of another interface", Config{Interfaces: []string{"fe80::1%wlan0"}}, []string{"fe80::1%wlan0"}},
		{"globs, CIDRs and exclusions", Config{Interfaces: []string{"usb*", "172.16.0.0/12", "!docker0", "!172.17.0.1"}}, nil},
		{"a broadcast address", Config{Addresses: []netip.Addr{addr("10.9.0.255")}}, []string{"10.9.0.255"}},
		{"groups", Config{Addresses: []netip.Addr{everySubnet, addr("224.0.0.99"), addr("ff12::99")}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := c.config.withDefaults()
			var got []string
			for _, f := range config.missing([]Interface{lo, wired, wifi}) {
				got = append(got, f.Interface)
			}
			equal(t, "missing", got, c.want)
		})
	}
}

// TestMissingNamesOption: the error of a missing entry names the option that has it, also if both have the same entry.
func TestMissingNamesOption(t *testing.T) {
	addr := netip.MustParseAddr("10.9.0.255")
	config := Config{Interfaces: []string{"eth7", addr.String()}, Addresses: []netip.Addr{addr}}.withDefaults()
	var got []string
	for _, f := range config.missing([]Interface{eth0("10.0.0.1/24")}) {
		got = append(got, f.Error())
		if !errors.Is(&f, ErrMissing) {
			t.Errorf("%v is not ErrMissing", &f)
		}
	}
	equal(t, "errors", got, []string{
		`beacon: Interfaces: "eth7": no such interface or address here`,
		`beacon: Interfaces: "10.9.0.255": no such interface or address here`,
		"beacon: Addresses: 10.9.0.255: no interface here has this broadcast address",
	})
}

func TestConfigDefaults(t *testing.T) {
	c := Config{}.withDefaults()
	if c.Network != System || c.Port != 5670 || c.Interval != time.Second || c.Handler == nil {
		t.Errorf("%+v", c)
	}
	addr := netip.MustParseAddr
	ours := []netip.Addr{everySubnet, addr("239.255.90.82"), addr("ff02::1"), addr("ff12::5a:5245")}
	equal(t, "addresses", c.Addresses, ours)
	for name, given := range map[string]struct {
		config Config
		want   []netip.Addr
	}{
		"IPv4 given":     {Config{Addresses: ours[:1]}, []netip.Addr{ours[0], ours[2], ours[3]}},
		"IPv6 given":     {Config{Addresses: ours[2:3]}, []netip.Addr{ours[2], ours[0], ours[1]}},
		"beyond routers": {Config{TTL: 2}, []netip.Addr{ours[0], ours[1], ours[2], addr("ff15::5a:5245")}},
	} {
		equal(t, name, given.config.withDefaults().Addresses, given.want)
	}
}

func TestStatePort(t *testing.T) {
	for port, want := range map[int]uint16{5670: 15670, 1: 10001, 55535: 65535, 55536: 45536, 65535: 55535} {
		if got := defaultStatePort(port); got != want {
			t.Errorf("%d: %d, want %d", port, got, want)
		}
	}
	for port := 1; port < 65536; port++ {
		if defaultStatePort(port) == DefaultPort {
			t.Errorf("state beacons of port %d would go to the port of classic ones", port)
		}
	}
}
