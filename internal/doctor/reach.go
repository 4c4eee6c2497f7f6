package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// title names a node for a person.
func (n *Node) title() string {
	var words []string
	if n.Name != "" {
		words = append(words, n.Name)
	}
	words = append(words, n.UUID.String())
	if len(n.Mailboxes) > 0 {
		words = append(words, "at "+trimScheme(n.Mailboxes[0].Endpoint))
	}
	return strings.Join(words, " ")
}

// checkBeacons: is what the node says about itself right?
func (r *Report) checkBeacons(n *Node) {
	id := n.UUID.String()
	if len(n.Beacons) == 0 && n.Entered && !n.Left && !slices.ContainsFunc(r.Peers, func(p *Peer) bool { return p.UUID != nil && *p.UUID == n.UUID }) {
		f := Finding{Kind: "unheard", Node: id, Text: fmt.Sprintf("%s connected to this machine, but no beacon of it was heard in this time.", n.title()),
			Try: "it hears this machine, so look for a firewall here that blocks incoming UDP; or its beacons are further apart than this time, or it has none."}
		if r.hearsItself() {
			f.Try = "this machine hears its own beacons, so look for a firewall on that machine that blocks outgoing UDP (run `zre doctor` there), then for one" +
				" here that blocks incoming UDP of others; or its beacons are further apart than this time, or it has none, or the network drops them."
		}
		if n.Local {
			f.Text = fmt.Sprintf("%s, of this machine, connected, but no beacon of it was heard in this time.", n.title())
			f.Try = "it has no beacons, or they are further apart than this time, or they leave by other interfaces."
		}
		r.note(f)
	}
	if a, b := n.sameUUIDBeacons(); a != nil {
		r.problem(Finding{Kind: "twins", Node: id,
			Text: fmt.Sprintf("Two nodes have one UUID, %s: one at %v port %d, the other at %v port %d. Peers take them for one node, and neither works.",
				id, a.Address, a.Port, b.Address, b.Port),
			Try: "give each node a UUID of its own. A copy of a machine or of a configuration file is the usual cause."})
	}
	if slices.ContainsFunc(n.Beacons, func(h *Heard) bool { return !h.Multicast && (h.Bytes == 23 || h.Bytes == 55) }) {
		r.note(Finding{Kind: "state-by-broadcast", Node: id,
			Text: fmt.Sprintf("%s broadcasts beacons with a state, of 23 bytes: every pyre node that gets one crashes, and zyre does not see the node.", n.title())})
	}
	r.checkSecurity(n)
}

// sameUUIDBeacons returns beacons of two nodes with this UUID: they come from two ports in alternation. A restarted node uses one after the other,
// and a node with several addresses the same port everywhere.
func (n *Node) sameUUIDBeacons() (a, b *Heard) {
	for i, a := range n.Beacons {
		for _, b := range n.Beacons[i+1:] {
			if a.Port != b.Port && a.first < b.last && b.first < a.last {
				return a, b
			}
		}
	}
	return nil, nil
}

// mustAnswer reports whether the node's mailbox must answer.
func (n *Node) mustAnswer() bool { return !n.Left && len(n.Mailboxes) > 0 }

// reached tells whether one of its endpoints leads to it.
func (n *Node) reached() bool {
	return slices.ContainsFunc(n.Mailboxes, func(m *Mailbox) bool { return m.answersAs(n.UUID) })
}

// rejected is a reaction that is not seen but concluded: a firewall refuses connections for a node that is there.
const rejected Answer = "rejected"

// reaction returns what an answer means together with what else is known about the node. A node that connected to us runs, and one that is
// heard has a path. The system's error alone would blame the routes, or say that the node is not running.
func (n *Node) reaction(m *Mailbox) Answer {
	isRejected := func(m *Mailbox) bool {
		return m.Answer == Refused && n.Entered || m.Answer == Unreachable && !m.Here && (n.Entered || len(n.Beacons) > 0)
	}
	// Systems send few errors per second, so of several attempts some get no answer.
	if isRejected(m) || m.Answer == Silent && slices.ContainsFunc(n.Mailboxes, isRejected) {
		return rejected
	}
	return m.Answer
}

