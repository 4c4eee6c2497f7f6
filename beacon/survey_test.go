package beacon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestSurvey(t *testing.T) {
	off := iface(4, "eth1", ethernet&^(net.FlagUp|net.FlagRunning), "10.4.0.1/24")
	bare := iface(5, "eth2", ethernet)
	six := iface(6, "eth3", ethernet, "fe80::3/64")
	deaf := iface(7, "dummy0", net.FlagUp|net.FlagRunning, "10.7.0.1/24")
	unplugged := iface(8, "eth4", ethernet&^net.FlagRunning, "10.8.0.1/24")
	narrow := iface(10, "eth5", net.FlagUp|net.FlagBroadcast|net.FlagRunning, "10.10.0.1/31", "10.11.0.1/24")
	machine := []Interface{lo, wired, wifi, off, bare, six, deaf, unplugged, tunnel, narrow}
	for _, c := range []struct {
		name       string
		interfaces []Interface
		chosen     []string
		addresses  []string
		want       []string
	}{
		{"nothing chosen", machine, nil, nil, []string{
			"lo spared", "eth0 used [10.0.0.5/24 fe80::1/64] 10.0.0.255:5670 [ff02::1]:5670 239.255.90.82:15670 [ff12::5a:5245]:15670",
			"wlan0 used [192.168.1.7/16] 192.168.255.255:5670 239.255.90.82:15670",
			"eth1 down no carrier", "eth2 no address", "eth3 used [fe80::3/64] [ff02::1]:5670 [ff12::5a:5245]:15670", "dummy0 mute",
			"eth4 used [10.8.0.1/24] 10.8.0.255:5670 239.255.90.82:15670 no carrier",
			"tun0 point-to-point no carrier", "eth5 used [10.10.0.1/31 10.11.0.1/24] 10.11.0.255:5670",
		}},
		{"only lo", []Interface{lo, off}, nil, nil, []string{
			"lo used [127.0.0.1/8] 127.255.255.255:5670 239.255.90.82:15670", "eth1 down no carrier",
		}},
		{"some chosen, among them a tunnel and one that is down", machine, []string{"tun0", "eth1", "dummy0", "10.10.0.1"}, nil, []string{
			"lo not chosen", "eth0 not chosen", "wlan0 not chosen", "eth1 down no carrier", "eth2 no address", "eth3 not chosen",
			"dummy0 used [10.7.0.1/24]", "eth4 not chosen no carrier", "tun0 used [10.8.0.2/24] 239.255.90.82:15670 no carrier",
			"eth5 used [10.10.0.1/31]",
		}},
		{"a glob spares lo", []Interface{lo, wired}, []string{"*"}, nil, []string{
			"lo spared", "eth0 used [10.0.0.5/24 fe80::1/64] 10.0.0.255:5670 [ff02::1]:5670 239.255.90.82:15670 [ff12::5a:5245]:15670",
		}},
		{"excluded, also where it is down", []Interface{lo, wired, wifi, off}, []string{"!eth*"}, nil, []string{
			"lo spared", "eth0 excluded", "wlan0 used [192.168.1.7/16] 192.168.255.255:5670 239.255.90.82:15670", "eth1 excluded no carrier",
		}},
		{"excluded counts more than not chosen", []Interface{lo, iface(2, "br0", ethernet, "10.0.0.1/24", "10.1.0.1/24")},
			[]string{"lo", "!10.0.0.1"}, nil, []string{
				"lo used [127.0.0.1/8] 127.255.255.255:5670 239.255.90.82:15670", "br0 excluded",
			}},
		{"one address of two", []Interface{iface(2, "br0", ethernet, "10.0.0.1/24", "10.1.0.1/24")}, []string{"!10.0.0.1"}, nil, []string{
			"br0 used [10.1.0.1/24] 10.1.0.255:5670 239.255.90.82:15670",
		}},
		{"another group, no broadcast", []Interface{wired}, nil, []string{"224.0.0.99"}, []string{
			"eth0 used [10.0.0.5/24 fe80::1/64] [ff02::1]:5670 224.0.0.99:15670 [ff12::5a:5245]:15670",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := Config{Network: &host{lan: newLAN(), interfaces: c.interfaces}, Interfaces: c.chosen}
			for _, a := range c.addresses {
				config.Addresses = append(config.Addresses, netip.MustParseAddr(a))
			}
			reports, err := Survey(config)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for n, r := range reports {
				text := r.Name + " " + r.Reason.String()
				if r.UsedAddrs != nil {
					text += " " + fmt.Sprint(r.UsedAddrs)
				}
				for _, d := range append(r.Classic, r.State...) {
					text += " " + d.Dst.String()
				}
				if !r.HasCarrier {
					text += " no carrier"
				}
				got = append(got, text)
				if !r.same(c.interfaces[n]) {
					t.Errorf("the report of %s does not have the interface as it is: %v", r.Name, r.Interface)
				}
			}
			equal(t, "reports", got, c.want)
		})
	}
}

