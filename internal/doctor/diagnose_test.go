package doctor

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/testbed"
)

var (
	selfID  = uuid.MustParse("00000000-0000-4000-8000-000000000000")
	aliceID = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")
	bobID   = uuid.MustParse("bbbbbbbb-0000-4000-8000-000000000002")
)

// healthy is a machine on which all is well, and alice.
func healthy() *Facts {
	here := netip.MustParsePrefix("10.0.0.1/24")
	return &Facts{
		Self:       Self{UUID: selfID, Port: 50_000},
		ListenedMS: 3000,
		Ports: []Port{
			{Port: 5670, Kind: classic, Family: IPv4}, {Port: 15670, Kind: state, Family: IPv4},
			{Port: 5670, Kind: classic, Family: IPv6}, {Port: 15670, Kind: state, Family: IPv6},
		},
		Interfaces: []Interface{
			{Name: "lo", Use: "spared", Up: true, Carrier: true, Loopback: true, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
			{
				Name: "eth0", Use: "used", Up: true, Carrier: true, Addresses: []netip.Prefix{here}, Used: []netip.Prefix{here},
				Endpoints: []string{"tcp://10.0.0.1:50000"},
				Beacons: []Sent{
					{Kind: classic, Bytes: 22, From: here.Addr(), To: netip.MustParseAddrPort("10.0.0.255:5670"), Back: 5},
					{Kind: state, Bytes: 23, From: here.Addr(), To: netip.MustParseAddrPort("239.255.90.82:15670"), Back: 5},
				},
			},
		},
		Nodes: []*Node{alice()},
	}
}

// dual gives that machine and alice IPv6 in addition to IPv4.
func dual(f *Facts) *Facts {
	here, there := netip.MustParsePrefix("fe80::1/64"), netip.MustParseAddr("fe80::2%eth0")
	i, n := &f.Interfaces[1], f.Nodes[0]
	i.Addresses, i.Used = append(i.Addresses, here), append(i.Used, here)
	i.Endpoints = append(i.Endpoints, "tcp://[fe80::1]:50000")
	i.Beacons = append(i.Beacons,
		Sent{Kind: classic, Bytes: 22, From: here.Addr(), To: netip.MustParseAddrPort("[ff02::1]:5670"), Back: 5},
		Sent{Kind: state, Bytes: 23, From: here.Addr(), To: netip.MustParseAddrPort("[ff12::5a:5245]:15670"), Back: 5})
	n.Beacons = append(n.Beacons,
		&Heard{Interface: "eth0", Address: there, Bytes: 22, Multicast: true, Port: 49_999, Count: 3, EveryMS: 1000, last: 2 * time.Second},
		&Heard{Interface: "eth0", Address: there, Bytes: 23, Multicast: true, Port: 49_999, State: "idle", Count: 3, EveryMS: 1000, last: 2 * time.Second})
	from := here.Addr()
	n.Mailboxes = append(n.Mailboxes, &Mailbox{Endpoint: "tcp://[fe80::2%eth0]:49999", Answer: Zre, UUID: &n.UUID, From: &from})
	return f
}

func alice() *Node { return member(aliceID, "alice", "10.0.0.2") }
func bob() *Node   { return member(bobID, "bob", "10.0.0.3") }

func member(id uuid.UUID, name, address string) *Node {
	a := netip.MustParseAddr(address)
	return &Node{
		UUID: id, Name: name, Entered: true, EnteredMS: 10, KnownMS: 3000,
		Beacons: []*Heard{
			{Interface: "eth0", Address: a, Bytes: 22, Port: 49_999, Count: 3, EveryMS: 1000, first: 0, last: 2 * time.Second},
			{Interface: "eth0", Address: a, Bytes: 23, Multicast: true, Port: 49_999, State: "idle", Count: 3, EveryMS: 1000, first: 0, last: 2 * time.Second},
		},
		Mailboxes: []*Mailbox{{Endpoint: "tcp://" + address + ":49999", Answer: Zre, UUID: &id}},
	}
}

// answering makes a node one whose port reacts this way, and that does not connect.
func answering(n *Node, a Answer) *Node {
	n.Entered, n.Name = false, ""
	n.Mailboxes[0] = &Mailbox{Endpoint: n.Mailboxes[0].Endpoint, Answer: a, Error: "what went wrong"}
	return n
}

// A diagnosis is the expected meaning of a change of the healthy facts.
type diagnosis struct {
	name           string
	change         func(f *Facts)
	problems, note []string // kinds
	says           []string // what verdict, texts and advice contain
}

func TestDiagnose(t *testing.T) {
	unentered := func(n *Node) *Node { n.Entered = false; return n }
	here := netip.MustParseAddr("10.0.0.1")
	named := func(a Answer, id *uuid.UUID) *Peer {
		return &Peer{Endpoint: "tcp://10.9.0.1:5671", Mailboxes: []*Mailbox{{Endpoint: "tcp://10.9.0.1:5671", Answer: a, UUID: id, From: &here, Error: "what went wrong"}},
			KnownMS: 2900}
	}
	back := func(p *Peer, id *uuid.UUID) *Peer { p.Entered, p.UUID = true, id; return p }
	for _, c := range []diagnosis{
		{"all is well", func(*Facts) {}, nil, nil, []string{"All is well: one other node was found in 3 s, and it connected"}},
		{"two nodes", func(f *Facts) { f.Nodes = append(f.Nodes, bob()) }, nil, nil, []string{"All is well: 2 other nodes were found in 3 s, and each connected"}},
		{"alone", func(f *Facts) { f.Nodes = nil }, nil, []string{"alone"},
			[]string{"no other node was heard in 3 s", "isolates its clients", "--peer tcp://"}},

		{"classic port taken", func(f *Facts) { f.Ports[0].Taken, f.Self, f.Nodes = true, Self{Error: "address already in use"}, nil },
			[]string{"udp-port-taken"}, nil, []string{"UDP port 5670 of IPv4, for the beacons, is held", "no node here is found by them", "ss -ulpn sport = :5670", "lsof -nP -iUDP:5670", "netstat"}},
		{"state port taken", func(f *Facts) { f.Ports[1].Taken, f.Self, f.Nodes = true, Self{Error: "address already in use"}, nil },
			[]string{"udp-port-taken"}, nil, []string{"UDP port 15670 of IPv4, for beacons with a state"}},
		{"port forbidden", func(f *Facts) {
			f.Ports[0].Error, f.Self, f.Nodes = "permission denied", Self{Error: "permission denied"}, nil
		},
			[]string{"udp-port-unusable"}, nil, []string{"permission denied"}},
		{"ports of IPv6 taken and forbidden", func(f *Facts) {
			f.Ports[2].Taken, f.Ports[3].Error = true, "permission denied"
		}, nil,
			[]string{"udp-port-taken", "udp-port-unusable"}, []string{"All is well", "UDP port 5670 of IPv6", "work without them: permission denied"}},
		{"a port of both families taken", func(f *Facts) {
			f.Ports[0].Taken, f.Ports[2].Taken, f.Self, f.Nodes = true, true, Self{Error: "taken"}, nil
		},
			[]string{"udp-port-taken"}, nil, []string{"UDP port 5670 of IPv4 and IPv6, for"}},
		{"mailbox taken", func(f *Facts) { f.Self, f.Nodes = Self{Error: "cannot listen on tcp://*:80: permission denied"}, nil },
			[]string{"no-start"}, nil, []string{"tcp://*:80", "--listen"}},

		{"an interface is missing", func(f *Facts) {
			f.Failures = []Failure{{call: beacon.OpChoose, Interface: "wlan0", Error: "missing"}}
		}, []string{"interface-missing"}, nil, []string{"wlan0 is neither the name"}},
		{"interfaces unknown", func(f *Facts) {
			f.Failures = []Failure{{call: beacon.OpList, Error: "address family not supported"}, {call: beacon.OpWatch, Error: "address family not supported"}}
		}, []string{"interfaces-unknown", "no-netlink"}, nil, []string{"no beacon leaves this machine", "AF_NETLINK"}},
		{"no interface", func(f *Facts) { f.Interfaces[1].Use, f.Interfaces[1].Beacons, f.Nodes = "down", nil, nil },
			[]string{"no-interface"}, nil, []string{"No network interface"}},
		{"loopback only", func(f *Facts) {
			f.Interfaces[0].Use, f.Interfaces[0].Beacons = "used", f.Interfaces[1].Beacons
			f.Interfaces, f.Nodes = f.Interfaces[:1], nil
		}, []string{"loopback-only"}, nil, []string{"Only loopback"}},
		{"loopback by choice", func(f *Facts) {
			f.Interfaces[0].Use, f.Interfaces[0].Beacons = "used", f.Interfaces[1].Beacons
			f.Interfaces, f.Self.Chosen = f.Interfaces[:1], true
		}, nil, nil, []string{"All is well"}},
		{"no cable", func(f *Facts) { f.Interfaces[1].Carrier, f.Nodes = false, nil }, []string{"no-carrier"}, nil, []string{"eth0: no cable"}},
		{"no cable in one of two", func(f *Facts) {
			f.Interfaces = append(f.Interfaces, Interface{Name: "eth1", Use: "used", Up: true, Beacons: []Sent{{Kind: classic}}})
		}, nil, []string{"no-carrier"}, []string{"All is well", "eth1: no cable"}},
		{"a bridge of containers", func(f *Facts) { f.Interfaces[1].Name, f.Interfaces[1].Containers = "docker0", true },
			nil, []string{"containers"}, []string{"--interface '!docker0'", `WithInterfaces("!docker0")`}},
		{"nothing leaves an interface", func(f *Facts) {
			f.Interfaces = append(f.Interfaces, Interface{Name: "tun0", Use: "used", Carrier: true})
		}, nil, []string{"no-beacons"}, []string{"tun0"}},

		{"no beacon comes back", func(f *Facts) { f.Interfaces[1].Beacons[0].Back, f.Interfaces[1].Beacons[1].Back, f.Nodes = 0, 0, nil },
			[]string{"beacons-lost"}, nil, []string{"on any interface", "UDP ports 5670 and 15670"}},
		{"no multicast comes back", func(f *Facts) { f.Interfaces[1].Beacons[1].Back = 0 },
			[]string{"beacons-lost"}, nil, []string{"state beacons to 239.255.90.82:15670 on eth0", "must allow UDP port 15670"}},
		{"nothing comes back where nothing was sent", func(f *Facts) {
			f.Interfaces[1].Beacons[0].Back, f.Nodes, f.Self = 0, nil, Self{Error: "no port"}
		}, []string{"no-start"}, nil, nil},

		{"a foreign node", func(f *Facts) { f.Nodes[0].Mailboxes[0].Answer, f.Nodes[0].Mailboxes[0].UUID = Zmtp, nil }, nil, nil, []string{"All is well"}},
		{"silent", func(f *Facts) { answering(f.Nodes[0], Silent) }, []string{"mailbox-silent"}, nil, []string{"nothing answers at TCP 10.0.0.2:49999"}},
		{"refused", func(f *Facts) { answering(f.Nodes[0], Refused) }, []string{"mailbox-refused"}, nil, []string{"no program listens there"}},
		{"unreachable", func(f *Facts) { answering(f.Nodes[0], Unreachable).Mailboxes[0].Here = true }, []string{"mailbox-unreachable"}, nil, []string{"no route to TCP 10.0.0.2:49999: what went wrong"}},
		{"mute", func(f *Facts) { answering(f.Nodes[0], Mute) }, []string{"mailbox-mute"}, nil, []string{"hangs or is stopped"}},
		{"hangs up", func(f *Facts) { answering(f.Nodes[0], Closed) }, []string{"mailbox-closed"}, nil, []string{"closes them at once"}},
		{"no ZMTP", func(f *Facts) { answering(f.Nodes[0], Other) }, []string{"mailbox-other"}, nil, []string{"not a ZRE mailbox: what went wrong"}},
		{"another node", func(f *Facts) { answering(f.Nodes[0], Zre); f.Nodes[0].Mailboxes[0].UUID = &bobID }, []string{"mailbox-another"}, nil,
			[]string{"another node answers, " + bobID.String()}},
		{"not tested", func(f *Facts) { answering(f.Nodes[0], Untested) }, nil, nil, []string{"which was little"}},
		{"one of two addresses is silent", func(f *Facts) {
			f.Nodes[0].Mailboxes = append(f.Nodes[0].Mailboxes, &Mailbox{Endpoint: "tcp://172.17.0.1:49999", Answer: Silent})
		}, nil, []string{"mailbox-silent"}, []string{"All is well", "at another address"}},
		{"two addresses are silent", func(f *Facts) {
			answering(dual(f).Nodes[0], Silent)
			*f.Nodes[0].Mailboxes[1] = Mailbox{Endpoint: "tcp://[fe80::2%eth0]:49999", Answer: Silent, Error: "what went wrong"}
		}, []string{"mailbox-silent"}, nil, []string{"TCP 10.0.0.2:49999 and [fe80::2%eth0]:49999: a firewall"}},
		{"at two addresses another node answers", func(f *Facts) {
			answering(dual(f).Nodes[0], Zre).Mailboxes[0].UUID = &bobID
			f.Nodes[0].Mailboxes[1].UUID, f.Nodes[0].Mailboxes[1].Error = &bobID, "what went wrong"
		}, []string{"mailbox-another"}, nil, []string{"at 10.0.0.2:49999 and [fe80::2%eth0]:49999 another"}},
		{"two addresses react differently", func(f *Facts) {
			answering(dual(f).Nodes[0], Silent)
			*f.Nodes[0].Mailboxes[1] = Mailbox{Endpoint: "tcp://[fe80::2%eth0]:49999", Answer: Refused}
		}, []string{"mailbox-silent", "mailbox-refused"}, nil, nil},
		{"one that left need not answer", func(f *Facts) { answering(f.Nodes[0], Refused).Left = true }, nil, nil, []string{"Nothing is wrong"}},
		{"one with a key need not answer", func(f *Facts) { answering(f.Nodes[0], Other).Beacons[0].Bytes = 54 }, nil, []string{"curve"}, []string{"speaks CURVE, and this node does not"}},

		{"no HELLO", func(f *Facts) { unentered(f.Nodes[0]) }, []string{"no-hello"}, nil,
			[]string{"One node answers, but never connected", "firewall here blocks incoming TCP on the mailbox's port, 50000", "NAT"}},
		{"no HELLO of two", func(f *Facts) { f.Nodes = append(f.Nodes, unentered(bob())); unentered(f.Nodes[0]) }, []string{"no-hello"}, nil,
			[]string{"2 nodes answer, but none of them", "alice", "bob"}},
		{"a HELLO of one of two", func(f *Facts) { f.Nodes = append(f.Nodes, unentered(bob())) }, []string{"no-hello"}, nil,
			[]string{"bob " + bobID.String(), "though the other did"}},
		{"heard just before the end", func(f *Facts) { unentered(f.Nodes[0]).KnownMS = 500 }, nil, []string{"too-late"}, []string{"--time"}},
		{"no beacon of one that connected", func(f *Facts) { f.Nodes[0].Beacons, f.Nodes[0].Mailboxes = nil, nil }, nil, []string{"unheard"}, []string{"All is well", "blocks incoming UDP"}},

		{"twins", func(f *Facts) {
			twin := *f.Nodes[0].Beacons[0]
			twin.Address, twin.Port, twin.first = netip.MustParseAddr("10.0.0.9"), 60_000, time.Second
			f.Nodes[0].Beacons = append(f.Nodes[0].Beacons, &twin)
		}, []string{"twins"}, nil, []string{"10.0.0.2 port 49999", "10.0.0.9 port 60000"}},
		{"a restart is no twin", func(f *Facts) {
			next := *f.Nodes[0].Beacons[0]
			next.Port, next.first, next.last = 60_000, 2500*time.Millisecond, 3*time.Second
			f.Nodes[0].Beacons = append(f.Nodes[0].Beacons, &next)
		}, nil, nil, []string{"All is well"}},
		{"two addresses are no twins", func(f *Facts) {
			other := *f.Nodes[0].Beacons[0]
			other.Address = netip.MustParseAddr("10.0.1.2")
			f.Nodes[0].Beacons = append(f.Nodes[0].Beacons, &other)
		}, nil, nil, []string{"All is well"}},
		{"a state by broadcast", func(f *Facts) { f.Nodes[0].Beacons[0].Bytes = 23 }, nil, []string{"state-by-broadcast"}, []string{"pyre"}},
		{"no multicast arrives", func(f *Facts) { f.Nodes[0].Beacons = f.Nodes[0].Beacons[:1] }, nil, []string{"no-multicast"}, []string{"IGMP"}},
		{"no broadcast arrives", func(f *Facts) { f.Nodes[0].Beacons = f.Nodes[0].Beacons[1:] }, nil, []string{"no-broadcast"}, []string{"zyre and pyre do not"}},
		{"no IPv6 arrives", func(f *Facts) { dual(f); f.Nodes[0].Beacons = f.Nodes[0].Beacons[:2] }, nil, []string{"no-ipv6"}, []string{"All is well"}},
		{"no IPv4 arrives", func(f *Facts) { dual(f); f.Nodes[0].Beacons = f.Nodes[0].Beacons[2:] }, nil, []string{"no-ipv4"}, []string{"pyre"}},
		{"both arrive", func(f *Facts) { dual(f) }, nil, nil, []string{"All is well"}},
		{"IPv6 arrives where it is not sent", func(f *Facts) { dual(f); f.Interfaces[1].Beacons = f.Interfaces[1].Beacons[:2] }, nil, nil, nil},
		{"no state arrives by IPv6", func(f *Facts) { dual(f); f.Nodes[0].Beacons = f.Nodes[0].Beacons[:3] }, nil, []string{"no-multicast"}, []string{"MLD"}},
		{"IPv6 does not come back", func(f *Facts) { dual(f); f.Interfaces[1].Beacons[2].Back, f.Interfaces[1].Beacons[3].Back = 0, 0 }, nil, []string{"beacons-lost"},
			[]string{"its own IPv6 beacons to [ff02::1]:5670 and [ff12::5a:5245]:15670 on eth0", "Nodes are still found by IPv4."}},
		{"IPv6 does not come back, and nobody is there", func(f *Facts) {
			dual(f)
			f.Nodes, f.Interfaces[1].Beacons[2].Back, f.Interfaces[1].Beacons[3].Back = nil, 0, 0
		}, []string{"beacons-lost"}, nil, nil},
		{"IPv6 does not come back, and IPv4 half", func(f *Facts) { dual(f); f.Interfaces[1].Beacons[2].Back, f.Interfaces[1].Beacons[1].Back = 0, 0 },
			[]string{"beacons-lost", "beacons-lost"}, nil, nil},
		{"IPv6 does not come back, and peers are elsewhere", func(f *Facts) {
			dual(f)
			f.Interfaces[1].Beacons[2].Back = 0
			for _, h := range f.Nodes[0].Beacons {
				h.Interface = "eth1"
			}
		}, []string{"beacons-lost"}, nil, []string{"classic beacons to [ff02::1]:5670 on eth0"}},
		{"a foreign node has no multicast", func(f *Facts) {
			f.Nodes[0].Beacons, f.Nodes[0].Mailboxes[0] = f.Nodes[0].Beacons[:1], &Mailbox{Endpoint: f.Nodes[0].Mailboxes[0].Endpoint, Answer: Zmtp}
		}, nil, nil, nil},

		{"a named one answers and is heard", func(f *Facts) {
			f.Peers = []*Peer{{Endpoint: "tcp://alice:49999", Mailboxes: []*Mailbox{{Endpoint: "tcp://10.0.0.2:49999", Answer: Zmtp}}}}
		}, nil, nil, []string{"All is well"}},
		{"a named one is heard elsewhere", func(f *Facts) { f.Peers = []*Peer{named(Zre, &aliceID)} }, nil, nil, []string{"All is well"}},
		{"a named one is this node", func(f *Facts) { f.Peers = []*Peer{named(Zre, &selfID)} }, nil, nil, []string{"All is well"}},
		{"a named one is not heard, and came back", func(f *Facts) {
			b := bob()
			b.Beacons, b.Mailboxes = nil, nil
			f.Nodes, f.Peers = []*Node{b}, []*Peer{back(named(Zre, &bobID), &bobID)}
		}, nil, []string{"peer-unheard"}, []string{"All is well: one other node was found", "tcp://10.9.0.1:5671 answers and connected back, but no beacon of it was heard", "WithPeers"}},
		{"a foreign named one that is not heard", func(f *Facts) {
			b := bob()
			b.Beacons, b.Mailboxes = nil, nil
			f.Nodes, f.Peers = []*Node{b}, []*Peer{back(named(Zmtp, nil), &bobID)}
		}, nil, []string{"peer-unheard"}, []string{"All is well"}},
		{"a named one does not come back", func(f *Facts) { f.Nodes, f.Peers = nil, []*Peer{named(Zre, &bobID)} }, []string{"peer-no-hello"}, nil,
			[]string{"answers, but did not connect back within 2.9 s", "endpoint tcp://10.0.0.1:50000 (a firewall", "NAT: see --advertise)."}},
		{"a foreign named one does not come back", func(f *Facts) { f.Peers = []*Peer{named(Zmtp, nil)} }, []string{"peer-no-hello"}, nil, []string{"or it is not a ZRE node"}},
		{"an endpoint is advertised", func(f *Facts) { f.Self.Advertised, f.Peers = "tcp://nat.example:7", []*Peer{named(Zre, &bobID)} },
			[]string{"peer-no-hello"}, nil, []string{"endpoint tcp://nat.example:7 ("}},
		{"a named one answered late", func(f *Facts) { f.Peers = []*Peer{named(Zre, &bobID)}; f.Peers[0].KnownMS = 500 }, nil, []string{"too-late"}, []string{"--time"}},
		{"a named one is heard and does not come back", func(f *Facts) { unentered(f.Nodes[0]); f.Peers = []*Peer{named(Zre, &aliceID)} },
			[]string{"no-hello"}, nil, nil},
		{"nobody can come back where no node runs", func(f *Facts) { f.Self, f.Nodes, f.Peers = Self{Error: "no port"}, nil, []*Peer{named(Zre, &bobID)} },
			[]string{"no-start"}, nil, nil},
		{"a named one has no name", func(f *Facts) { f.Peers = []*Peer{{Endpoint: "tcp://nobody:1", Error: "there is no such name"}} }, []string{"peer-name"}, nil,
			[]string{"tcp://nobody:1 cannot be looked up: there is no such name"}},
		{"a named one, silent", func(f *Facts) { f.Peers = []*Peer{named(Silent, nil)} }, []string{"peer-silent"}, nil, []string{"does not answer"}},
		{"refused", func(f *Facts) { f.Peers = []*Peer{named(Refused, nil)} }, []string{"peer-refused"}, nil, []string{"is refused"}},
		{"unreachable", func(f *Facts) { f.Peers = []*Peer{named(Unreachable, nil)} }, []string{"peer-unreachable"}, nil, []string{"no route to tcp://10.9.0.1:5671: what"}},
		{"mute", func(f *Facts) { f.Peers = []*Peer{named(Mute, nil)} }, []string{"peer-mute"}, nil, []string{"sends nothing"}},
		{"closed", func(f *Facts) { f.Peers = []*Peer{named(Closed, nil)} }, []string{"peer-closed"}, nil, []string{"closes them"}},
		{"other", func(f *Facts) { f.Peers = []*Peer{named(Other, nil)} }, []string{"peer-other"}, nil, []string{"not a ZRE mailbox: what went wrong"}},
		{"untested", func(f *Facts) { f.Peers = []*Peer{named(Untested, nil)} }, nil, []string{"peer-untested"}, []string{"All is well"}},
		{"one of two addresses of a named one", func(f *Facts) {
			f.Peers = []*Peer{{Endpoint: "tcp://alice:49999", Mailboxes: []*Mailbox{
				{Endpoint: "tcp://10.9.9.9:49999", Answer: Silent}, {Endpoint: "tcp://10.0.0.2:49999", Answer: Zre, UUID: &aliceID}}}}
		}, nil, []string{"peer-silent"}, []string{"tcp://alice:49999 (10.9.9.9:49999) does not answer", "Another of its addresses answers"}},

		{"complaints, and too much", func(f *Facts) { f.Complaints, f.Unrecorded = []string{"sending beacons failed"}, 7 }, nil, []string{"complaint", "flood"},
			[]string{"sending beacons failed", "7 beacons"}},
		{"several problems", func(f *Facts) { answering(f.Nodes[0], Silent); f.Interfaces[1].Beacons[1].Back = 0 },
			[]string{"beacons-lost", "mailbox-silent"}, nil, []string{"2 things are wrong. The first: This machine does not hear its own state beacons"}},
	} {
		t.Run(c.name, c.check)
	}
}

// check compares what the changed facts mean, and checks that the documentation explains each finding.
func (c diagnosis) check(t *testing.T) {
	docs, err := os.ReadFile(filepath.Join(testbed.Root(), "docs", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	f := healthy()
	c.change(f)
	r := Diagnose(f)
	text := r.Verdict
	kinds := func(list []Finding) (kinds []string) {
		for _, f := range list {
			kinds = append(kinds, f.Kind)
			if _, end, _ := strings.Cut(f.Kind, "-"); !strings.Contains(string(docs), "`"+f.Kind+"`") && !strings.Contains(string(docs), "`-"+end+"`") {
				t.Errorf("docs/doctor.md does not explain %s", f.Kind)
			}
			text += "\n" + f.Text + "\n" + f.Try
		}
		return kinds
	}
	if got := kinds(r.Problems); !slices.Equal(got, c.problems) || r.Well != (len(got) == 0) {
		t.Errorf("problems %q, well %v; want %q", got, r.Well, c.problems)
	}
	if got := kinds(r.Notes); !slices.Equal(got, c.note) {
		t.Errorf("notes %q, want %q", got, c.note)
	}
	for _, s := range c.says {
		if !strings.Contains(text, s) {
			t.Errorf("it does not say %q:\n%s", s, text)
		}
	}
	for _, junk := range []string{"%!", "  ", ".."} {
		if strings.Contains(text, junk) {
			t.Errorf("it says %q:\n%s", junk, text)
		}
	}
	var out strings.Builder
	if err := r.Print(&out, 0); err != nil || !strings.HasPrefix(strings.ReplaceAll(out.String(), "\n", " "), strings.SplitN(r.Verdict, ". The", 2)[0]) {
		t.Errorf("the verdict does not come first: %v\n%s", err, &out)
	}
}
