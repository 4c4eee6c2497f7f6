package doctor

import (
	"fmt"
	"slices"
)

// peer: does a named endpoint answer, and does the node there connect back?
func (r *Report) peer(p *Peer) {
	if p.Error != "" {
		r.problem(Finding{Kind: "peer-name", Endpoint: p.Endpoint, Text: fmt.Sprintf("The host of %s cannot be looked up: %s.", p.Endpoint, p.Error),
			Try: "check the spelling, or give the address."})
		return
	}
	good := slices.ContainsFunc(p.Mailboxes, func(m *Mailbox) bool { return m.Answer.good() })
	judged := false
	for _, m := range p.Mailboxes {
		if m.Answer.good() {
			r.largePackets(p, m)
			if !judged { // several addresses of a name may belong to one node, which comes back once
				judged = true
				r.wayBack(p, m)
			}
			continue
		}
		if r.tells(m) {
			continue
		}
		f := m.namedFinding(p)
		if good {
			f.Text += " Another address of it answers."
			r.note(f)
		} else if m.Answer == Untested {
			r.note(f)
		} else {
			r.problem(f)
		}
	}
}

// largePackets: do long messages come through?
func (r *Report) largePackets(p *Peer, m *Mailbox) {
	if m.Large == nil || m.Large.Pass {
		return
	}
	f := Finding{Kind: "large-packets-lost", Endpoint: p.Endpoint,
		Text: fmt.Sprintf("%s answers, but large packets vanish on the way there: connections come about, and long messages never arrive.", p.Endpoint),
		Try: "have the network pass ICMP (fragmentation needed, packet too big), or set a smaller MTU on the interface here and there" +
			" (ip link set dev eth0 mtu 1280), or have the router or tunnel clamp the MSS of TCP.",
	}
	if l := m.Large; l.Passed > 0 && l.Lost > l.Passed {
		f.Text += fmt.Sprintf(" Packets of %d bytes pass, of %d they don't, so the MTU of the path lies between.", l.Passed, l.Lost)
	}
	r.problem(f)
}

// tells tells whether mailboxes has reported how this endpoint reacts, for a node that is heard.
func (r *Report) tells(m *Mailbox) bool {
	return m.Answer != Untested && slices.ContainsFunc(r.Nodes, func(n *Node) bool { return r.judged(n) && n.beacons(m.Endpoint) })
}

// wayBack: an endpoint answers. Did the node there connect to this machine, and is it heard?
func (r *Report) wayBack(p *Peer, m *Mailbox) {
	if r.Self.Error != "" || m.UUID != nil && *m.UUID == r.Self.UUID || r.hears(p, m) || r.refusesAt(m) {
		return // and whether a node that is heard connects, hellos tells
	}
	switch {
	case p.Entered:
		r.note(Finding{Kind: "peer-unheard", Endpoint: p.Endpoint,
			Text: fmt.Sprintf("%s answers and connected back, but no beacon of it was heard: the network between drops broadcast and multicast, as the way to another subnet does,"+
				" or the node there does not beacon on this port. Nodes that are told its endpoint find it all the same, others do not.", p.Endpoint),
			Try: "tell nodes of it: WithPeers in a program, or `zre pipe --peer`. For beacons, put both into one subnet, and see that switches and access points pass broadcast and multicast."})
	case p.KnownMS < enoughMS:
		r.note(Finding{Kind: "too-late", Endpoint: p.Endpoint, Text: p.Endpoint + " answered too late to see whether it connects to this machine.",
			Try: "listen longer (--time)."})
	default:
		var or string
		if m.Answer == Zmtp {
			or = "; or it is no node of ZRE"
		}
		r.problem(Finding{Kind: "peer-no-hello", Endpoint: p.Endpoint,
			Text: fmt.Sprintf("%s answers, but did not come back within %s: it cannot reach this machine's endpoint %s (a firewall for incoming TCP, here or on the way, or NAT: see --advertise)%s.",
				p.Endpoint, seconds(p.KnownMS), r.told(m), or),
			Try: "allow incoming TCP for the program that runs the node, or choose one port (--listen tcp://*:5671) and allow that. Behind NAT have it lead a port to this" +
				" machine, and tell peers which: --listen tcp://*:5671 --advertise tcp://PUBLIC-ADDRESS:PORT (WithListen and WithAdvertise in a program)."})
	}
}

// hears tells whether beacons were heard of the node at a named endpoint.
func (r *Report) hears(p *Peer, m *Mailbox) bool {
	for _, n := range r.Nodes {
		if len(n.Beacons) > 0 && (m.UUID != nil && n.UUID == *m.UUID || p.UUID != nil && n.UUID == *p.UUID ||
			n.beacons(m.Endpoint)) {
			return true
		}
	}
	return false
}

// told returns the endpoint of this machine that the node reached there is told.
func (r *Report) told(m *Mailbox) string {
	switch {
	case r.Self.Advertised != "":
		return r.Self.Advertised
	case m.From != nil:
		return endpointOf(*m.From, uint16(r.Self.Port))
	}
	return fmt.Sprint("TCP port ", r.Self.Port)
}

// namedFinding says what is wrong with a named endpoint.
func (m *Mailbox) namedFinding(p *Peer) Finding {
	f := Finding{Kind: "peer-" + string(m.Answer), Endpoint: p.Endpoint}
	at := p.Endpoint
	if m.Endpoint != p.Endpoint {
		at += " (" + trimScheme(m.Endpoint) + ")"
	}
	switch m.Answer {
	case Untested:
		f.Text = at + " was not tested: the time was over."
	case Silent:
		f.Text = at + " does not answer: a firewall drops the connection, there or here, or there is no such host."
		f.Try = "allow incoming TCP for the node's program on that machine."
	case Refused:
		f.Text = at + " is refused: the host is there, but no program listens on that port, or a firewall refuses for it."
		f.Try = "check the port (zre pipe tells its endpoint when it starts), and that the node runs."
	case Unreachable:
		f.Text = fmt.Sprintf("This machine has no way to %s: %s.", at, m.Error)
		f.Try = "look at this machine's routes and firewall (ip route get ADDRESS)."
	case Mute:
		f.Text = at + " accepts connections, but says nothing: a node that hangs, or a program that is no node."
	case Closed:
		f.Text = at + " accepts connections, but closes them at once."
	case Curve, Plain, NoKey, WrongKey:
		m.securityFinding(&f, at)
	default:
		f.Text = fmt.Sprintf("What answers at %s is no mailbox of ZRE: %s.", at, m.Error)
		f.Try = "check the port."
	}
	return f
}