// What an agent uses, and where it sends, is what the survey says.
func TestSurveyMatchesAgent(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host(eth0("10.0.0.1/24"), iface(3, "eth1", ethernet, "10.1.0.1/24", "10.2.0.1/24"), iface(4, "eth2", ethernet))
		a := open(t, Config{Network: h})
		reports, err := Survey(Config{Network: h})
		if own := a.Survey(); fmt.Sprint(own) != fmt.Sprint(reports) {
			t.Errorf("the agent's own survey: %v, want %v", own, reports)
		}
		if err != nil {
			t.Fatal(err)
		}
		a.Announce(49152, Idle)
		advance(1)
		var said, surveyed []Destination
		for _, s := range l.take() {
			said = append(said, s.to)
		}
		var used []Interface
		for _, r := range reports {
			surveyed = append(surveyed, r.Classic...)
			if r.Reason == ReasonUsed {
				used = append(used, r.Interface)
			}
		}
		for _, r := range reports {
			surveyed = append(surveyed, r.State...)
		}
		equal(t, "destinations", surveyed, said)
		if got, want := formatInterfaces(used), formatInterfaces(a.Interfaces()); got != want {
			t.Errorf("used: %s, the agent uses %s", got, want)
		}
	})
}

func TestSurveyErrors(t *testing.T) {
	h := newLAN().host(eth0("10.0.0.1/24"))
	for says, config := range map[string]Config{
		"70000":     {Port: 70_000},
		"not a glo": {Interfaces: []string{"eth["}},
	} {
		config.Network = h
		if _, err := Survey(config); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got error %v, want one with %q", err, says)
		}
	}
	h.scanErr = errors.New("no files left")
	if _, err := Survey(Config{Network: h}); !errors.Is(err, h.scanErr) {
		t.Errorf("%v, want %v", err, h.scanErr)
	}
	if reports, err := Survey(Config{Network: newLAN().host(eth0("10.0.0.1/24")), Interfaces: []string{"eth7"}}); err != nil || len(reports) != 2 {
		t.Errorf("Survey with an interface that does not exist: %v, %v", reports, err)
	}
	if got := Reason(99).String() + Reason(0).String(); got != "reason(99)reason(0)" {
		t.Errorf("names of unknown reasons: got %q", got)
	}
}

// An agent's survey leaves out what it has no sockets for; Survey cannot know.
func TestSurveyOfOneFamily(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		six := iface(3, "eth1", ethernet, "fe80::2/64")
		two := iface(2, "eth0", ethernet, "10.0.0.1/24", "fe80::1/64")
		both := l.host(two, six)
		both.six = true
		for _, c := range []struct {
			host *host
			want string
		}{
			{l.host(two, six), "spared [] 0 0, used [10.0.0.1/24] 1 1, no address [] 0 0"},
			{both, "spared [] 0 0, used [10.0.0.1/24 fe80::1/64] 2 2, used [fe80::2/64] 1 1"},
		} {
			var got []string
			for _, r := range open(t, Config{Network: c.host}).Survey() {
				got = append(got, fmt.Sprintf("%v %v %d %d", r.Reason, r.UsedAddrs, len(r.Classic), len(r.State)))
				if len(r.Addrs) != 2 && r.Name == "eth0" {
					t.Errorf("the report of eth0 has the addresses %v", r.Addrs)
				}
			}
			if got := strings.Join(got, ", "); got != c.want {
				t.Errorf("%s; want %s", got, c.want)
			}
		}
	})
}

func TestPorts(t *testing.T) {
	for _, c := range []struct {
		config         Config
		classic, state int
	}{
		{Config{}, 5670, 15670},
		{Config{Port: 6000}, 6000, 16000},
		{Config{Port: 60_000}, 60_000, 50_000},
		{Config{Port: 6000, StatePort: 7000}, 6000, 7000},
	} {
		if classic, state := c.config.Ports(); classic != c.classic || state != c.state {
			t.Errorf("%+v: %d and %d, want %d and %d", c.config, classic, state, c.classic, c.state)
		}
	}
}
