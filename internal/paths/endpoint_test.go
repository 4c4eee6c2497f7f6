package paths

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		endpoint string
		host     string
		port     uint16
		split    string // the error of Split; "" for none
		parse    string // the error of Parse
	}{
		{"tcp://10.0.0.1:5671", "10.0.0.1", 5671, "", ""},
		{"tcp://[fd77::1]:49152", "fd77::1", 49152, "", ""},
		{"tcp://fd77::1:49152", "fd77::1", 49152, "", ""}, // C zyre
		{"tcp://[fe80::1%eth0]:49152", "fe80::1%eth0", 49152, "", ""},
		{"tcp://[::ffff:10.0.0.1]:500", "::ffff:10.0.0.1", 500, "", ""},
		{"tcp://host:1", "host", 1, "", ""},
		{"tcp://my_host.example.:65535", "my_host.example.", 65535, "", ""},
		{"tcp://*:1", "*", 1, "", "neither an IP address nor a host name"}, // C zyre with interface "*"
		{"tcp://-host:1", "-host", 1, "", "neither an IP address nor a host name"},
		{"tcp://a..b:1", "a..b", 1, "", "neither an IP address nor a host name"},
		{"tcp://" + strings.Repeat("a", 64) + ":1", strings.Repeat("a", 64), 1, "", "neither an IP address nor a host name"},
		{"tcp://0.0.0.0:1", "0.0.0.0", 1, "", "not an address that can be dialled"},
		{"tcp://[::]:1", "::", 1, "", "not an address that can be dialled"},
		{"tcp://[::ffff:0.0.0.0]:1", "::ffff:0.0.0.0", 1, "", "not an address that can be dialled"},
		{"tcp://[ff02::1]:1", "ff02::1", 1, "", "not an address that can be dialled"},
		{"tcp://239.255.90.82:1", "239.255.90.82", 1, "", "not an address that can be dialled"},
		{"tcp://10.0.0.1:0", "", 0, "want a port", "want a port"},
		{"tcp://10.0.0.1:65536", "", 0, "want a port", "want a port"},
		{"tcp://10.0.0.1:+1", "", 0, "want a port", "want a port"},
		{"tcp://10.0.0.1", "", 0, "want tcp://host:port", "want tcp://host:port"},
		{"tcp://:1", "", 0, "want tcp://host:port", "want tcp://host:port"},
		{"tcp://[10.0.0.1]:5", "", 0, "brackets", "brackets"},
		{"tcp://[fd77::1:5", "", 0, "brackets", "brackets"},
		{"tcp://", "", 0, "want tcp://host:port", "want tcp://host:port"},
		{"ipc:///tmp/x:1", "", 0, "want tcp://host:port", "want tcp://host:port"},
		{"", "", 0, "want tcp://host:port", "want tcp://host:port"},
	} {
		for _, f := range []struct {
			name      string
			call      func(string) (string, uint16, error)
			complaint string
		}{{"Split", Split, test.split}, {"Parse", Parse, test.parse}} {
			host, port, err := f.call(test.endpoint)
			switch {
			case f.complaint == "" && (err != nil || host != test.host || port != test.port):
				t.Errorf("%s %q: %q, %d, %v", f.name, test.endpoint, host, port, err)
			case f.complaint != "" && (err == nil || !strings.Contains(err.Error(), f.complaint) || host != "" || port != 0):
				t.Errorf("%s %q: %q, %d, %v", f.name, test.endpoint, host, port, err)
			}
		}
	}
}

func TestIsHostName(t *testing.T) {
	label := strings.Repeat("a", 63)
	longest := strings.Join([]string{label, label, label, label[:61]}, ".")
	for _, test := range []struct {
		name string
		want bool
	}{
		{"0-9.a_z.AZ", true}, // the ends of the ranges of octets
		{"a/", false}, {"a:", false}, {"a@", false}, {"a[", false}, {"a`", false}, {"a{", false},
		{label, true}, {label + "a", false},
		{longest, true}, {longest + "a", false},
		{"", false}, {".", false}, {"a.", true}, {"a..", false},
	} {
		if got := isHostName(test.name); got != test.want {
			t.Errorf("%q of %d bytes: %v", test.name, len(test.name), got)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, test := range []struct{ at, brackets, bare string }{
		{"10.0.0.1:5671", "tcp://10.0.0.1:5671", "tcp://10.0.0.1:5671"},
		{"[fd77::1]:49152", "tcp://[fd77::1]:49152", "tcp://fd77::1:49152"},
	} {
		if got := Format(at(test.at)); got != test.brackets {
			t.Errorf("%s: %q", test.at, got)
		}
		if got := FormatBare(at(test.at)); got != test.bare {
			t.Errorf("%s, bare: %q", test.at, got)
		}
		for _, endpoint := range []string{test.brackets, test.bare} {
			host, port, err := Parse(endpoint)
			if err != nil || netip.AddrPortFrom(netip.MustParseAddr(host), port) != at(test.at) {
				t.Errorf("%q read: %s, %d, %v", endpoint, host, port, err)
			}
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct {
		addr     net.Addr
		at, host string
	}{
		{&net.TCPAddr{IP: net.ParseIP("10.0.0.1"), Port: 1}, "10.0.0.1:1", "10.0.0.1"},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: "eth0"}, "[fe80::1%eth0]:1", "fe80::1"},
		{&net.UnixAddr{Name: "/tmp/x", Net: "unix"}, "invalid AddrPort", "invalid IP"},
	} {
		if got := AddrPortOf(test.addr).String(); got != test.at {
			t.Errorf("%v: %s", test.addr, got)
		}
		if got := AddrOf(test.addr).String(); got != test.host {
			t.Errorf("%v: host %s", test.addr, got)
		}
	}
}

func TestOnLinkOf(t *testing.T) {
	eth0 := &net.TCPAddr{IP: net.ParseIP("fe80::2"), Zone: "eth0"}
	for named, want := range map[string]string{
		"[fe80::1%eth7]:1": "[fe80::1%eth0]:1",
		"[fe80::1]:1":      "[fe80::1%eth0]:1",
		"[fd77::1%eth7]:1": "[fd77::1]:1",
		"10.0.0.1:1":       "10.0.0.1:1",
	} {
		if got := OnLinkOf(eth0, at(named)).String(); got != want {
			t.Errorf("%s: %s, want %s", named, got, want)
		}
	}
}
