package beacon

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/google/uuid"
)

// These tests use real sockets, only on the loopback interface and on random ports.

const patience = 10 * time.Second

// loopback returns the loopback interface.
func loopback(t testing.TB) Interface {
	t.Helper()
	all, err := System.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 && i.Flags&net.FlagUp != 0 {
			return i
		}
	}
	testbed.Missing(t, "a loopback interface that is up")
	return Interface{}
}

// openOnLo opens an agent on the loopback interface, on a random port if none is given.
func openOnLo(t testing.TB, port int, heard chan Sighting) *Agent {
	t.Helper()
	var failures []Failure
	for range 20 {
		c := Config{UUID: uuid.New(), Port: port, Interfaces: []string{loopback(t).Name}, Handler: func(s Sighting) {
			select {
			case heard <- s:
			default:
			}
		}}
		if port == 0 {
			c.Port = 12_000 + rand.IntN(10_000)
		}
		a, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		if failures = a.Failures(); len(failures) == 0 {
			t.Cleanup(func() { a.Close() })
			return a
		}
		a.Close()
	}
	t.Fatal(failures)
	return nil
}

// await returns the first sighting that fits.
func await(t testing.TB, what string, heard chan Sighting, fits func(Sighting) bool) Sighting {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case s := <-heard:
			if fits(s) {
				return s
			}
		case <-deadline:
			t.Fatalf("not heard within %v: %s", patience, what)
		}
	}
}

func TestLoopbackOneProcess(t *testing.T) {
	t.Parallel()
	heard, own := make(chan Sighting, 100), make(chan Sighting, 100)
	listener := openOnLo(t, 0, heard)
	speaker := openOnLo(t, listener.config.Port, own)
	if speaker.station != listener.station {
		t.Error("two agents of one process have two stations")
	}
	speaker.Announce(49152, Idle)
	for _, multicast := range []bool{false, true} {
		s := await(t, fmt.Sprint("multicast ", multicast), heard, func(s Sighting) bool { return s.Multicast == multicast })
		want := Sighting{Beacon{speaker.config.UUID, 49152, Unknown, Key{}}, netip.MustParseAddr("127.0.0.1"), loopback(t).Index, loopback(t).Name, true, multicast}
		if multicast {
			want.State = Idle
		}
		if s != want {
			t.Errorf("got %+v\nwant %+v", s, want)
		}
	}
	speaker.SetState(Processing)
	await(t, "the new state", heard, func(s Sighting) bool { return s.State == Processing })
	start := time.Now()
	if err := speaker.Close(); err != nil {
		t.Error(err)
	}
	t.Logf("Close took %v", time.Since(start))
	await(t, "port 0", heard, func(s Sighting) bool { return s.Port == 0 && s.State == Unknown && !s.Multicast })
	await(t, "EXIT", heard, func(s Sighting) bool { return s.State == Exit && s.Multicast })
	select {
	case s := <-own:
		t.Errorf("the agent heard its own beacon: %+v", s)
	default:
	}
}

// childPort, in the environment, makes the test binary a node on the loopback interface of that port, until its input ends.
const childPort = "BEACON_TEST_CHILD_PORT"

// childList, in the environment, makes the test binary list the interfaces that it sees.
const childList = "BEACON_TEST_CHILD_LIST"

// listing describes the interfaces, and what fails.
func listing() (lines []string) {
	all, err := System.Interfaces()
	if err != nil {
		lines = append(lines, err.Error())
	}
	for _, i := range all {
		slices.SortFunc(i.Addrs, netip.Prefix.Compare)
		lines = append(lines, fmt.Sprintf("%d %s %v %v", i.Index, i.Name, i.Flags, i.Addrs))
	}
	slices.Sort(lines)
	return lines
}

