package doctor

import (
	"bytes"
	"encoding/json"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

// examine runs zre doctor on a host and returns its report. Its exit status must match it.
func examine(t *testing.T, h *testbed.Host, args ...string) *Report {
	t.Helper()
	return examineBy(t, h, h.Command(testbed.ZreTool(t), append([]string{"doctor", "--json"}, args...)...))
}

func examineBy(t *testing.T, h *testbed.Host, cmd *exec.Cmd) *Report {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the state shows how it ended
	r := new(Report)
	if err := json.Unmarshal(out.Bytes(), r); err != nil || errs.Len() > 0 {
		t.Fatalf("zre doctor on %s: %v: %s%s", h.Name, err, &out, &errs)
	}
	if status := cmd.ProcessState.ExitCode(); status != boolToInt(!r.Well) {
		t.Errorf("exit status %d where well is %v", status, r.Well)
	}
	if t.Failed() {
		return r
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the report on %s:\n%s", h.Name, &out)
		}
	})
	return r
}

// expect compares kinds of problems and notes.
func (r *Report) expect(t *testing.T, problems, notes string) {
	t.Helper()
	for what, c := range map[string]struct {
		list []Finding
		want string
	}{"problems": {r.Problems, problems}, "notes": {r.Notes, notes}} {
		var kinds []string
		for _, f := range c.list {
			kinds = append(kinds, f.Kind)
		}
		if got := strings.Join(kinds, " "); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}

// run runs a tool on a host.
func run(h *testbed.Host, args ...string) ([]byte, error) {
	return h.Command(args[0], args[1:]...).CombinedOutput()
}

func mustRun(t *testing.T, h *testbed.Host, args ...string) {
	t.Helper()
	if out, err := run(h, args...); err != nil {
		t.Fatalf("%q on %s: %v: %s", args, h.Name, err, out)
	}
}

// filter makes a firewall of a host's routing rules for an address family, "-4" or "-6": packets that they match are dropped (blackhole),
// or refused (prohibit).
func filter(t *testing.T, h *testbed.Host, family, action string, match ...string) {
	t.Helper()
	mustRun(t, h, "ip", family, "rule", "add", "pref", "100", "lookup", "local")
	mustRun(t, h, "ip", family, "rule", "del", "pref", "0")
	if out, err := run(h, append(append([]string{"ip", family, "rule", "add", "pref", "10"}, match...), action)...); err != nil {
		testbed.Missing(t, "routing rules by port: %v: %s", err, out)
	}
}

// Nodes of all implementations are found well; they see the doctor come and go, and nothing else.
func TestDoctorAndAllKinds(t *testing.T) {
	for kind, answer := range map[testbed.Kind]Answer{testbed.Zre: Zre, testbed.Pyre: Zmtp, testbed.ZyreJS: Zmtp, testbed.Zyre: Zmtp} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			lan := testbed.NewLAN(t, "")
			here, there := lan.Host("here"), lan.Host("there")
			peer := testbed.Start(t, there, kind, testbed.Options{Name: "alice"})
			r := examine(t, here, "--time", "5s")
			r.expect(t, "", "")
			if len(r.Nodes) != 1 || r.Nodes[0].UUID.String() != peer.UUID || r.Nodes[0].Name != "alice" || !r.Nodes[0].Entered {
				t.Fatalf("nodes: %+v, want %s", r.Nodes, peer)
			}
			if m := r.Nodes[0].Mailboxes[0]; m.Answer != answer || !strings.HasPrefix(m.Endpoint, "tcp://"+there.Addr.String()+":") {
				t.Errorf("mailbox: %+v", m)
			}
			exit := peer.Wait(t, "EXIT of the doctor", func(e testbed.Event) bool { return e.Event == "exit" })
			enter := peer.Wait(t, "ENTER of the doctor", func(e testbed.Event) bool { return e.Event == "enter" })
			if enter.Name != nodeName || enter.Headers["role"] != "doctor" || enter.Peer != r.Self.UUID.String() || exit.Peer != enter.Peer {
				t.Errorf("it saw %v and %v", enter, exit)
			}
			peer.Never(t, testbed.Event{}, exit, "anybody else", func(e testbed.Event) bool { return e.Peer != "" && e.Peer != enter.Peer })
		})
	}
}

