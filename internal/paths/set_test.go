package paths

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-zre/go-zre/beacon"
)

func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// list parses endpoints separated by spaces.
func list(s string) (endpoints []netip.AddrPort) {
	for field := range strings.FieldsSeq(s) {
		endpoints = append(endpoints, at(field))
	}
	return endpoints
}

func text(endpoints []netip.AddrPort) string {
	fields := make([]string, len(endpoints))
	for i, endpoint := range endpoints {
		fields[i] = endpoint.String()
	}
	return strings.Join(fields, " ")
}

// describe formats the paths, the newest last: a star if the peer was recently shown there, an exclamation mark if it is proven.
func describe(s *Set) string {
	var fields []string
	for _, p := range *s.list.Load() {
		field := p.String()
		if s.clock.isFresh(p.shown.Load()) {
			field += "*"
		}
		if p.proven {
			field += "!"
		}
		fields = append(fields, field)
	}
	return strings.Join(fields, " ")
}

func TestAdd(t *testing.T) {
	for _, test := range []struct {
		name    string
		initial string
		add     string
		shown   bool
		want    string
		added   bool
	}{
		{"the first", "", "10.0.0.1:1", true, "10.0.0.1:1*", true},
		{"hearsay", "", "10.0.0.1:1", false, "10.0.0.1:1", true},
		{"another", "10.0.0.1:1", "10.0.0.2:1", true, "10.0.0.1:1 10.0.0.2:1*", true},
		{"another port", "10.0.0.1:1", "10.0.0.1:2", true, "10.0.0.1:1 10.0.0.1:2*", true},
		{"known, shown now", "10.0.0.1:1 10.0.0.2:1", "10.0.0.1:1", true, "10.0.0.1:1* 10.0.0.2:1", false},
		{"known, hearsay", "10.0.0.1:1", "10.0.0.1:1", false, "10.0.0.1:1", false},
		{"one too many", "10.0.0.1:1 10.0.0.2:1 10.0.0.3:1 10.0.0.4:1", "10.0.0.5:1", true,
			"10.0.0.2:1 10.0.0.3:1 10.0.0.4:1 10.0.0.5:1*", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewSet(NewClock(5), list(test.initial), false)
			if added := s.Add(at(test.add), test.shown); added != test.added {
				t.Errorf("Add: %v", added)
			}
			if got := describe(s); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestFollow(t *testing.T) {
	for _, test := range []struct {
		name      string
		initial   string
		hello     string
		restarted bool
		want      string
		added     bool
	}{
		{"known", "10.0.0.1:1", "10.0.0.1:1", false, "10.0.0.1:1*!", false},
		{"new", "10.0.0.1:1", "10.0.0.2:1", false, "10.0.0.1:1 10.0.0.2:1*!", true},
		{"two: neither is proven", "10.0.0.1:1", "10.0.0.1:1 10.0.0.2:1", false, "10.0.0.1:1 10.0.0.2:1", true},
		{"known becomes the newest", "10.0.0.1:1 10.0.0.2:1", "10.0.0.1:1", false, "10.0.0.2:1 10.0.0.1:1*!", false},
		{"no usable endpoint", "10.0.0.1:1", "", true, "10.0.0.1:1", false},
		{"restarted: another port is gone", "10.0.0.1:1 10.0.0.2:2", "10.0.0.1:2", true, "10.0.0.2:2 10.0.0.1:2*!", true},
		{"not restarted: another port stays", "10.0.0.1:1", "10.0.0.1:2", false, "10.0.0.1:1 10.0.0.1:2*!", true},
		{"too many", "10.0.0.1:1 10.0.0.2:1 10.0.0.3:1 10.0.0.4:1", "10.0.0.5:1 10.0.0.6:1", false,
			"10.0.0.3:1 10.0.0.4:1 10.0.0.5:1 10.0.0.6:1", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewSet(NewClock(5), list(test.initial), false)
			if added := s.Follow(list(test.hello), test.restarted); added != test.added {
				t.Errorf("Follow: %v", added)
			}
			if got := describe(s); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// A HELLO with one endpoint takes the proof from the path that had it, and another session has none.
func TestProof(t *testing.T) {
	s := NewSet(NewClock(5), nil, false)
	s.Follow(list("10.0.0.1:1"), false)
	s.Follow(list("10.0.0.2:1"), false)
	if got, want := describe(s), "10.0.0.1:1* 10.0.0.2:1*!"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	clone, next := s.Clone(), s.Unproven()
	if got, want := describe(next), "10.0.0.1:1* 10.0.0.2:1*"; got != want {
		t.Errorf("unproven: %q, want %q", got, want)
	}
	s.Add(at("10.0.0.3:1"), true)
	if got, want := describe(clone), "10.0.0.1:1* 10.0.0.2:1*!"; got != want {
		t.Errorf("clone: %q, want %q", got, want)
	}
	if len(next.Endpoints()) != 2 {
		t.Error("a set for another session changes with that of the old one")
	}
}

func TestSee(t *testing.T) {
	clock := NewClock(2)
	s := NewSet(clock, list("10.0.0.1:1 10.0.0.2:1"), true)
	advance := func(ticks int) {
		for range ticks {
			clock.Advance()
		}
	}
	advance(2)
	if !s.See(at("10.0.0.2:1")) || s.See(at("10.0.0.3:1")) {
		t.Error("See does not tell what it knows")
	}
	if s.HasMoved(at("10.0.0.1:1")) {
		t.Error("moved within the time that a path is fresh")
	}
	for endpoint, want := range map[string]uint32{"10.0.0.1:1": 1, "10.0.0.2:1": 3, "10.0.0.3:1": 0} {
		if got := s.ShownAt(at(endpoint)); got != want {
			t.Errorf("shown at %s in tick %d, want %d", endpoint, got, want)
		}
	}
	advance(1)
	if got, want := describe(s), "10.0.0.1:1 10.0.0.2:1*"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for endpoint, want := range map[string]bool{"10.0.0.1:1": true, "10.0.0.2:1": false, "10.0.0.3:1": false} {
		if got := s.HasMoved(at(endpoint)); got != want {
			t.Errorf("moved from %s: %v", endpoint, got)
		}
	}
	advance(2)
	if s.HasMoved(at("10.0.0.1:1")) {
		t.Error("moved, but shown nowhere")
	}
	hearsay := NewSet(clock, list("10.0.0.1:1"), false)
	hearsay.Add(at("10.0.0.2:1"), true)
	if hearsay.HasMoved(at("10.0.0.1:1")) {
		t.Error("moved from where it was never shown")
	}
}

func TestEndpointsOfASet(t *testing.T) {
	s := NewSet(NewClock(1), nil, false)
	if s.Newest().IsValid() || len(s.Endpoints()) != 0 || s.Contains(at("10.0.0.1:1")) {
		t.Error("an empty set has endpoints")
	}
	for i := range 10 {
		s.Add(at(fmt.Sprintf("127.0.0.%d:1", i)), true)
	}
	if got, want := text(s.Endpoints()), "127.0.0.6:1 127.0.0.7:1 127.0.0.8:1 127.0.0.9:1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if s.Newest() != at("127.0.0.9:1") || !s.Contains(at("127.0.0.6:1")) || s.Contains(at("127.0.0.5:1")) {
		t.Error("the newest are not kept")
	}
}

var lan = []beacon.Interface{
	{Name: "lo", Flags: net.FlagUp | net.FlagRunning, Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
	{Name: "eth0", Flags: net.FlagUp | net.FlagRunning, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.9/24"), netip.MustParsePrefix("fe80::9/64")}},
	{Name: "eth1", Flags: net.FlagUp, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.1.9/24"), netip.MustParsePrefix("fe80::9/64")}},
}

func TestRoutes(t *testing.T) {
	for _, test := range []struct {
		name   string
		known  string // hearsay
		shown  string
		proven string
		want   string
	}{
		{"none", "", "", "", ""},
		{"the newest of equals", "10.0.0.1:1 10.0.0.2:1", "", "", "10.0.0.2:1 10.0.0.1:1"},
		{"better links", "127.0.0.1:1 10.0.1.1:1 192.168.0.1:1 10.0.0.1:1", "", "", "10.0.0.1:1 192.168.0.1:1 10.0.1.1:1 127.0.0.1:1"},
		{"link-local after routed", "192.168.0.1:1 [fe80::1%eth0]:1", "", "", "192.168.0.1:1 [fe80::1%eth0]:1"},
		{"link-local by a link that is down", "[fe80::1%eth1]:1 [fe80::1%eth0]:1", "", "", "[fe80::1%eth0]:1 [fe80::1%eth1]:1"},
		{"shown beats the link", "10.0.0.1:1", "192.168.0.1:1", "", "192.168.0.1:1 10.0.0.1:1"},
		{"proven, which is shown too", "10.0.0.1:1", "10.0.0.2:1", "192.168.0.1:1", "192.168.0.1:1 10.0.0.2:1 10.0.0.1:1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewSet(NewClock(5), list(test.known), false)
			for _, endpoint := range list(test.shown) {
				s.Add(endpoint, true)
			}
			if test.proven != "" {
				s.Follow(list(test.proven), false)
			}
			var got []netip.AddrPort
			routes := s.Routes(lan)
			for _, r := range routes {
				got = append(got, r.AddrPort)
			}
			if text(got) != test.want {
				t.Errorf("%q, want %q", text(got), test.want)
			}
			if !slices.IsSortedFunc(routes, func(a, b Route) int { return b.Score - a.Score }) {
				t.Errorf("scores are not in order: %v", routes)
			}
		})
	}
}

// A path that was shown long ago is no better than hearsay.
func TestStaleRoute(t *testing.T) {
	clock := NewClock(1)
	s := NewSet(clock, list("10.0.0.1:1"), true)
	clock.Advance()
	s.Add(at("10.0.0.2:1"), false)
	if best := s.Routes(lan)[0]; best.AddrPort != at("10.0.0.1:1") {
		t.Errorf("hearsay is better than fresh: %v", best)
	}
	clock.Advance()
	if best := s.Routes(lan)[0]; best.AddrPort != at("10.0.0.2:1") {
		t.Errorf("stale is better than newer: %v", best)
	}
}

func TestHasAlternative(t *testing.T) {
	for _, test := range []struct {
		name  string
		shown string
		known string
		to    string
		want  bool
	}{
		{"no other", "10.0.0.1:1", "", "10.0.0.1:1", false},
		{"another on a link", "10.0.1.1:1 10.0.0.1:1", "", "10.0.1.1:1", true},
		{"hearsay", "10.0.1.1:1", "10.0.0.1:1", "10.0.1.1:1", false},
		{"by a router", "10.0.1.1:1 192.168.0.1:1", "", "10.0.1.1:1", false},
		{"without a carrier", "10.0.0.1:1 10.0.1.1:1", "", "10.0.0.1:1", false},
		{"link-local of the interface", "10.0.1.1:1 [fe80::1%eth0]:1", "", "10.0.1.1:1", true},
		{"link-local of another", "10.0.1.1:1 [fe80::1%eth7]:1", "", "10.0.1.1:1", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewSet(NewClock(5), list(test.shown), true)
			for _, endpoint := range list(test.known) {
				s.Add(endpoint, false)
			}
			if got := s.HasAlternative(at(test.to), lan); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// Readers may run beside the control loop.
func TestConcurrentReaders(t *testing.T) {
	clock := NewClock(5)
	s := NewSet(clock, list("10.0.0.1:1"), true)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				s.See(at("10.0.0.1:1"))
				if len(s.Routes(lan)) == 0 || len(s.Unproven().Endpoints()) > maxPaths {
					t.Error("a reader sees no paths, or too many")
					return
				}
			}
		})
	}
	for i := range 1_000 {
		s.Add(at(fmt.Sprintf("10.0.%d.%d:1", i/250, i%250)), i%2 == 0)
		s.Follow(list("10.0.0.1:1"), i%3 == 0)
		clock.Advance()
	}
	close(done)
	readers.Wait()
}
