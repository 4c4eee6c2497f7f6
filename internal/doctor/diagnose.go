package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-zre/go-zre/beacon"
)

// A Report is the facts and what they mean. Its JSON is the output of zre doctor --json: keys and kinds stay, new ones may be added.
type Report struct {
	Well     bool      `json:"well"`     // no problem was found
	Verdict  string    `json:"verdict"`  // in one or two sentences
	Problems []Finding `json:"problems"` // the most basic first
	Notes    []Finding `json:"notes"`    // no problems, but good to know
	Facts
}

// A Finding is one conclusion from the facts.
type Finding struct {
	Kind      string `json:"kind"`                // a word for programs
	Text      string `json:"text"`                // what was found, and what it means
	Try       string `json:"try,omitempty"`       // what to do about it
	Interface string `json:"interface,omitempty"` // what it is about
	Node      string `json:"node,omitempty"`      // likewise, by UUID
	Endpoint  string `json:"endpoint,omitempty"`  // likewise
}

// enoughMS is how long a node must have been known before its HELLO is missed.
const enoughMS = 1000

// Diagnose says what the facts mean. It depends on nothing else.
func Diagnose(f *Facts) *Report {
	r := &Report{Facts: *f, Problems: []Finding{}, Notes: []Finding{}}
	r.checkStart()
	r.failures()
	r.checkInterfaces()
	if r.Self.Error == "" {
		r.checkOwnBeacons()
	}
	for _, n := range r.Nodes {
		r.checkBeacons(n)
		r.checkMailboxes(n)
	}
	r.checkRefusals()
	r.checkHellos()
	r.checkDelivery()
	for _, s := range r.SRV {
		r.checkSRV(s)
	}
	for _, p := range r.Peers {
		r.checkPeer(p)
	}
	if r.Self.Error == "" && len(r.Problems) == 0 && r.hasNoRemoteNode() {
		r.noteAlone()
	}
	for _, c := range r.Complaints {
		r.note(Finding{Kind: "complaint", Text: "The test node logged: " + c + "."})
	}
	if r.Unrecorded > 0 {
		r.note(Finding{Kind: "flood", Text: fmt.Sprintf("More was heard than is stored: %s not recorded.", are(r.Unrecorded, "beacon"))})
	}
	r.Well = len(r.Problems) == 0
	r.Verdict = r.verdict()
	return r
}

func (r *Report) problem(f Finding) { r.Problems = append(r.Problems, f) }
func (r *Report) note(f Finding)    { r.Notes = append(r.Notes, f) }

// verdict returns the first line of the report.
func (r *Report) verdict() string {
	in := "in " + seconds(r.ListenedMS)
	entered := 0
	for _, n := range r.Nodes {
		if n.Entered {
			entered++
		}
	}
	switch {
	case len(r.Problems) == 1:
		return "Something is wrong: " + r.Problems[0].Text
	case len(r.Problems) > 1:
		return fmt.Sprintf("%d things are wrong. The first: %s", len(r.Problems), r.Problems[0].Text)
	case entered > 0 && r.hasNoRemoteNode():
		return fmt.Sprintf("Nothing is wrong on this machine, and %s of it connected, but no other node was heard %s.", count(entered, "node"), in)
	case entered > 0 && entered == len(r.Nodes):
		each := "each"
		if entered == 1 {
			each = "it"
		}
		return fmt.Sprintf("All is well: %s found %s, and %s connected to this machine.", are(entered, "other node"), in, each)
	case entered > 0:
		return fmt.Sprintf("All is well as far as could be tested: of %s found %s %d connected to this machine; see the notes for the rest.",
			count(len(r.Nodes), "other node"), in, entered)
	case len(r.Nodes) > 0:
		return fmt.Sprintf("Nothing is wrong as far as could be tested, which was little: see the notes about the %s.", count(len(r.Nodes), "node"))
	}
	return fmt.Sprintf("Nothing is wrong on this machine, but no other node was heard %s.", in)
}

// are returns "one node was" or "7 nodes were".
func are(n int, what string) string {
	if n == 1 {
		return "one " + what + " was"
	}
	return count(n, what) + " were"
}

// checkStart: could the node run at all, and with both address families?
func (r *Report) checkStart() {
	blamed := false
	for _, kind := range []string{classic, state} {
		for _, taken := range []bool{true, false} {
			var families []string
			var port Port
			for _, p := range r.Ports {
				if p.Kind == kind && p.Taken == taken && (taken || p.Error != "") {
					port, families = p, append(families, string(p.Family))
				}
			}
			switch {
			case families == nil:
			case r.Self.Error != "" || slices.Contains(families, string(IPv4)):
				blamed = true
				r.problem(port.finding(families, "so no node here is found by them until it is free"))
			default: // IPv4 suffices
				r.note(port.finding(families, "so nodes here work without them"))
			}
		}
	}
	if r.Self.Error != "" && !blamed {
		r.problem(Finding{Kind: "no-start", Text: "A node cannot start on this machine: " + r.Self.Error + ".",
			Try: "without --listen a free port is taken; an address to listen at must be one of this machine."})
	}
}