// Nodes of all implementations that no beacon announces are met by their endpoint, and connect back; one that cannot is reported.
func TestDoctorAndNamedPeers(t *testing.T) {
	for kind, answer := range map[testbed.Kind]Answer{testbed.Zre: Zre, testbed.Pyre: Zmtp, testbed.ZyreJS: Zmtp, testbed.Zyre: Zmtp} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			lan := testbed.NewLAN(t, "")
			here, there := lan.Host("here"), lan.Host("there")
			peer := testbed.Start(t, there, kind, testbed.Options{Name: "alice", Port: otherPort})
			at := endpointOn(t, lan, peer)
			r := examine(t, here, "--peer", at)
			r.expect(t, "", "peer-unheard")
			if len(r.Nodes) != 1 || r.Nodes[0].UUID.String() != peer.UUID || r.Nodes[0].Name != "alice" || len(r.Nodes[0].Beacons) > 0 {
				t.Fatalf("nodes: %+v, want %s", r.Nodes, peer)
			}
			if p := r.Peers[0]; !p.Entered || p.UUID.String() != peer.UUID || p.Mailboxes[0].Answer != answer || r.Nodes[0].Endpoint != at {
				t.Errorf("%+v, mailbox %+v, node %+v", p, p.Mailboxes[0], r.Nodes[0])
			}
			peer.Wait(t, "ENTER of the doctor", func(e testbed.Event) bool { return e.Event == "enter" && e.Peer == r.Self.UUID.String() })

			filter(t, here, "-4", "blackhole", "iif", "eth0", "ipproto", "tcp", "dport", "5671")
			r = examine(t, here, "--peer", at, "--listen", "tcp://*:5671", "--time", "2s")
			r.expect(t, "peer-no-hello", "")
			if text := r.Problems[0].Text; !strings.Contains(text, "endpoint tcp://"+here.Addr.String()+":5671 (") {
				t.Error(text)
			}
		})
	}
}

// otherPort is a beacon port that the doctor does not hear.
const otherPort = 5999

// endpointOn returns the endpoint of a peer on otherPort, as a neighbour learns it: C zyre does not print its own.
func endpointOn(t *testing.T, lan *testbed.LAN, peer *testbed.Peer) string {
	t.Helper()
	if peer.Endpoint != "" {
		return peer.Endpoint
	}
	neighbour := testbed.Start(t, lan.Host("neighbour"), testbed.Zre, testbed.Options{Port: otherPort})
	return neighbour.Wait(t, "ENTER of the peer", testbed.Is("enter", peer)).Endpoint
}

func TestDoctorAndInterfaces(t *testing.T) {
	t.Parallel()
	lan := testbed.NewLAN(t, "")
	here := lan.Host("here")
	mustRun(t, here, "ip", "link", "add", "docker0", "type", "veth", "peer", "name", "far0")
	mustRun(t, here, "ip", "addr", "add", "10.200.0.1/24", "broadcast", "+", "dev", "docker0")
	r := examine(t, here, "--time", "1s")
	r.expect(t, "", "alone")
	for name, use := range map[string]string{"lo": "spared", "docker0": "down", "eth0": "used"} {
		if !slices.ContainsFunc(r.Interfaces, func(i Interface) bool { return i.Name == name && i.Use == use }) {
			t.Errorf("%s should be %s: %+v", name, use, r.Interfaces)
		}
	}

	mustRun(t, here, "ip", "link", "set", "docker0", "up") // its far end is down: no carrier
	r = examine(t, here, "--time", "1s")
	r.expect(t, "", "containers no-carrier alone")
	r = examine(t, here, "--time", "1s", "--interface", "!docker*")
	r.expect(t, "", "alone")

	here.Link(false)
	r = examine(t, here, "--time", "1s", "--interface", "!docker*")
	r.expect(t, "loopback-only", "")
	mustRun(t, here, "ip", "link", "set", "docker0", "down")
	r = examine(t, here, "--time", "1s")
	r.expect(t, "loopback-only", "")
	mustRun(t, here, "ip", "link", "set", "lo", "down")
	r = examine(t, here, "--time", "1s")
	r.expect(t, "no-interface", "")
}

// What firewalls do to both address families, and to one of them, so that nodes meet by the other.
func TestDoctorAndFirewalls(t *testing.T) {
	for _, c := range []struct {
		name            string
		here, there     string // what is filtered: the action, then what it matches
		both, four, six string // problems | notes with both families, and with one
	}{
		// A node that is reached by IPv4 first tries the other path when that has failed for 3 s.
		{"incoming TCP here", "blackhole iif eth0 ipproto tcp dport 5671", "", "no-hello | ", "no-hello | ", " | "},
		{"incoming TCP there", "", "blackhole iif eth0 ipproto tcp dport 5671", "mailbox-silent | ", " | mailbox-silent", " | mailbox-silent"},
		{"outgoing TCP here", "prohibit iif lo ipproto tcp dport 5671", "", "mailbox-rejected | ", " | mailbox-rejected", " | mailbox-rejected"},
		// By IPv6 sending fails; by IPv4 the datagram just does not come back.
		{"outgoing classic beacons here", "blackhole iif lo ipproto udp dport 5670", "", "beacons-lost | beacons-refused", " | beacons-lost", " | beacons-refused"},
		// These rules let IPv4 multicast pass.
		{"incoming beacons here", "blackhole iif eth0 ipproto udp", "", " | no-broadcast no-ipv6", " | no-broadcast", " | no-ipv6"},
	} {
		for _, f := range []struct {
			families []string
			want     string
		}{{[]string{"-4", "-6"}, c.both}, {[]string{"-4"}, c.four}, {[]string{"-6"}, c.six}} {
			t.Run(c.name+strings.Join(f.families, ""), func(t *testing.T) {
				t.Parallel()
				lan := testbed.NewLAN(t, "")
				here, there := lan.Host("here"), lan.Host("there")
				for _, family := range f.families {
					for h, rule := range map[*testbed.Host]string{here: c.here, there: c.there} {
						if words := strings.Fields(rule); len(words) > 0 {
							filter(t, h, family, words[0], words[1:]...)
						}
					}
				}
				peer := testbed.Start(t, there, testbed.Zre, testbed.Options{Name: "alice", Args: []string{"--listen", "tcp://*:5671"}})
				r := examine(t, here, "--listen", "tcp://*:5671", "--time", "2s")
				problems, notes, _ := strings.Cut(f.want, " | ")
				r.expect(t, problems, notes)
				if len(r.Nodes) != 1 || r.Nodes[0].UUID.String() != peer.UUID {
					t.Errorf("nodes: %+v", r.Nodes)
				}
			})
		}
	}
}

