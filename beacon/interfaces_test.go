package beacon

import (
	"net"
	"net/netip"
	"slices"
	"testing"
)

func TestBroadcast(t *testing.T) {
	for prefix, want := range map[string]string{
		"10.1.2.3/8":         "10.255.255.255",
		"10.1.2.3/24":        "10.1.2.255",
		"10.1.2.3/22":        "10.1.3.255",
		"192.168.7.9/30":     "192.168.7.11",
		"192.168.7.9/31":     "invalid IP",
		"192.168.7.9/32":     "invalid IP",
		"127.0.0.1/8":        "127.255.255.255",
		"1.2.3.4/0":          "255.255.255.255",
		"fd00::1/64":         "invalid IP",
		"::ffff:1.2.3.4/120": "invalid IP",
	} {
		if got := lastAddr(netip.MustParsePrefix(prefix)).String(); got != want {
			t.Errorf("%s: %s, want %s", prefix, got, want)
		}
	}
	if got := lastAddr(netip.Prefix{}); got.IsValid() {
		t.Errorf("no prefix: %v", got)
	}
}

var (
	lo    = iface(1, "lo", net.FlagUp|net.FlagLoopback|net.FlagRunning, "127.0.0.1/8", "::1/128")
	wired = iface(2, "eth0", ethernet, "10.0.0.5/24", "fe80::1/64")
	wifi  = iface(3, "wlan0", ethernet, "192.168.1.7/16")

	docker = iface(5, "docker0", ethernet, "172.17.0.1/16")
	tunnel = iface(9, "tun0", net.FlagUp|net.FlagPointToPoint|net.FlagMulticast, "10.8.0.2/24")
)

// only returns interfaces with just their IPv4, or IPv6, addresses.
func only(six bool, all []Interface) (list []Interface) {
	for _, i := range all {
		i.Addrs = slices.DeleteFunc(slices.Clone(i.Addrs), func(p netip.Prefix) bool { return p.Addr().Is6() != six })
		list = append(list, i)
	}
	return list
}