// finding says what is wrong with a UDP port, of these families, and what follows.
func (p Port) finding(families []string, consequence string) Finding {
	what := fmt.Sprintf("UDP port %d of %s, for %s,", p.Port, strings.Join(families, " and "),
		map[string]string{classic: "the beacons", state: "beacons with a state"}[p.Kind])
	if !p.Taken {
		return Finding{
			Kind: "udp-port-unusable", Text: fmt.Sprintf("%s cannot be listened on, %s: %s.", what, consequence, p.Error),
			Try: "ports below 1024 need privileges on most systems; security software can forbid others.",
		}
	}
	return Finding{
		Kind: "udp-port-taken", Text: fmt.Sprintf("%s is held by another program that does not share it, %s.", what, consequence),
		Try: fmt.Sprintf("find the program and end it: `ss -ulpn sport = :%d` as root on Linux, `sudo lsof -nP -iUDP:%[1]d` on macOS,"+
			" `netstat -abno -p UDP` (UDPv6 for IPv6) as administrator on Windows. Nodes of zyre, pyre and the like share the port. Or"+
			" have all nodes of the network use another one (--port).", p.Port),
	}
}

// checkInterfaces: is there an interface that leads somewhere?
func (r *Report) checkInterfaces() {
	const noCarrier = "no cable is plugged in, no access point is in reach, or nothing is on the bridge"
	var used, dead []string
	loopback := true
	for _, i := range r.Interfaces {
		if i.Use != "used" {
			continue
		}
		used = append(used, i.Name)
		loopback = loopback && i.Loopback
		if !i.Carrier && !i.Loopback {
			dead = append(dead, i.Name)
		}
		if i.Containers {
			r.note(Finding{Kind: "containers", Interface: i.Name, Text: i.Name + ", by its name a bridge of containers or virtual machines, is used like the rest.",
				Try: fmt.Sprintf("leave it out with --interface '!%s' (WithInterfaces(%q) in a program) if no node is on it.", i.Name, "!"+i.Name)})
		}
		if len(i.Beacons) == 0 && r.listens(IPv4) {
			r.note(Finding{Kind: "no-beacons", Interface: i.Name, Text: i.Name + " is used, but no beacon leaves by it: it can neither broadcast nor multicast," +
				" or its subnet has no broadcast address. Peers that find this machine otherwise can reach it there."})
		}
	}
	switch {
	case len(used) == 0 && r.interfaceMissing():
	case len(used) == 0:
		r.problem(Finding{Kind: "no-interface", Text: "No network interface can be used: no beacon can leave this machine.",
			Try: "see below why each is not used: switch one on and give it an IP address, or name it (--interface)."})
	case loopback && !r.Self.Chosen:
		r.problem(Finding{Kind: "loopback-only", Interface: used[0], Text: "Only loopback can be used: this machine has no network, so its nodes find only each other.",
			Try: "see below why no other interface is used: switch one on and give it an IP address, or name it (--interface)."})
	case len(dead) == len(used):
		r.problem(Finding{Kind: "no-carrier", Interface: dead[0], Text: strings.Join(dead, ", ") + ": " + noCarrier + ", so no beacon leaves this machine.",
			Try: "plug the cable in, or connect to the access point."})
	default:
		for _, name := range dead {
			r.note(Finding{Kind: "no-carrier", Interface: name, Text: name + ": " + noCarrier + "."})
		}
	}
}

// interfaceMissing tells whether failures has reported why no interface is used: a named one does not exist, or none is known.
func (r *Report) interfaceMissing() bool {
	return slices.ContainsFunc(r.Failures, func(f Failure) bool { return f.call == beacon.OpChoose || f.call == beacon.OpList })
}

// hasNoRemoteNode tells whether there is no node on another machine.
func (r *Report) hasNoRemoteNode() bool {
	return !slices.ContainsFunc(r.Nodes, func(n *Node) bool { return !n.Local })
}

// noteAlone: nothing was heard from other machines, and no error is known.
func (r *Report) noteAlone() {
	first := "No other node is heard."
	if len(r.Nodes) > 0 {
		first = "The only nodes that send beacons are on this machine, and they say nothing about the network."
	}
	r.note(Finding{Kind: "alone",
		Text: first + " Either there is no other node, or the network in between drops broadcast and multicast: a Wi-Fi access point" +
			" that isolates its clients, a switch that filters multicast, another subnet or VLAN.",
		Try: "run `zre doctor` on the other machine too. Test the path to a node there: zre doctor --peer tcp://ADDRESS:PORT (zre pipe prints its endpoint" +
			" when it starts). If it answers, the network drops the beacons; if not, the cause is a firewall or a route."})
}
