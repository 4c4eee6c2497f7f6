package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// A Report is the facts and what they mean. Its JSON is what zre doctor --json prints: keys and kinds stay, new ones may come.
type Report struct {
	Well     bool      `json:"well"`     // no problem was found
	Verdict  string    `json:"verdict"`  // in one sentence or two
	Problems []Finding `json:"problems"` // the most basic first
	Notes    []Finding `json:"notes"`    // what is no problem, but good to know
	Facts
}

// A Finding is one thing that the facts tell.
type Finding struct {
	Kind      string `json:"kind"`                // a word for programs
	Text      string `json:"text"`                // what was found, and what it means
	Try       string `json:"try,omitempty"`       // what to do about it
	Interface string `json:"interface,omitempty"` // what it concerns
	Node      string `json:"node,omitempty"`      // likewise, by UUID
	Endpoint  string `json:"endpoint,omitempty"`  // likewise
}

// enoughMS is how long a node that was heard of must have had for its HELLO to arrive.
const enoughMS = 1000

// Diagnose says what the facts mean. It depends on nothing else.
func Diagnose(f *Facts) *Report {
	r := &Report{Facts: *f, Problems: []Finding{}, Notes: []Finding{}}
	r.start()
	r.carriers()
	if r.Self.Error == "" {
		r.echoes()
	}
	for _, n := range r.Nodes {
		r.beacons(n)
		r.mailboxes(n)
	}
	r.hellos()
	r.casts()
	for _, p := range r.Peers {
		r.peer(p)
	}
	if r.Self.Error == "" && len(r.Problems) == 0 && len(r.Nodes) == 0 {
		r.alone()
	}
	for _, c := range r.Complaints {
		r.note(Finding{Kind: "complaint", Text: "The node that was run complained: " + c + "."})
	}
	if r.Unrecorded > 0 {
		r.note(Finding{Kind: "flood", Text: fmt.Sprintf("More was heard than is kept: %s went unrecorded.", count(r.Unrecorded, "beacon"))})
	}
	r.Well = len(r.Problems) == 0
	r.Verdict = r.verdict()
	return r
}

func (r *Report) problem(f Finding) { r.Problems = append(r.Problems, f) }
func (r *Report) note(f Finding)    { r.Notes = append(r.Notes, f) }

// verdict is the first line of the report.
func (r *Report) verdict() string {
	heard := fmt.Sprintf("in %.3g s", float64(r.ListenedMS)/1000)
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
	case entered > 0 && entered == len(r.Nodes):
		each := "each"
		if entered == 1 {
			each = "it"
		}
		return fmt.Sprintf("All is well: %s heard %s, and %s connected to this machine.", are(entered, "other node"), heard, each)
	case entered > 0:
		return fmt.Sprintf("All is well as far as could be tested: of %s heard %s %d connected to this machine; see the notes for the rest.",
			count(len(r.Nodes), "other node"), heard, entered)
	case len(r.Nodes) > 0:
		return fmt.Sprintf("Nothing is wrong as far as could be tested, which was little: see the notes on the %s.", count(len(r.Nodes), "node"))
	}
	return fmt.Sprintf("Nothing is wrong on this machine, but nobody else was heard %s.", heard)
}

// are is "one node was" or "7 nodes were".
func are(n int, what string) string {
	if n == 1 {
		return "one " + what + " was"
	}
	return count(n, what) + " were"
}

// start: could the node be run at all?
func (r *Report) start() {
	taken := false
	for _, p := range r.Ports {
		switch {
		case p.Taken:
			taken = true
			r.problem(Finding{
				Kind: "udp-port-taken",
				Text: fmt.Sprintf("UDP port %d, for %s, is held by another program that shares it with nobody, so no node can start here.",
					p.Port, map[string]string{classic: "the beacons", state: "beacons with a state"}[p.Kind]),
				Try: fmt.Sprintf("find the program and end it: `ss -ulpn sport = :%d` as root on Linux, `sudo lsof -nP -iUDP:%[1]d` on macOS,"+
					" `netstat -abno -p UDP` as administrator on Windows. Nodes of zyre, pyre and the like share the port. Or have all nodes"+
					" of the network use another one (--port).", p.Port),
			})
		case p.Error != "":
			taken = true
			r.problem(Finding{
				Kind: "udp-port-unusable",
				Text: fmt.Sprintf("UDP port %d cannot be listened on, so no node can start here: %s.", p.Port, p.Error),
				Try:  "ports below 1024 need privileges on most systems; security software can forbid others.",
			})
		}
	}
	if r.Self.Error != "" && !taken {
		r.problem(Finding{Kind: "no-start", Text: "A node cannot start on this machine: " + r.Self.Error + ".",
			Try: "without --listen a free port is taken; an address to listen at must be one of this machine."})
	}
}

