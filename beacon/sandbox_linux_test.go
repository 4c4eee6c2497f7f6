package beacon

import (
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/testbed"
)

// TestSandboxedInterfaces: without netlink the same interfaces and addresses are found.
func TestSandboxedInterfaces(t *testing.T) {
	t.Parallel()
	host := testbed.NewLAN(t, "").Host("sandbox")
	host.AwaitCarrier()
	run(t, host, "ip", "addr", "add", "10.9.8.7/20", "broadcast", "+", "dev", host.Interface)
	run(t, host, "ip", "addr", "add", "10.77.200.1/32", "dev", host.Interface, "label", host.Interface+":one")
	run(t, host, "ip", "addr", "add", "fd00::7/64", "dev", host.Interface, "nodad")
	run(t, host, "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
	run(t, host, "ip", "addr", "add", "192.168.99.1/30", "dev", "v0") // which stays down
	host.LinkLocal()

	list := func(sandboxed bool) (lines []string) {
		t.Helper()
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		command := host.Command
		if sandboxed {
			command = host.Sandboxed
		}
		cmd := command(self)
		cmd.Env = append(cmd.Env, childList+"=1")
		out, err := cmd.Output()
		if err == nil {
			err = json.Unmarshal(out, &lines)
		}
		if err != nil {
			t.Fatalf("sandboxed %v: %v: %s", sandboxed, err, out)
		}
		return lines
	}
	want := list(false)
	if len(want) != 4 {
		t.Errorf("interfaces without a sandbox: %q", want)
	}
	equal(t, "in a sandbox", list(true), want)
}

// TestConfigured: configured broadcast addresses and alternative names are found, in a sandbox only the former.
func TestConfigured(t *testing.T) {
	t.Parallel()
	host := testbed.NewLAN(t, "").Host("configured")
	run(t, host, "ip", "addr", "add", "10.1.2.3/24", "broadcast", "10.1.255.255", "dev", host.Interface)
	run(t, host, "ip", "addr", "add", "10.5.0.1/32", "broadcast", "10.5.0.255", "dev", host.Interface)
	run(t, host, "ip", "link", "property", "add", "dev", host.Interface, "altname", "enp1s0", "altname", "enx00")
	r := newRealNetwork(host)
	all, err := r.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var bare []Interface
	if err := r.Do(func() (err error) { bare, err = ioctlInterfaces(); return err }); err != nil {
		t.Fatal(err)
	}
	want := map[netip.Prefix]netip.Addr{
		netip.MustParsePrefix("10.1.2.3/24"): netip.MustParseAddr("10.1.255.255"),
		netip.MustParsePrefix("10.5.0.1/32"): netip.MustParseAddr("10.5.0.255"),
	}
	for what, list := range map[string][]Interface{"by netlink": all, "without": bare} {
		at := slices.IndexFunc(list, func(i Interface) bool { return i.Name == host.Interface })
		if at < 0 || !maps.Equal(list[at].Broadcasts, want) {
			t.Errorf("%s: %v", what, list)
		}
	}
	at := slices.IndexFunc(all, func(i Interface) bool { return i.Name == host.Interface })
	equal(t, "alternative names", all[at].AltNames, []string{"enp1s0", "enx00"})

	heard := make(chan Sighting, 1000)
	open(t, Config{Network: newRealNetwork(host), UUID: uuid.New(), Interfaces: []string{"10.1.2.3"}, Handler: func(s Sighting) { heard <- s }})
	a := open(t, Config{Network: r, Interfaces: []string{"enp1s0"}})
	if f := a.Failures(); len(f) > 0 {
		t.Errorf("failures: %v", f)
	}
	a.Announce(49152, Idle)
	for _, dst := range []string{"10.1.255.255", "10.1.2.255", "10.5.0.255"} {
		awaitDestination(t, r, dst)
	}
	await(t, "a beacon", heard, func(s Sighting) bool { return s.UUID == a.config.UUID && !s.Multicast })
}

// awaitDestination waits for a beacon to that address.
func awaitDestination(t *testing.T, r *realNetwork, dst string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case to := <-r.sent:
			if to.Dst.Addr().String() == dst {
				return
			}
		case <-deadline:
			t.Fatalf("no beacon to %s within %v", dst, patience)
		}
	}
}