func TestMain(m *testing.M) {
	testbed.Sandbox()
	if os.Getenv(childList) != "" {
		if err := json.NewEncoder(os.Stdout).Encode(listing()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if port := os.Getenv(childPort); port != "" {
		if err := child(port); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testbed.Main(m)
}

// child prints its UUID, and each UUID that it hears for the first time.
func child(port string) error {
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	id := uuid.New()
	known := make(map[uuid.UUID]bool) // used only by the handler, which never runs concurrently
	a, err := Open(Config{UUID: id, Port: n, Interfaces: []string{os.Getenv(childPort + "_INTERFACE")}, Handler: func(s Sighting) {
		if !known[s.UUID] && s.State != Unknown {
			known[s.UUID] = true
			fmt.Println("heard", s.UUID, s.Local)
		}
	}})
	if err != nil {
		return err
	}
	a.Announce(50001, Processing)
	fmt.Println("am", id)
	io.Copy(io.Discard, os.Stdin)
	return a.Close()
}

func TestLoopbackTwoProcesses(t *testing.T) {
	t.Parallel()
	heard := make(chan Sighting, 100)
	a := openOnLo(t, 0, heard)
	a.Announce(50000, Idle)

	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), fmt.Sprintf("%s=%d", childPort, a.config.Port), childPort+"_INTERFACE="+loopback(t).Name)
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	line := func() string {
		select {
		case l := <-lines:
			return l
		case <-time.After(patience):
			return "nothing"
		}
	}

	var id uuid.UUID
	said := line() + "\n" + line() // in any order
	if !strings.Contains(said, "heard "+a.config.UUID.String()+" true") {
		t.Errorf("the child printed %q", said)
	}
	if _, rest, ok := strings.Cut(said, "am "); !ok || len(rest) < 36 {
		t.Fatalf("the child printed %q", said)
	} else {
		id = uuid.MustParse(rest[:36])
	}
	await(t, "the child, classic", heard, func(s Sighting) bool { return s.UUID == id && s.Port == 50001 && s.State == Unknown && s.Local })
	await(t, "the child, with state", heard, func(s Sighting) bool { return s.UUID == id && s.Port == 50001 && s.State == Processing })
	stdin.Close()
	await(t, "its farewell", heard, func(s Sighting) bool { return s.UUID == id && s.State == Exit })
	for range lines { // until it has ended
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}

// startTwoProcesses opens two sockets of the system, for groups, on the same random port.
func startTwoProcesses(t *testing.T) (one, two *systemConn, port uint16) {
	t.Helper()
	for range 20 {
		port := 12_000 + rand.IntN(10_000)
		a, err := System.(GroupListener).ListenGroups("udp4", port)
		if err != nil {
			continue
		}
		b, err := System.(GroupListener).ListenGroups("udp4", port)
		if err != nil {
			t.Fatalf("the port cannot be shared: %v", err)
		}
		t.Cleanup(func() { a.Close(); b.Close() })
		return a.(*systemConn), b.(*systemConn), uint16(port)
	}
	t.Fatal("no free port")
	return nil, nil, 0
}

// TestSystemConn: a multicast reaches the socket that joined and no other, a broadcast reaches both, with complete information about their
// path. It goes once through control messages and once without them.
func TestSystemConn(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("what a system tells of a datagram's way differs")
	}
	lo := loopback(t)
	localhost := netip.MustParseAddr("127.0.0.1")
	for name, write := range map[string]func(*systemConn, []byte, Destination) error{
		"control message": (*systemConn).WriteTo, "plain": (*systemConn).writePlain,
	} {
		t.Run(name, func(t *testing.T) {
			member, other, port := startTwoProcesses(t)
			group, everyone := netip.MustParseAddr("239.255.90.99"), netip.MustParseAddr("127.255.255.255")
			for range 2 { // the second time is no error
				if err := member.Join(group, lo.Index); err != nil {
					t.Fatal(err)
				}
			}
			for i, dst := range []netip.Addr{group, everyone, everySubnet} {
				if err := write(other, []byte{byte(i)}, Destination{netip.AddrPortFrom(dst, port), localhost, lo.Index}); err != nil {
					t.Fatal(err)
				}
			}
			expect := func(c *systemConn, i byte, dst netip.Addr) {
				t.Helper()
				c.udp.SetReadDeadline(time.Now().Add(patience))
				b := make([]byte, 10)
				n, from, err := c.ReadFrom(b)
				if err != nil || !bytes.Equal(b[:n], []byte{i}) {
					t.Fatalf("got %v, %v; want %v", b[:n], err, i)
				}
				if name == "plain" { // the system chooses the source, or its port
					from.Src = netip.AddrPortFrom(localhost, port)
				}
				if want := (Origin{netip.AddrPortFrom(localhost, port), dst, lo.Index}); from != want {
					t.Errorf("from %v, want %v", from, want)
				}
			}
			expect(member, 0, group)
			expect(member, 1, everyone)
			expect(other, 1, everyone) // and not the multicast before it
			expect(member, 2, everySubnet)
			expect(other, 2, everySubnet)
		})
	}
}

func TestSystemErrors(t *testing.T) {
	t.Parallel()
	one, two, port := startTwoProcesses(t)
	if err := one.Join(netip.MustParseAddr("127.0.0.1"), loopback(t).Index); err == nil {
		t.Error("Join of an address that is no group: no error")
	}
	if err := one.writePlain([]byte("x"), Destination{Dst: netip.AddrPortFrom(defaultGroup, port), IfIndex: 1 << 20}); err == nil {
		t.Error("writePlain through no interface: no error")
	}
	if _, err := System.ListenPacket("udp4", -1); err == nil || !strings.HasPrefix(err.Error(), "beacon: ") {
		t.Errorf("ListenPacket of port -1: %v", err)
	}
	done := make(chan error)
	go func() {
		_, _, err := two.ReadFrom(make([]byte, 10))
		done <- err
	}()
	two.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadFrom after Close: got %v", err)
	}
	if err := two.WriteTo([]byte("x"), Destination{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteTo after Close: got %v", err)
	}
}

// TestPortTaken: a port that another program holds alone is reported, and taken as soon as it is free.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	alone, err := net.ListenPacket("udp4", "0.0.0.0:0") // no SO_REUSEADDR
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	port := alone.LocalAddr().(*net.UDPAddr).Port
	changed := make(chan struct{}, 100)
	a := open(t, Config{Port: port, Interfaces: []string{loopback(t).Name}, Failing: func() { changed <- struct{}{} }})
	f := a.Failures()
	if len(f) != 1 || f[0].Op != OpListen || int(f[0].Dst.Port()) != port || !errors.Is(f[0].Err, syscall.EADDRINUSE) {
		t.Fatalf("failures: %v", f)
	}
	if !strings.Contains(f[0].Error(), strconv.Itoa(port)) {
		t.Error(f[0].Error())
	}
	alone.Close()
	for deadline := time.After(patience); len(a.Failures()) > 0; {
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("failures after %v: %v", patience, a.Failures())
		}
	}
}