// TestNewView covers IPv4.
func TestNewView(t *testing.T) {
	const up = net.FlagUp
	for _, c := range []struct {
		name       string
		interfaces []Interface
		named      []string
		addresses  []string
		want       []string // interfaces, then destinations of classic and of state beacons
	}{
		{"the usual", []Interface{lo, wired, wifi}, nil, nil, []string{
			"eth0 [10.0.0.5/24], wlan0 [192.168.1.7/16]",
			"10.0.0.255:5670 10.0.0.5%2", "192.168.255.255:5670 192.168.1.7%3",
			"239.255.90.82:15670 10.0.0.5%2", "239.255.90.82:15670 192.168.1.7%3",
		}},
		{"only lo", []Interface{lo}, nil, nil, []string{
			"lo [127.0.0.1/8]", "127.255.255.255:5670 127.0.0.1%1", "239.255.90.82:15670 127.0.0.1%1",
		}},
		{"lo as others are down or have no IPv4",
			[]Interface{lo, iface(2, "eth0", ethernet&^up, "10.0.0.5/24"), iface(3, "eth1", ethernet, "fd00::1/64")}, nil, nil, []string{
				"lo [127.0.0.1/8]", "127.255.255.255:5670 127.0.0.1%1", "239.255.90.82:15670 127.0.0.1%1",
			}},
		{"lo is down", []Interface{iface(1, "lo", net.FlagLoopback, "127.0.0.1/8")}, nil, nil, []string{""}},
		{"two subnets on one interface", []Interface{iface(4, "br0", ethernet, "10.0.0.1/24", "10.0.1.1/24")}, nil, nil, []string{
			"br0 [10.0.0.1/24 10.0.1.1/24]",
			"10.0.0.255:5670 10.0.0.1%4", "10.0.1.255:5670 10.0.1.1%4",
			"239.255.90.82:15670 10.0.0.1%4",
		}},
		{"two addresses in one subnet", []Interface{iface(4, "br0", ethernet, "10.0.0.1/24", "10.0.0.2/24")}, nil, nil, []string{
			"br0 [10.0.0.1/24 10.0.0.2/24]", "10.0.0.255:5670 10.0.0.1%4", "239.255.90.82:15670 10.0.0.1%4",
		}},
		{"/32 and /31 have no broadcast address", []Interface{iface(4, "br0", ethernet, "10.0.0.1/32", "10.0.1.1/31")}, nil, nil, []string{
			"br0 [10.0.0.1/32 10.0.1.1/31]", "239.255.90.82:15670 10.0.0.1%4",
		}},
		{"broadcast only", []Interface{iface(4, "eth0", up|net.FlagBroadcast, "10.0.0.1/24")}, nil, nil, []string{
			"eth0 [10.0.0.1/24]", "10.0.0.255:5670 10.0.0.1%4",
		}},
		{"multicast only", []Interface{iface(4, "eth0", up|net.FlagMulticast, "10.0.0.1/24")}, nil, nil, []string{
			"eth0 [10.0.0.1/24]", "239.255.90.82:15670 10.0.0.1%4",
		}},
		{"neither, so lo", []Interface{lo, iface(4, "eth0", up, "10.0.0.1/24")}, nil, nil, []string{
			"lo [127.0.0.1/8]", "127.255.255.255:5670 127.0.0.1%1", "239.255.90.82:15670 127.0.0.1%1",
		}},
		{"a tunnel is not used", []Interface{wired, iface(9, "tun0", up|net.FlagPointToPoint|net.FlagMulticast, "10.8.0.2/24")}, nil, nil, []string{
			"eth0 [10.0.0.5/24]", "10.0.0.255:5670 10.0.0.5%2", "239.255.90.82:15670 10.0.0.5%2",
		}},
		{"but by name", []Interface{wired, iface(9, "tun0", up|net.FlagPointToPoint|net.FlagMulticast, "10.8.0.2/24")}, []string{"tun0"}, nil, []string{
			"tun0 [10.8.0.2/24]", "239.255.90.82:15670 10.8.0.2%9",
		}},
		{"lo by name", []Interface{lo, wired}, []string{"lo"}, nil, []string{
			"lo [127.0.0.1/8]", "127.255.255.255:5670 127.0.0.1%1", "239.255.90.82:15670 127.0.0.1%1",
		}},
		{"by address", []Interface{lo, iface(4, "br0", ethernet, "10.0.0.1/24", "10.0.1.1/24")}, []string{"10.0.1.1"}, nil, []string{
			"br0 [10.0.1.1/24]", "10.0.1.255:5670 10.0.1.1%4", "239.255.90.82:15670 10.0.1.1%4",
		}},
		{"named ones that are down do not bring lo", []Interface{lo, iface(2, "eth0", ethernet&^up, "10.0.0.5/24")}, []string{"eth0"}, nil, []string{""}},
		{"a glob of names", []Interface{lo, wired, wifi}, []string{"e*"}, nil, []string{
			"eth0 [10.0.0.5/24]", "10.0.0.255:5670 10.0.0.5%2", "239.255.90.82:15670 10.0.0.5%2",
		}},
		{"a tunnel by glob", []Interface{lo, wired, tunnel}, []string{"tun?"}, nil, []string{
			"tun0 [10.8.0.2/24]", "239.255.90.82:15670 10.8.0.2%9",
		}},
		{"a glob spares lo", []Interface{lo, wired}, []string{"*"}, nil, []string{
			"eth0 [10.0.0.5/24]", "10.0.0.255:5670 10.0.0.5%2", "239.255.90.82:15670 10.0.0.5%2",
		}},
		{"unless there is no other", []Interface{lo}, []string{"*"}, nil, []string{
			"lo [127.0.0.1/8]", "127.255.255.255:5670 127.0.0.1%1", "239.255.90.82:15670 127.0.0.1%1",
		}},
		{"lo by CIDR", []Interface{lo, wired}, []string{"127.0.0.0/8"}, nil, []string{
			"lo [127.0.0.1/8]", "127.255.255.255:5670 127.0.0.1%1", "239.255.90.82:15670 127.0.0.1%1",
		}},
		{"lo by name beside others by glob", []Interface{lo, wired}, []string{"e*", "lo"}, []string{"255.255.255.255"}, []string{
			"lo [127.0.0.1/8], eth0 [10.0.0.5/24]", "127.255.255.255:5670 127.0.0.1%1", "10.0.0.255:5670 10.0.0.5%2",
		}},
		{"a glob that fits nothing", []Interface{lo, wired}, []string{"wl*"}, nil, []string{""}},
		{"a CIDR picks addresses", []Interface{lo, wired, iface(4, "br0", ethernet, "10.0.1.1/24", "192.168.9.1/24")}, []string{"192.168.0.0/16"}, nil, []string{
			"br0 [192.168.9.1/24]", "192.168.9.255:5670 192.168.9.1%4", "239.255.90.82:15670 192.168.9.1%4",
		}},
		{"a CIDR with the bits of a host", []Interface{lo, wired, wifi}, []string{"10.0.0.77/24"}, nil, []string{
			"eth0 [10.0.0.5/24]", "10.0.0.255:5670 10.0.0.5%2", "239.255.90.82:15670 10.0.0.5%2",
		}},
		{"bridges are used", []Interface{wired, docker}, nil, []string{"255.255.255.255"}, []string{
			"eth0 [10.0.0.5/24], docker0 [172.17.0.1/16]", "10.0.0.255:5670 10.0.0.5%2", "172.17.255.255:5670 172.17.0.1%5",
		}},
		{"all but a glob", []Interface{lo, wired, docker, tunnel}, []string{"!docker*"}, nil, []string{
			"eth0 [10.0.0.5/24]", "10.0.0.255:5670 10.0.0.5%2", "239.255.90.82:15670 10.0.0.5%2",
		}},
		{"all but a CIDR", []Interface{lo, wired, docker}, []string{"!172.16.0.0/12"}, nil, []string{
			"eth0 [10.0.0.5/24]", "10.0.0.255:5670 10.0.0.5%2", "239.255.90.82:15670 10.0.0.5%2",
		}},
		{"all but an address", []Interface{lo, iface(4, "br0", ethernet, "10.0.0.1/24", "10.0.1.1/24")}, []string{"!10.0.0.1"}, nil, []string{
			"br0 [10.0.1.1/24]", "10.0.1.255:5670 10.0.1.1%4", "239.255.90.82:15670 10.0.1.1%4",
		}},
		{"all but a name leaves lo", []Interface{lo, wired}, []string{"!eth0"}, nil, []string{
			"lo [127.0.0.1/8]", "127.255.255.255:5670 127.0.0.1%1", "239.255.90.82:15670 127.0.0.1%1",
		}},
		{"all but that and lo", []Interface{lo, wired}, []string{"!eth0", "!lo"}, nil, []string{""}},
		{"what is left out stays out", []Interface{wired, wifi, docker}, []string{"!docker0", "*", "docker0", "!192.168.1.7"}, nil, []string{
			"eth0 [10.0.0.5/24]", "10.0.0.255:5670 10.0.0.5%2", "239.255.90.82:15670 10.0.0.5%2",
		}},
		{"a name that looks like a glob", []Interface{wired, iface(6, "Local Area Connection* 2", ethernet, "10.6.0.1/24")},
			[]string{"Local Area Connection* 2"}, []string{"255.255.255.255"}, []string{
				"Local Area Connection* 2 [10.6.0.1/24]", "10.6.0.255:5670 10.6.0.1%6",
			}},
		{"every subnet, no group", []Interface{wired, wifi}, nil, []string{"255.255.255.255"}, []string{
			"eth0 [10.0.0.5/24], wlan0 [192.168.1.7/16]",
			"10.0.0.255:5670 10.0.0.5%2", "192.168.255.255:5670 192.168.1.7%3",
		}},
		{"with a key, to every host of the link from each subnet", []Interface{lo, wired, iface(4, "br0", ethernet, "10.0.0.1/24", "10.0.0.2/24", "10.0.1.1/24", "10.0.2.1/32")},
			nil, []string{"key", "255.255.255.255"}, []string{
				"eth0 [10.0.0.5/24], br0 [10.0.0.1/24 10.0.0.2/24 10.0.1.1/24 10.0.2.1/32]",
				"255.255.255.255:5670 10.0.0.5%2", "255.255.255.255:5670 10.0.0.1%4", "255.255.255.255:5670 10.0.1.1%4",
			}},
		{"with a key, on lo", []Interface{lo}, nil, []string{"key", "255.255.255.255"}, []string{
			"lo [127.0.0.1/8]", "255.255.255.255:5670 127.0.0.1%1",
		}},
		{"with a key, one subnet and a group", []Interface{wired, wifi}, nil, []string{"key", "10.0.0.255", "224.0.0.99"}, []string{
			"eth0 [10.0.0.5/24], wlan0 [192.168.1.7/16]",
			"255.255.255.255:5670 10.0.0.5%2",
			"224.0.0.99:15670 10.0.0.5%2", "224.0.0.99:15670 192.168.1.7%3",
		}},
		{"one subnet and a group", []Interface{wired, wifi}, nil, []string{"10.0.0.255", "224.0.0.99"}, []string{
			"eth0 [10.0.0.5/24], wlan0 [192.168.1.7/16]",
			"10.0.0.255:5670 10.0.0.5%2",
			"224.0.0.99:15670 10.0.0.5%2", "224.0.0.99:15670 192.168.1.7%3",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := Config{Interfaces: c.named}
			for _, a := range c.addresses {
				if a == "key" {
					config.Key = testKey
					continue
				}
				config.Addresses = append(config.Addresses, netip.MustParseAddr(a))
			}
			config = config.withDefaults()
			v := newView(&config, only(false, c.interfaces), allOpen)
			got := []string{formatInterfaces(v.interfaces)}
			for _, d := range append(v.classic, v.state...) {
				got = append(got, d.Dst.String()+" "+d.Src.String()+"%"+string('0'+rune(d.IfIndex)))
			}
			equal(t, "view", got, c.want)
		})
	}
}

