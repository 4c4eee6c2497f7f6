package doctor

import (
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre"
)

// Facts is what Collect found out, without conclusions. Its JSON is part of a Report's: keys stay, new ones may be added.
type Facts struct {
	Self       Self        `json:"self"`
	ListenedMS int64       `json:"listened_ms"` // how long it listened
	Ports      []Port      `json:"udp_ports"`
	Interfaces []Interface `json:"interfaces"`
	Nodes      []*Node     `json:"nodes"`              // the others, by UUID
	Peers      []*Peer     `json:"peers"`              // those that were named (Config.Peers), and those that SRV records name
	SRV        []*SRV      `json:"srv,omitempty"`      // of the names that were given (Config.SRV)
	Failures   []Failure   `json:"failures,omitempty"` // what beacons fail in, by the system's word
	Refusals   []*Refusal  `json:"refusals,omitempty"` // keys that are not let in, on either side
	Complaints []string    `json:"complaints"`         // what the node that was run logged as warnings and errors
	Unrecorded int         `json:"unrecorded"`         // beacons beyond what is kept of them: nodes, or lines of a node
}

// Self is the doctor's node.
type Self struct {
	UUID   uuid.UUID `json:"uuid"`
	Port   int       `json:"port"`             // TCP port of its mailbox; 0 if it did not start
	Error  string    `json:"error,omitempty"`  // why it did not start
	Chosen bool      `json:"chosen,omitempty"` // interfaces were named, instead of all suitable ones

	PublicKey zre.PublicKey `json:"public_key,omitzero"` // of a secure node

	Advertised string `json:"advertised,omitempty"` // the endpoint that peers are told in place of those of the interfaces
}

// Failure is what fails with beacons: a beacon.Failure.
type Failure struct {
	Call      string    `json:"call"`                // a beacon.Call in words
	Interface string    `json:"interface,omitempty"` // the interface, or what was named but does not exist
	To        string    `json:"to,omitempty"`
	Error     string    `json:"error"`
	Since     time.Time `json:"since"`

	call beacon.Op
	dst  netip.AddrPort
	err  error
}

// Port is a UDP port of the beacons. A family that this machine does not have is not listed.
type Port struct {
	Port   int    `json:"port"`
	Kind   string `json:"kind"` // "classic" or "state"
	Family Family `json:"family"`
	Taken  bool   `json:"taken"`           // another program holds it alone
	Error  string `json:"error,omitempty"` // why it cannot be listened on
}

// Interface is a network interface of this machine.
type Interface struct {
	Name       string         `json:"name"`
	Use        string         `json:"use"` // "used", or why not: a beacon.Reason
	Up         bool           `json:"up"`
	Carrier    bool           `json:"carrier"`
	Loopback   bool           `json:"loopback"`
	Containers bool           `json:"containers"`     // by its name a bridge of containers or virtual machines
	Addresses  []netip.Prefix `json:"addresses"`      // all of them
	Used       []netip.Prefix `json:"used_addresses"` // the source addresses of beacons, to which peers connect
	Endpoints  []string       `json:"endpoints"`      // what peers are told, if they are reached from this interface's address
	Beacons    []Sent         `json:"beacons"`        // what is sent from it
}

// Sent is one kind of beacon that is sent from an interface.
type Sent struct {
	Kind  string         `json:"kind"`  // "classic" or "state"
	Bytes int            `json:"bytes"` // 22 or 23
	From  netip.Addr     `json:"from"`  // a link-local one without the interface
	To    netip.AddrPort `json:"to"`
	Back  int            `json:"heard_back"` // how many of them the second listener heard

	justSent bool // it began while the doctor listened, so that it may still come back
}

// Node is another node of the network.
type Node struct {
	UUID      uuid.UUID  `json:"uuid"`
	Name      string     `json:"name,omitempty"` // from its HELLO
	Local     bool       `json:"local"`          // on this machine
	Left      bool       `json:"left"`           // it said goodbye
	Entered   bool       `json:"entered"`        // it connected to us and sent HELLO
	EnteredMS int64      `json:"entered_ms,omitempty"`
	Endpoint  string     `json:"endpoint,omitempty"` // where the doctor's node reached it, once it had entered
	KnownMS   int64      `json:"known_ms"`           // from when it was first heard of to the end
	Beacons   []*Heard   `json:"beacons"`
	Mailboxes []*Mailbox `json:"mailboxes"`

	PublicKey zre.PublicKey `json:"public_key,omitzero"` // of its beacons, or, if this node is secure, of its HELLO: the last

	first time.Duration
}

