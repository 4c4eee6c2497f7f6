package beacon

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// TestListMatchesPackageNet: on a host with all kinds of addresses the list is the one that package net makes.
func TestListMatchesPackageNet(t *testing.T) {
	h := testbed.NewLAN(t, "").Host("alice")
	cable(t, h, "10.98.0.1/22")
	for _, args := range [][]string{
		{"addr", "add", "10.98.0.2/22", "dev", "v0"},
		{"addr", "add", "fd00::2/64", "dev", "v0", "nodad"},
		{"link", "add", "br0", "type", "bridge"},
		{"link", "set", "v1", "down"},
	} {
		run(t, h, append([]string{"ip"}, args...)...)
	}
	r := newRealNetwork(h)
	usable := func() (list []Interface) {
		list, err := r.Interfaces()
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	until(t, r, "the link-local addresses", func() bool { return len(usable()[1].Addrs) > 1 })
	var want []Interface
	err := h.Do(func() error {
		all, err := net.Interfaces()
		for _, i := range all {
			next := Interface{Index: i.Index, Name: i.Name, Flags: i.Flags}
			addrs, err := i.Addrs()
			if err != nil {
				return err
			}
			for _, a := range addrs {
				next.Addrs = append(next.Addrs, netip.MustParsePrefix(a.String()))
			}
			want = append(want, next)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got := usable()
	for at := range got {
		got[at].life = 0 // package net does not know
	}
	if !slices.EqualFunc(got, want, Interface.same) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