// checkMailboxes: does the node answer where its beacons say?
func (r *Report) checkMailboxes(n *Node) {
	if !r.mustAnswer(n) {
		return
	}
	for i, m := range n.Mailboxes {
		alike := func(o *Mailbox) bool { return n.reactsLike(m, o) }
		if m.Answer == Untested || m.answersAs(n.UUID) || slices.ContainsFunc(n.Mailboxes[:i], alike) {
			continue
		}
		var where, errors []string
		for _, o := range n.Mailboxes[i:] {
			if alike(o) {
				where = append(where, trimScheme(o.Endpoint))
				why := o.Error
				if o.Answer == Silent {
					why = "no answer"
				}
				if !slices.Contains(errors, why) {
					errors = append(errors, why)
				}
			}
		}
		f := n.finding(m, strings.Join(where, " and "), strings.Join(errors, "; "))
		if n.reached() {
			f.Text += " It answers at another address, though."
			r.note(f)
		} else {
			r.problem(f)
		}
	}
}

// reactsLike tells whether two mailboxes of the node react in the same way. A firewall may reject with another error in each address family.
func (n *Node) reactsLike(m, o *Mailbox) bool {
	reaction := n.reaction(m)
	return reaction == n.reaction(o) && (reaction == rejected || m.Error == o.Error) &&
		(m.UUID == o.UUID || m.UUID != nil && o.UUID != nil && *m.UUID == *o.UUID)
}

// finding says what is wrong with a mailbox of a node that sends beacons, and with others that react alike.
func (n *Node) finding(m *Mailbox, where, errors string) Finding {
	subject := "The node " + n.title()
	reaction := n.reaction(m)
	f := Finding{Kind: "mailbox-" + string(reaction), Node: n.UUID.String(), Endpoint: m.Endpoint}
	switch reaction {
	case Zre, Zmtp:
		f.Kind = "mailbox-another"
		f.Text = fmt.Sprintf("%s sends beacons, but at %s another node answers, %s.", subject, where, m.UUID)
		f.Try = "another node has that port now: restart the node that sends the beacons. Or its beacons are forged, or come from behind NAT."
	case rejected:
		known := "its beacons arrive"
		if n.Entered {
			known = "it connected to this machine"
		}
		f.Text = fmt.Sprintf("%s is there, since %s, but TCP %s is rejected (%s): a firewall rejects connections, usually on that machine, or here for outgoing ones.",
			subject, known, where, errors)
		if n.Local {
			f.Text = fmt.Sprintf("%s runs on this machine, but TCP %s is rejected (%s): a firewall on this machine rejects connections.", subject, where, errors)
		}
		f.Try = "on that machine allow incoming TCP for the node's program, or for ports 49152 to 65535 (RFC 36). If the node is in a container, publish its port."
	case Silent:
		f.Text = fmt.Sprintf("%s sends beacons, but nothing answers at TCP %s: a firewall drops the connection, on that machine, or here for outgoing ones.", subject, where)
		if n.Local {
			f.Text = fmt.Sprintf("%s runs on this machine, but nothing answers at TCP %s: a firewall on this machine drops the connection.", subject, where)
		}
		f.Try = "on that machine allow incoming TCP for the node's program, or for ports 49152 to 65535 (RFC 36). If no node's port answers, look at this machine's firewall."
	case Refused:
		f.Text = fmt.Sprintf("%s sends beacons, but TCP %s is refused: no program listens there, or a firewall rejects the connection.", subject, where)
		f.Try = "check on that machine that the node runs and listens there (ss -tlnp): a node behind NAT, or in a container, may announce an address that leads elsewhere."
	case Unreachable:
		f.Text = fmt.Sprintf("%s sends beacons, but this machine has no route to TCP %s: %s.", subject, where, errors)
		f.Try = "look at this machine's routes and firewall (ip route get ADDRESS), and at those of that machine."
	case Mute:
		f.Text = fmt.Sprintf("%s sends beacons, and TCP %s accepts connections but sends nothing: the node hangs or is stopped.", subject, where)
		f.Try = "restart the node. If the node works, something in between, such as a proxy, accepts connections for it."
	case Closed:
		f.Text = fmt.Sprintf("%s sends beacons, and TCP %s accepts connections but closes them at once.", subject, where)
		f.Try = "the node may have too many connections, or something in between closes them."
	case Curve, Plain, NoKey, WrongKey:
		f.Text = fmt.Sprintf("%s sends beacons, but at %s another node answers: it has another public key, or only one of the two has a key.", subject, where)
		f.Try = "another node has that port now, or the beacons are forged; or that node has too many handshakes."
	default:
		f.Text = fmt.Sprintf("%s sends beacons, but what answers at TCP %s is not a ZRE mailbox: %s.", subject, where, errors)
		f.Try = "check on that machine which program listens there (ss -tlnp)."
	}
	return f
}

