package doctor

import (
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// A program runs, then the doctor beside it: traffic within a machine says nothing about the network, and the right cause is found.
func TestDoctorBesideAProgram(t *testing.T) {
	const syn = "tcp flags & (syn|ack) == syn tcp dport 5671-5673 "
	const udp = "udp dport { 5670, 15670 } "
	for _, c := range []struct {
		name, where, hook, rule string // of nft
		problems, notes         string
		says                    []string
	}{
		{"nothing", "", "", "", "", "", []string{"All is well: 2 other nodes"}},
		{"incoming TCP is dropped here", "here", "input", "iifname eth0 " + syn + "drop", "no-hello", "",
			[]string{"One node answers, but never connected", "a firewall here blocks incoming TCP"}},
		{"incoming TCP is rejected here", "here", "input", "iifname eth0 " + syn + "reject with icmpx admin-prohibited", "no-hello", "",
			[]string{"One node answers, but never connected", "a firewall here blocks incoming TCP"}},
		{"and within this machine", "here", "input", syn + "drop", "mailbox-silent no-hello", "", []string{"a firewall on this machine drops the connection"}},
		{"outgoing TCP is dropped here", "here", "output", "oifname eth0 " + syn + "drop", "mailbox-silent", "", []string{"or here for outgoing ones"}},
		{"incoming TCP is dropped there", "there", "input", syn + "drop", "mailbox-silent", "", []string{"a firewall drops the connection, on that machine"}},
		{"incoming TCP is rejected there", "there", "input", syn + "reject with icmpx admin-prohibited", "mailbox-rejected", "", []string{"it connected to this machine", "a firewall rejects connections, usually on that machine"}},
		{"incoming TCP is reset there", "there", "input", syn + "reject with tcp reset", "mailbox-rejected", "", []string{"it connected to this machine", "a firewall rejects connections, usually on that machine"}},
		{"outgoing beacons are forbidden here", "here", "output", udp + "drop", "beacons-refused", "",
			[]string{"A firewall on this machine blocks beacons on eth0", "operation not permitted"}},
		{"incoming beacons are dropped here", "here", "input", udp + "drop", "beacons-lost", "unheard", []string{"a firewall here blocks them, and with them those of other nodes"}},
		{"outgoing beacons are forbidden there", "there", "output", udp + "drop", "", "unheard", []string{"look for a firewall on that machine that blocks outgoing UDP"}},
		{"incoming beacons are dropped there", "there", "input", udp + "drop", "", "", []string{"All is well"}}, // they hear nobody, and are heard
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lan := testbed.NewLAN(t, "")
			hosts := map[string]*testbed.Host{"here": lan.Host("here"), "there": lan.Host("there")}
			if c.where != "" {
				mustRun(t, hosts[c.where], "nft", "add table inet f; add chain inet f c { type filter hook "+c.hook+" priority 0; }; add rule inet f c "+c.rule)
			}
			testbed.Start(t, hosts["there"], testbed.Zre, testbed.Options{Name: "bob", Args: []string{"--listen", "tcp://*:5671"}})
			testbed.Start(t, hosts["here"], testbed.Zre, testbed.Options{Name: "alice", Args: []string{"--listen", "tcp://*:5672"}})
			r := examine(t, hosts["here"], "--listen", "tcp://*:5673")
			r.expect(t, c.problems, c.notes)
			text := r.Verdict
			for _, list := range [][]Finding{r.Problems, r.Notes} {
				for _, f := range list {
					text += "\n" + f.Text + "\n" + f.Try
				}
			}
			for _, words := range c.says {
				if !strings.Contains(text, words) {
					t.Errorf("it does not say %q:\n%s", words, text)
				}
			}
		})
	}
}

// The system's own errors come first: groups that cannot be joined are not the network's fault.
func TestDoctorAndTooManyGroups(t *testing.T) {
	t.Parallel()
	lan := testbed.NewLAN(t, "")
	here, there := lan.Host("here"), lan.Host("there")
	mustRun(t, here, "sysctl", "-qw", "net.ipv4.igmp_max_memberships=0")
	testbed.Start(t, there, testbed.Zre, testbed.Options{Name: "bob"})
	r := examine(t, here)
	r.expect(t, "", "multicast-refused")
	if len(r.Notes) == 1 && !strings.Contains(r.Notes[0].Try, "igmp_max_memberships") {
		t.Error(r.Notes[0].Try)
	}
}

// A node that hangs is distinguished from one that a firewall hides, whether it sends beacons or is named.
func TestDoctorAndHungNode(t *testing.T) {
	t.Parallel()
	lan := testbed.NewLAN(t, "")
	here, there := lan.Host("here"), lan.Host("there")
	peer := testbed.Start(t, there, testbed.Zre, testbed.Options{Name: "bob", Args: []string{"--listen", "tcp://*:5671"}})
	peer.Stop()
	defer peer.Continue() // it is asked to quit
	r := examine(t, here, "--peer", "tcp://"+there.Addr.String()+":5671", "--time", "1s")
	r.expect(t, "peer-mute", "")
}

// Point-to-point subnets have no broadcast address, which is no error: nodes meet by multicast.
func TestDoctorWithoutBroadcast(t *testing.T) {
	t.Parallel()
	lan := testbed.NewLAN(t, "")
	here, there := lan.Host("here"), lan.Host("there")
	for h, address := range map[*testbed.Host]string{here: "10.60.0.0/31", there: "10.60.0.1/31"} {
		h.NoIPv4()
		h.NoIPv6()
		mustRun(t, h, "ip", "addr", "add", address, "dev", "eth0")
	}
	peer := testbed.Start(t, there, testbed.Zre, testbed.Options{Name: "bob"})
	r := examine(t, here)
	r.expect(t, "", "")
	if len(r.Nodes) != 1 || r.Nodes[0].UUID.String() != peer.UUID || !r.Nodes[0].Entered {
		t.Errorf("nodes: %+v", r.Nodes)
	}
}
