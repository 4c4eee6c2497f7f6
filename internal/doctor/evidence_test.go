package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/go-zre/go-zre/beacon"
)

// refuse has the system refuse something on eth0, so that what goes to these destinations does not come back.
func refuse(f *Facts, call beacon.Op, err syscall.Errno, to ...string) {
	for _, dst := range to {
		f.Failures = append(f.Failures, Failure{Interface: "eth0", To: dst, Error: err.Error(), call: call, dst: netip.MustParseAddrPort(dst), err: err})
		for i := range f.Interfaces[1].Beacons {
			if b := &f.Interfaces[1].Beacons[i]; slices.Contains(to, b.To.String()) {
				b.Back = 0
			}
		}
	}
}

// Known facts decide, before the system's error and before silence.
func TestEvidence(t *testing.T) {
	local := func(n *Node) *Node { n.Local = true; return n }
	unentered := func(n *Node) *Node { n.Entered = false; return n }
	came := func(n *Node, a Answer) *Node { answering(n, a).Entered = true; return n }
	for _, c := range []diagnosis{
		{"a node of this machine alone", func(f *Facts) { local(f.Nodes[0]) }, nil, []string{"alone"},
			[]string{"Nothing is wrong on this machine, and one node of it connected, but no other node was heard in 3 s", "say nothing about the network"}},
		{"a node of this machine is no witness", func(f *Facts) { local(f.Nodes[0]); f.Nodes = append(f.Nodes, unentered(bob())) },
			[]string{"no-hello"}, nil, []string{"One node answers, but never connected", "a firewall here blocks incoming TCP on the mailbox's port, 50000", "allow incoming TCP"}},
		{"a node of this machine does not connect", func(f *Facts) { unentered(local(f.Nodes[0])); f.Nodes = append(f.Nodes, bob()) },
			[]string{"no-hello"}, nil, []string{"runs on this machine and answers, but never connected"}},
		{"one that connected and is not reached is a witness", func(f *Facts) { came(f.Nodes[0], Silent); f.Nodes = append(f.Nodes, unentered(bob())) },
			[]string{"mailbox-silent", "no-hello"}, nil, []string{"though the other did"}},
		{"no beacon of a node of this machine", func(f *Facts) { local(f.Nodes[0]).Beacons, f.Nodes[0].Mailboxes = nil, nil }, nil, []string{"unheard", "alone"},
			[]string{"of this machine, connected, but no beacon of it was heard"}},

		{"a firewall rejects one that is heard", func(f *Facts) { answering(f.Nodes[0], Unreachable) }, []string{"mailbox-rejected"}, nil,
			[]string{"is there, since its beacons arrive, but TCP 10.0.0.2:49999 is rejected (what went wrong): a firewall rejects", "allow incoming TCP"}},
		{"a firewall rejects one that connected", func(f *Facts) { came(f.Nodes[0], Refused) }, []string{"mailbox-rejected"}, nil,
			[]string{"is there, since it connected to this machine, but TCP 10.0.0.2:49999 is rejected"}},
		{"a firewall rejects both families, each by its error", func(f *Facts) {
			came(dual(f).Nodes[0], Unreachable)
			*f.Nodes[0].Mailboxes[1] = Mailbox{Endpoint: "tcp://[fe80::2%eth0]:49999", Answer: Unreachable, Error: "permission denied"}
		}, []string{"mailbox-rejected"}, nil, []string{"TCP 10.0.0.2:49999 and [fe80::2%eth0]:49999 is rejected (what went wrong; permission denied)"}},
		{"a firewall rejects one family, and the other gets no answer", func(f *Facts) {
			came(dual(f).Nodes[0], Silent)
			*f.Nodes[0].Mailboxes[1] = Mailbox{Endpoint: "tcp://[fe80::2%eth0]:49999", Answer: Unreachable, Error: "permission denied"}
		}, []string{"mailbox-rejected"}, nil, []string{"TCP 10.0.0.2:49999 and [fe80::2%eth0]:49999 is rejected (no answer; permission denied)"}},
		{"the firewall here rejects one of this machine", func(f *Facts) { answering(local(f.Nodes[0]), Unreachable) }, []string{"mailbox-rejected"}, nil,
			[]string{"runs on this machine, but TCP 10.0.0.2:49999 is rejected (what went wrong): a firewall on this machine rejects connections"}},
		{"the firewall here drops connections to one of this machine", func(f *Facts) { answering(local(f.Nodes[0]), Silent) }, []string{"mailbox-silent"}, nil,
			[]string{"runs on this machine, but nothing answers at TCP 10.0.0.2:49999: a firewall on this machine drops the connection"}},
		{"one that connected is not heard, and what this machine sends comes back", func(f *Facts) { f.Nodes[0].Beacons, f.Nodes[0].Mailboxes = nil, nil }, nil, []string{"unheard"},
			[]string{"so look for a firewall on that machine that blocks outgoing UDP"}},
		{"one that is named is heard, and rejected", func(f *Facts) {
			came(f.Nodes[0], Unreachable)
			f.Peers = []*Peer{{Endpoint: "tcp://10.0.0.2:49999", Mailboxes: []*Mailbox{{Endpoint: "tcp://10.0.0.2:49999", Answer: Unreachable}}}}
		}, []string{"mailbox-rejected"}, nil, nil},

		{"beacons of others arrive, our own do not come back", func(f *Facts) { f.Interfaces[1].Beacons[0].Back, f.Interfaces[1].Beacons[1].Back = 0, 0 },
			[]string{"beacons-lost"}, nil, []string{"hears beacons of other nodes, but not its own", "blocks outgoing ones"}},
		{"a subnet without a broadcast address", func(f *Facts) {
			f.Interfaces[1].Used[0] = netip.MustParsePrefix("10.0.0.1/31")
			f.Interfaces[1].Beacons = f.Interfaces[1].Beacons[1:]
			f.Nodes[0].Beacons = f.Nodes[0].Beacons[1:]
		}, nil, nil, []string{"All is well"}},

		{"the firewall forbids all beacons", func(f *Facts) { refuse(f, beacon.OpSend, syscall.EPERM, "10.0.0.255:5670", "239.255.90.82:15670") },
			[]string{"beacons-refused"}, nil, []string{"A firewall on this machine blocks beacons on eth0 to 10.0.0.255:5670, 239.255.90.82:15670: operation not permitted", "allow outgoing UDP"}},
		{"the firewall forbids one kind", func(f *Facts) { refuse(f, beacon.OpSend, syscall.EPERM, "239.255.90.82:15670") },
			nil, []string{"beacons-refused"}, []string{"All is well", "another kind work there"}},
		{"no route for beacons", func(f *Facts) {
			refuse(f, beacon.OpSend, syscall.ENETUNREACH, "10.0.0.255:5670", "239.255.90.82:15670")
		}, []string{"beacons-refused"}, nil, []string{"The system refuses to send", "network is unreachable", "ip route"}},
		{"too many groups", func(f *Facts) {
			refuse(f, beacon.OpJoin, syscall.ENOBUFS, "239.255.90.82:15670")
			for i := range 20 {
				f.Failures = append(f.Failures, f.Failures[0])
				f.Failures[i+1].Interface = fmt.Sprint("veth", i)
			}
			f.Nodes, f.Interfaces[1].Beacons = nil, nil
		}, []string{"multicast-refused"}, []string{"no-beacons"}, []string{"eth0, veth0, veth1, veth2, veth3, 16 more cannot join", "igmp_max_memberships"}},

		{"large packets are lost", func(f *Facts) {
			f.Peers = []*Peer{{Endpoint: "tcp://10.0.0.2:49999", Mailboxes: []*Mailbox{{Endpoint: "tcp://10.0.0.2:49999", Answer: Zre, UUID: &aliceID, Large: &Large{Passed: 1420, Lost: 1440}}}}}
		}, []string{"large-packets-lost"}, nil, []string{"Packets of 1420 bytes pass, packets of 1440 bytes do not", "MTU"}},
		{"large packets pass", func(f *Facts) {
			f.Peers = []*Peer{{Endpoint: "tcp://10.0.0.2:49999", Mailboxes: []*Mailbox{{Endpoint: "tcp://10.0.0.2:49999", Answer: Zre, UUID: &aliceID, Large: &Large{Pass: true, MTU: 1500}}}}}
		}, nil, nil, []string{"All is well"}},
	} {
		t.Run(c.name, c.check)
	}
}