func TestWidens(t *testing.T) {
	config := Config{}.withDefaults()
	one, two := newView(&config, []Interface{wired}, allOpen), newView(&config, []Interface{wired, wifi}, allOpen)
	unplugged := wired
	unplugged.Flags &^= net.FlagRunning
	groupless := Config{Addresses: []netip.Addr{everySubnet}}.withDefaults()
	for _, c := range []struct {
		name      string
		old, next *view
		want      bool
	}{
		{"the same", one, one, false},
		{"another interface", one, two, true},
		{"a carrier that came back", newView(&config, []Interface{unplugged}, allOpen), one, true},
		{"a carrier that went", one, newView(&config, []Interface{unplugged}, allOpen), false},
		{"one less", two, one, false},
		{"a group more", newView(&groupless, []Interface{wired}, allOpen), one, true},
	} {
		if got := c.next.widens(c.old); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestInterfaceEqual(t *testing.T) {
	for _, c := range []struct {
		name  string
		other Interface
		want  bool
	}{
		{"the same", iface(2, "eth0", ethernet, "10.0.0.5/24", "fe80::1/64"), true},
		{"no carrier", iface(2, "eth0", ethernet&^net.FlagRunning, "10.0.0.5/24", "fe80::1/64"), true},
		{"down", iface(2, "eth0", ethernet&^net.FlagUp, "10.0.0.5/24", "fe80::1/64"), false},
		{"index", iface(3, "eth0", ethernet, "10.0.0.5/24", "fe80::1/64"), false},
		{"name", iface(2, "eth1", ethernet, "10.0.0.5/24", "fe80::1/64"), false},
		{"prefix", iface(2, "eth0", ethernet, "10.0.0.5/25", "fe80::1/64"), false},
	} {
		if got := wired.equalButCarrier(c.other); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestConfiguredBroadcast: beacons go to a configured broadcast address, and to the subnet's last; both are heard.
func TestConfiguredBroadcast(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		i := eth0("10.0.0.1/24")
		i.Broadcasts = map[netip.Prefix]netip.Addr{i.Addrs[0]: netip.MustParseAddr("10.0.255.255")}
		i.AltNames = []string{"enp1s0"}
		a := open(t, Config{Network: l.host(i), Interfaces: []string{"enp*"}, Addresses: []netip.Addr{everySubnet}})
		a.Announce(49152, Idle)
		advance(0)
		equal(t, "sent", texts(l.take()), []string{"5670: 22 port 49152 to 10.0.255.255:5670 from 10.0.0.1%2", classic1})
		for _, addr := range []string{"10.0.255.255", "10.0.0.255", "255.255.255.255"} {
			if !i.isBroadcast(netip.MustParseAddr(addr)) {
				t.Errorf("%s is not heard", addr)
			}
		}
		one, other := i, i
		other.Broadcasts = nil
		if one.same(other) || !one.same(i) {
			t.Error("a configured broadcast address makes no difference")
		}
	})
}