// carriers: is there an interface that leads somewhere?
func (r *Report) carriers() {
	const noCarrier = "no cable is in, no access point in reach, or nothing on the bridge"
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
		if len(i.Beacons) == 0 {
			r.note(Finding{Kind: "no-beacons", Interface: i.Name, Text: i.Name + " is used, but no beacon leaves by it: it can neither broadcast nor multicast," +
				" or its subnet has no broadcast address."})
		}
	}
	switch {
	case len(used) == 0:
		r.problem(Finding{Kind: "no-interface", Text: "No network interface can be used: no beacon can leave this machine.",
			Try: "see below why each is not used; switch one on and give it an IPv4 address, or name it (--interface)."})
	case loopback && !r.Self.Chosen:
		r.problem(Finding{Kind: "loopback-only", Interface: used[0], Text: "Only loopback can be used: this machine has no network, so its nodes find each other and nobody else.",
			Try: "see below why no other interface is used; switch one on and give it an IPv4 address, or name it (--interface)."})
	case len(dead) == len(used):
		r.problem(Finding{Kind: "no-carrier", Interface: dead[0], Text: strings.Join(dead, ", ") + ": " + noCarrier + ", so no beacon leaves this machine.",
			Try: "plug the cable in, or connect to the access point."})
	default:
		for _, name := range dead {
			r.note(Finding{Kind: "no-carrier", Interface: name, Text: name + ": " + noCarrier + "."})
		}
	}
}

// echoes: does this machine hear its own beacons, as it should?
func (r *Report) echoes() {
	type missing struct {
		interfaceName string
		Sent
	}
	var lost []missing
	sent := 0
	for _, i := range r.Interfaces {
		for _, b := range i.Beacons {
			if !i.Carrier && !i.Loopback {
				continue
			}
			sent++
			if b.Back == 0 {
				lost = append(lost, missing{i.Name, b})
			}
		}
	}
	const try = "look at this machine's firewall: it must let UDP %s pass, in and out, broadcast and multicast too."
	if sent > 0 && len(lost) == sent {
		r.problem(Finding{Kind: "beacons-lost", Text: "This machine does not hear its own beacons on any interface: a firewall here eats them, and with them those of" +
			" others.", Try: fmt.Sprintf(try, r.portList())})
		return
	}
	for _, l := range lost {
		r.problem(Finding{Kind: "beacons-lost", Interface: l.interfaceName,
			Text: fmt.Sprintf("This machine does not hear its own %s beacons to %v on %s, though it hears others of its own: a firewall here eats them.",
				l.Kind, l.To, l.interfaceName),
			Try: fmt.Sprintf(try, fmt.Sprintf("port %d", l.To.Port()))})
	}
}

func (r *Report) portList() string {
	var ports []string
	for _, p := range r.Ports {
		ports = append(ports, fmt.Sprint(p.Port))
	}
	return "ports " + strings.Join(ports, " and ")
}

// alone: nothing was heard, and nothing is known to be wrong.
func (r *Report) alone() {
	r.note(Finding{Kind: "alone",
		Text: "Nobody else beacons in reach. Either there is no other node, or the network between eats broadcast and multicast: a Wi-Fi access point" +
			" that isolates its clients, a switch that filters multicast, another subnet or VLAN.",
		Try: "run `zre doctor` on the other machine too. Test the way to a node there: zre doctor --peer tcp://ADDRESS:PORT (zre pipe tells its endpoint" +
			" when it starts). If that answers, the network eats the beacons; if not, it is a firewall or a route."})
}

// casts: do the beacons of our own kind of node arrive both ways?
func (r *Report) casts() {
	var both, broadcast, multicast int
	for _, n := range r.Nodes {
		if n.Local || n.Left || n.KnownMS < enoughMS || !slices.ContainsFunc(n.Mailboxes, func(m *Mailbox) bool { return m.Answer == Zre }) {
			continue
		}
		by := func(multicast bool) bool {
			return slices.ContainsFunc(n.Beacons, func(h *Heard) bool { return h.Multicast == multicast })
		}
		switch b, m := by(false), by(true); {
		case b && m:
			both++
		case b:
			broadcast++
		case m:
			multicast++
		}
	}
	switch {
	case both > 0:
	case broadcast > 0 && multicast == 0:
		r.note(Finding{Kind: "no-multicast", Text: "Beacons of other machines arrive by broadcast, but none by multicast, though nodes that send both are here.",
			Try: "a switch or access point filters multicast (IGMP snooping without a querier does). Nodes find each other all the same, and tell their states by TCP."})
	case multicast > 0 && broadcast == 0:
		r.note(Finding{Kind: "no-broadcast", Text: "Beacons of other machines arrive by multicast, but none by broadcast, though nodes that send both are here.",
			Try: "nodes of go-zre find each other all the same, zyre and pyre find nobody: have the network pass broadcasts, or put the nodes into one subnet."})
	}
}
