package beacon

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/testbed"
)

// cables makes pairs of interfaces on a host, starting at number first: a7 with an address of its own subnet, and its other end b7. One run
// of ip makes them all.
func cables(t testing.TB, h *testbed.Host, first, count int) {
	t.Helper()
	var batch strings.Builder
	for n := first; n < first+count; n++ {
		fmt.Fprintf(&batch, "link add a%d type veth peer name b%d\n", n, n)
		fmt.Fprintf(&batch, "addr add 10.%d.%d.1/24 broadcast + dev a%d\n", 100+n/200, n%200, n)
		fmt.Fprintf(&batch, "link set a%d up\nlink set b%d up\n", n, n)
	}
	runBatch(t, h, batch.String())
}

// removeCables deletes pairs of interfaces.
func removeCables(t testing.TB, h *testbed.Host, first, count int) {
	t.Helper()
	var batch strings.Builder
	for n := first; n < first+count; n++ {
		fmt.Fprintf(&batch, "link del a%d\n", n)
	}
	runBatch(t, h, batch.String())
}

func runBatch(t testing.TB, h *testbed.Host, lines string) {
	t.Helper()
	cmd := h.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(lines)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ip: %v: %s", err, out)
	}
}

// memberships counts the interfaces of a host on which a process is in the group of the state beacons.
func memberships(t testing.TB, r *realNetwork) (count int) {
	t.Helper()
	octets := defaultGroup.As4()
	group := fmt.Sprintf("%02X%02X%02X%02X", octets[3], octets[2], octets[1], octets[0])
	err := r.Do(func() error {
		b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/net/igmp", syscall.Gettid()))
		count = strings.Count(string(b), group)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, happens func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(patience); !happens(); {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// TestManyInterfaces: a socket may be in 20 groups on Linux. An agent hears by all interfaces nevertheless, and ends the memberships of
// removed ones.
func TestManyInterfaces(t *testing.T) {
	t.Parallel()
	host := testbed.NewLAN(t, "").Host("many")
	cables(t, host, 0, 30)
	r := newRealNetwork(host)
	heard := make(chan Sighting, 10_000)
	a := open(t, Config{Network: r, Interfaces: []string{"!b*"}, Handler: func(s Sighting) { heard <- s }})
	all := func(count int) {
		t.Helper()
		eventually(t, fmt.Sprint(count, " interfaces"), func() bool { return len(a.Interfaces()) == count && memberships(t, r) == count })
		if f := a.Failures(); len(f) > 0 {
			t.Errorf("failures: %v", f)
		}
	}
	all(31)
	speaker := open(t, Config{Network: newRealNetwork(host), UUID: uuid.New(), Interfaces: []string{"!b*"}, Interval: 100 * time.Millisecond})
	speaker.Announce(49152, Idle)
	missing := make(map[string]bool)
	for n := range 30 {
		missing[fmt.Sprint("a", n)] = true
	}
	await(t, "multicast by all interfaces", heard, func(s Sighting) bool {
		if s.Multicast && s.Addr.Is4() {
			delete(missing, s.Interface)
		}
		return len(missing) == 0
	})
	for round := range 3 {
		removeCables(t, host, 30*round, 30)
		cables(t, host, 30*(round+1), 30)
		all(31)
	}
	a.station.scanning.Lock()
	defer a.station.scanning.Unlock()
	if parts := len(*a.station.state4.parts.Load()); parts > 4 {
		t.Errorf("%d sockets are open for 31 interfaces", parts)
	}
}

// TestSameIndex: an interface that is recreated with its old index is joined again.
func TestSameIndex(t *testing.T) {
	t.Parallel()
	host := testbed.NewLAN(t, "").Host("again")
	r := newRealNetwork(host)
	a := open(t, Config{Network: r, Interfaces: []string{"!b*"}})
	for range 3 {
		run(t, host, "ip", "link", "add", "a0", "index", "500", "type", "veth", "peer", "name", "b0")
		run(t, host, "ip", "addr", "add", "10.100.0.1/24", "broadcast", "+", "dev", "a0")
		run(t, host, "ip", "link", "set", "a0", "up")
		eventually(t, "two memberships", func() bool { return memberships(t, r) == 2 })
		run(t, host, "ip", "link", "del", "a0")
	}
	if f := a.Failures(); len(f) > 0 {
		t.Errorf("failures: %v", f)
	}
}

// TestHundredsOfInterfaces: on a host of 250 interfaces a node takes less than a twentieth of a core.
func TestHundredsOfInterfaces(t *testing.T) {
	const most = 0.05
	host := testbed.NewLAN(t, "").Host("hundreds")
	cables(t, host, 0, 250)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := host.Command(self)
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", childPort, DefaultPort), childPort+"_INTERFACE=!b*")
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	r := newRealNetwork(host)
	eventually(t, "251 memberships", func() bool { return memberships(t, r) == 251 })
	share := 1.0
	for range 5 { // other tests may disturb it
		before, began := cpuTime(t, cmd.Process.Pid), time.Now()
		<-time.After(3 * time.Second)
		share = min(share, float64(cpuTime(t, cmd.Process.Pid)-before)/float64(time.Since(began)))
		if share < most {
			break
		}
	}
	t.Logf("%.1f %% of a core", 100*share)
	if share >= most && !raceEnabled {
		t.Errorf("an agent takes %.1f %% of a core", 100*share)
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// cpuTime returns a process's CPU time, in hundredths of a second.
func cpuTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // starting at the state
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		t.Fatalf("%s", b)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// TestAppearsLater: an interface that is chosen by name and comes seconds later is reported as missing, and beacons go out within a second.
func TestAppearsLater(t *testing.T) {
	t.Parallel()
	host := testbed.NewLAN(t, "").Host("later")
	r := newRealNetwork(host)
	a := open(t, Config{Network: r, Interfaces: []string{"wlan0"}})
	a.Announce(49152, Idle)
	if f := a.Failures(); len(f) != 1 || f[0].Op != OpChoose || f[0].Interface != "wlan0" {
		t.Errorf("failures: %v", f)
	}
	<-time.After(5 * time.Second)
	select {
	case to := <-r.sent:
		t.Errorf("a beacon to %v before there is an interface", to)
	default:
	}
	run(t, host, "ip", "link", "add", "wlan0", "type", "veth", "peer", "name", "ap0")
	run(t, host, "ip", "link", "set", "ap0", "up")
	run(t, host, "ip", "addr", "add", "192.168.7.1/24", "broadcast", "+", "dev", "wlan0")
	began := time.Now()
	run(t, host, "ip", "link", "set", "wlan0", "up")
	awaitDestination(t, r, "192.168.7.255")
	if took := time.Since(began); took > time.Second {
		t.Errorf("the first beacon came after %v", took)
	}
	if f := a.Failures(); len(f) > 0 {
		t.Errorf("failures: %v", f)
	}
}