// A firewall that refuses, as firewalld does, uses another error in each address family. It is one cause, and neither routes nor the node
// are to blame.
func TestDoctorAndRejectingFirewall(t *testing.T) {
	t.Parallel()
	lan := testbed.NewLAN(t, "")
	here, there := lan.Host("here"), lan.Host("there")
	mustRun(t, there, "nft", "add table inet f; add chain inet f in { type filter hook input priority 0; }; add rule inet f in tcp dport 5671 reject with icmpx admin-prohibited")
	testbed.Start(t, there, testbed.Zre, testbed.Options{Name: "alice", Args: []string{"--listen", "tcp://*:5671"}})
	r := examine(t, here, "--time", "2s")
	r.expect(t, "mailbox-rejected", "")
	for _, words := range []string{"it connected to this machine", "no route to host; permission denied", there.Addr.String() + ":5671 and [fe80:"} {
		if !strings.Contains(r.Problems[0].Text, words) {
			t.Errorf("it does not say %q: %s", words, r.Problems[0].Text)
		}
	}
}

// Another program holds the port alone; and one that shares it.
func TestDoctorAndPorts(t *testing.T) {
	t.Parallel()
	lan := testbed.NewLAN(t, "")
	here := lan.Host("here")
	here.AwaitCarrier() // a doctor that starts too early reports it
	for address, want := range map[string][2]string{
		"0.0.0.0:5670":   {"udp-port-taken", ""},
		"0.0.0.0:15670":  {"udp-port-taken", ""},
		"127.0.0.1:5670": {"udp-port-taken", ""},
		"[::]:5670":      {"", "udp-port-taken alone"},
		"[::1]:15670":    {"", "udp-port-taken alone"},
	} {
		var conn net.PacketConn
		err := here.Do(func() (err error) {
			conn, err = net.ListenPacket(map[bool]string{false: "udp4", true: "udp6"}[address[0] == '['], address)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		r := examine(t, here, "--time", "1s")
		r.expect(t, want[0], want[1])
		conn.Close()
	}
	r := examine(t, here, "--time", "1s", "--peer", "tcp://127.0.0.1:1", "--peer", "tcp://no-such-host.invalid:1")
	r.expect(t, "peer-refused peer-name", "")
}

// A service that may not use netlink: its nodes work, and meet others.
func TestDoctorInSandbox(t *testing.T) {
	t.Parallel()
	lan := testbed.NewLAN(t, "")
	here, there := lan.Host("here"), lan.Host("there")
	peer := testbed.Start(t, there, testbed.Zre, testbed.Options{Name: "alice"})
	r := examineBy(t, here, here.Sandboxed(testbed.ZreTool(t), "doctor", "--json", "--time", "2s"))
	r.expect(t, "no-netlink", "")
	if len(r.Nodes) != 1 || r.Nodes[0].UUID.String() != peer.UUID || !r.Nodes[0].Entered {
		t.Errorf("nodes: %+v", r.Nodes)
	}
	r = examineBy(t, here, here.Sandboxed(testbed.ZreTool(t), "doctor", "--json", "--time", "1s", "--interface", "wlan0"))
	r.expect(t, "interface-missing no-netlink", "")
}

// What a person reads, and wrong usage.
func TestDoctorOutput(t *testing.T) {
	t.Parallel()
	here := testbed.NewLAN(t, "").Host("here")
	out, err := here.Command(testbed.ZreTool(t), "doctor", "--time", "1s").Output()
	if err != nil || !strings.HasPrefix(string(out), "Nothing is wrong on this machine, but no other node was heard in 1 s.\nNote: No other node is heard") {
		t.Errorf("%v: %s", err, out)
	}
	out, err = run(here, testbed.ZreTool(t), "doctor", "--interface", "eth7")
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 1 || !strings.Contains(string(out), "eth7 is neither the name") {
		t.Errorf("%v: %s", err, out)
	}
}