// Heard is one kind of beacon of a node, from one address and port, as it arrived at one interface.
type Heard struct {
	Interface string     `json:"interface"`
	Address   netip.Addr `json:"address"`
	Bytes     int        `json:"bytes"`     // 22, 23 with a state, 54 and 55 with a CURVE key
	Multicast bool       `json:"multicast"` // otherwise by broadcast
	Port      uint16     `json:"port"`      // TCP port of its mailbox
	State     string     `json:"state,omitempty"`
	Count     int        `json:"count"`
	EveryMS   int64      `json:"every_ms,omitempty"` // from one to the next, on average

	first, last time.Duration
}

// Mailbox is an endpoint and what answers there.
type Mailbox struct {
	Endpoint string      `json:"endpoint"`
	Answer   Answer      `json:"answer"`
	UUID     *uuid.UUID  `json:"uuid,omitempty"`  // of the node that answers, if it says so
	From     *netip.Addr `json:"from,omitempty"`  // which address of this machine leads there
	Error    string      `json:"error,omitempty"` // what went wrong

	Large *Large `json:"large_packets,omitempty"` // of a named endpoint that answers

	Here bool `json:"here,omitempty"` // this machine itself makes it unreachable: it has no route there, or its firewall forbids it
}

// Peer is an endpoint that was named to be tested.
type Peer struct {
	Endpoint  string     `json:"endpoint"`
	Error     string     `json:"error,omitempty"` // why its host has no address
	Mailboxes []*Mailbox `json:"mailboxes"`       // one for each address
	Entered   bool       `json:"entered"`         // the node there connected to us and sent HELLO
	UUID      *uuid.UUID `json:"uuid,omitempty"`  // of the node there
	KnownMS   int64      `json:"known_ms"`        // from its first answer to the end

	answered time.Duration // 0: not yet
}

// A Family is that of an IP address.
type Family string

// The families.
const (
	IPv4 Family = "IPv4"
	IPv6 Family = "IPv6"
)

func familyOf(a netip.Addr) Family {
	if a.Unmap().Is4() {
		return IPv4
	}
	return IPv6
}

// An Answer says how a TCP port reacts.
type Answer string

// The answers.
const (
	Untested    Answer = "untested"    // the time was over before
	Zre         Answer = "zre"         // a ROUTER with the identity of a ZRE node: go-zre
	Zmtp        Answer = "zmtp"        // a ROUTER that does not give its identity: any other implementation
	Refused     Answer = "refused"     // no process listens there
	Silent      Answer = "silent"      // no answer at all: filtered, or no such host
	Unreachable Answer = "unreachable" // the system or the network reports that there is no route
	Mute        Answer = "mute"        // connected, and then nothing: a stopped process, or another program
	Closed      Answer = "closed"      // connected, and hung up
	Other       Answer = "other"       // something else than a ROUTER of ZMTP 3 with the mechanism NULL or CURVE
	Curve       Answer = "curve"       // a ROUTER with CURVE, and this node has no certificate
	Plain       Answer = "plain"       // a ROUTER without CURVE, and this node has a certificate
	NoKey       Answer = "no-key"      // a ROUTER with CURVE, as this node is, whose public key was not told
	WrongKey    Answer = "wrong-key"   // a ROUTER with CURVE that has another public key than the one that was told
)

// isNode tells whether a ZRE node can be there.
func (a Answer) isNode() bool { return a == Zre || a == Zmtp }

// answersAs tells whether a mailbox answers as that of the node.
func (m *Mailbox) answersAs(id uuid.UUID) bool {
	return m.Answer.isNode() && (m.UUID == nil || *m.UUID == id)
}

// hasKey tells whether the node's beacons have a CURVE key.
func (n *Node) hasKey() bool {
	for _, h := range n.Beacons {
		if h.Bytes >= 54 {
			return true
		}
	}
	return false
}