// checkHellos: did the nodes that we reach connect to us? A node on this machine uses no network, so it does not show what the network lets
// pass.
func (r *Report) checkHellos() {
	var missing []*Node // of other machines
	entered := 0        // of those
	for _, n := range r.Nodes {
		switch {
		case n.Entered:
			entered += boolToInt(!n.Local)
		case !r.mustAnswer(n) || !n.reached() || r.isRefused(n):
		case n.KnownMS < enoughMS:
			r.note(Finding{Kind: "too-late", Node: n.UUID.String(), Text: fmt.Sprintf("%s was heard too late to see whether it connects to this machine.", n.title()),
				Try: "listen longer (--time)."})
		case n.Local:
			r.problem(Finding{Kind: "no-hello", Node: n.UUID.String(),
				Text: fmt.Sprintf("%s runs on this machine and answers, but never connected to the node that was run: it does not hear its beacons, or hangs.", n.title()),
				Try:  "check which interfaces it uses, and restart it."})
		default:
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 {
		return
	}
	if entered > 0 {
		for _, n := range missing {
			r.problem(Finding{Kind: "no-hello", Node: n.UUID.String(),
				Text: fmt.Sprintf("%s answers, but never connected to this machine, though %s did: something blocks its connections to TCP port %d here.",
					n.title(), otherNodes(entered), r.Self.Port),
				Try: "check that machine's firewall for outgoing connections, and its route to this machine."})
		}
		return
	}
	r.noneConnected(missing)
}

// noneConnected: none of the nodes of other machines connected.
func (r *Report) noneConnected(missing []*Node) {
	var names []string
	for _, n := range missing {
		names = append(names, n.title())
	}
	who, it := "One node answers, but", "it"
	if len(missing) > 1 {
		who, it = fmt.Sprintf("%d nodes answer, but none of them", len(missing)), "they"
	}
	f := Finding{Kind: "no-hello",
		Text: fmt.Sprintf("%s never connected to this machine (%s): a firewall here blocks incoming TCP on the mailbox's port, %d, or %s cannot reach the address"+
			" from which this machine sends beacons.", who, strings.Join(names, "; "), r.Self.Port, it),
		Try: "allow incoming TCP for the program that runs the node, or for ports 49152 to 65535 (RFC 36), or choose one port (--listen tcp://*:5671) and allow that." +
			" Behind NAT, as many virtual machines and containers are, no node can connect: give this machine an address of the network.",
	}
	if len(missing) == 1 {
		f.Node = missing[0].UUID.String()
	}
	r.problem(f)
}

// otherNodes returns "the other" or "3 others".
func otherNodes(n int) string {
	if n == 1 {
		return "the other"
	}
	return count(n, "other")
}
