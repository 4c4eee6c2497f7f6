package srv

import (
	"strings"
	"testing"
)

func TestName(t *testing.T) {
	long := strings.Repeat("a", 63) + "."
	for _, c := range []struct{ domain, want, problem string }{
		{"example.org", "_zre._tcp.example.org", ""},
		{"example.org.", "_zre._tcp.example.org.", ""},
		{"Example.ORG", "_zre._tcp.Example.ORG", ""},
		{"robots.default.svc.cluster.local", "_zre._tcp.robots.default.svc.cluster.local", ""},
		{"_zre._tcp.robots.default.svc.cluster.local", "_zre._tcp.robots.default.svc.cluster.local", ""},
		{"_robots._tcp.service.consul", "_robots._tcp.service.consul", ""},
		{"_one.example.org", "_one.example.org", ""},
		{"with_underscore.example.org", "_zre._tcp.with_underscore.example.org", ""},
		{"robots", "_zre._tcp.robots", ""},
		{"_zre._tcp.robots", "_zre._tcp.robots", ""},
		{"robots.", "_zre._tcp.robots.", ""},
		{strings.Repeat(long, 3) + strings.Repeat("b", 51), "_zre._tcp." + strings.Repeat(long, 3) + strings.Repeat("b", 51), ""},
		{strings.Repeat(long, 3) + strings.Repeat("b", 52), "", "longer than 253"},
		{strings.Repeat("c", 64) + ".org", "", "longer than 63"},
		{"", "", "it is empty"},
		{".", "", "empty label"},
		{"example..org", "", "empty label"},
		{"example.org..", "", "empty label"},
		{".example.org", "", "empty label"},
		{"example .org", "", `' '`},
		{"example.org:5670", "", `':'`},
		{"tcp://example.org", "", `':'`},
		{"a/b", "", `'/'`},
		{"example.org\x00", "", `'\x00'`},
		{"köln.example", "", "xn--"},
		{"-a.example.org", "", "hyphen"},
		{"a-.example.org", "", "hyphen"},
		{"192.0.2.7", "", "an address"},
		{"2001:db8::7", "", "an address"},
		{"_zre._tcp", "", "without a domain"},
		{"_zre._tcp.", "", "without a domain"},
	} {
		t.Run(c.domain, func(t *testing.T) {
			got, err := Name(c.domain)
			if got != c.want || (err == nil) != (c.problem == "") {
				t.Fatalf("%q, %v; want %q", got, err, c.want)
			}
			if err != nil && !(strings.Contains(err.Error(), c.problem) && strings.HasPrefix(err.Error(), "srv: \"")) {
				t.Errorf("%v: want %q", err, c.problem)
			}
		})
	}
}

func TestServer(t *testing.T) {
	for _, c := range []struct{ address, want string }{
		{"10.0.0.2", "10.0.0.2:53"},
		{"10.0.0.2:8600", "10.0.0.2:8600"},
		{"::1", "[::1]:53"},
		{"[::1]", "[::1]:53"},
		{"[::1]:8600", "[::1]:8600"},
		{"fe80::1%eth0", "[fe80::1%eth0]:53"},
		{"[fe80::1%eth0]:54", "[fe80::1%eth0]:54"},
		{"localhost:8600", "localhost:8600"},
		{"ns.example.org", "ns.example.org:53"},
		{"tcp://127.0.0.1:8600", "tcp://127.0.0.1:8600"},
		{"tcp://::1", "tcp://[::1]:53"},
		{"", ""},
		{"tcp://", ""},
		{"udp://10.0.0.2", ""},
		{"10.0.0.2:0", ""},
		{"10.0.0.2:65536", ""},
		{"10.0.0.2:domain", ""},
		{"10.0.0.2:", ""},
		{":53", ""},
		{"[10.0.0.2]", "10.0.0.2:53"},
		{"[::1]x:53", ""},
		{"a b:53", ""},
		{"[::1", ""},
	} {
		t.Run(c.address, func(t *testing.T) {
			got, err := Server(c.address)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Fatalf("%q, %v; want %q", got, err, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), `"`+c.address+`"`) {
				t.Errorf("%v does not name the value", err)
			}
			if again, err := Server(got); c.want != "" && (err != nil || again != got) {
				t.Errorf("Server of its own result: got %q, %v", again, err)
			}
		})
	}
}
