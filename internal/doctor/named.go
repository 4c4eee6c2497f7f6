package doctor

import (
	"fmt"
	"slices"
)

// checkPeer: does a named endpoint answer, and does the node there connect back?
func (r *Report) checkPeer(p *Peer) {
	if p.Error != "" {
		r.problem(Finding{Kind: "peer-name", Endpoint: p.Endpoint, Text: fmt.Sprintf("The host of %s cannot be looked up: %s.", p.Endpoint, p.Error),
			Try: "check the spelling, or give the address."})
		return
	}
	anyGood := slices.ContainsFunc(p.Mailboxes, func(m *Mailbox) bool { return m.Answer.isNode() })
	judged := false
	for _, m := range p.Mailboxes {
		if m.Answer.isNode() {
			r.checkLargePackets(p, m)
			if !judged { // several addresses of a name may belong to one node, which comes back once
				judged = true
				r.checkHelloBack(p, m)
			}
			continue
		}
		if r.isReported(m) {
			continue
		}
		f := m.namedFinding(p)
		if anyGood {
			f.Text += " Another of its addresses answers."
			r.note(f)
		} else if m.Answer == Untested {
			r.note(f)
		} else {
			r.problem(f)
		}
	}
}

// checkLargePackets: do long messages come through?
func (r *Report) checkLargePackets(p *Peer, m *Mailbox) {
	if m.Large == nil || m.Large.Pass {
		return
	}
	f := Finding{Kind: "large-packets-lost", Endpoint: p.Endpoint,
		Text: fmt.Sprintf("%s answers, but large packets are lost on the path: connections succeed, but long messages never arrive.", p.Endpoint),
		Try: "make the network forward ICMP (fragmentation needed, packet too big), or set a smaller MTU on the interface here and there" +
			" (ip link set dev eth0 mtu 1280), or make the router or tunnel clamp the MSS of TCP.",
	}
	if l := m.Large; l.Passed > 0 && l.Lost > l.Passed {
		f.Text += fmt.Sprintf(" Packets of %d bytes pass, packets of %d bytes do not: the MTU of the path lies in between.", l.Passed, l.Lost)
	}
	r.problem(f)
}

// isReported tells whether mailboxes has reported how this endpoint reacts, for a node that is heard.
func (r *Report) isReported(m *Mailbox) bool {
	return m.Answer != Untested && slices.ContainsFunc(r.Nodes, func(n *Node) bool { return r.mustAnswer(n) && n.announces(m.Endpoint) })
}

// checkHelloBack: an endpoint answers. Did the node there connect to this machine, and is it heard?
func (r *Report) checkHelloBack(p *Peer, m *Mailbox) {
	if r.Self.Error != "" || m.UUID != nil && *m.UUID == r.Self.UUID || r.isHeard(p, m) || r.isRefusedAt(m) {
		return // and whether a node that is heard connects, hellos tells
	}
	switch {
	case p.Entered:
		r.note(Finding{Kind: "peer-unheard", Endpoint: p.Endpoint,
			Text: fmt.Sprintf("%s answers and connected back, but no beacon of it was heard: the network in between drops broadcast and multicast, as routers to other subnets do,"+
				" or the node sends no beacons on this port. Nodes that know its endpoint still find it; others do not.", p.Endpoint),
			Try: "give its endpoint to nodes: WithPeers in a program, or `zre pipe --peer`. For beacons, put both machines into one subnet, and check that switches and access points forward broadcast and multicast."})
	case p.KnownMS < enoughMS:
		r.note(Finding{Kind: "too-late", Endpoint: p.Endpoint, Text: p.Endpoint + " answered too late to see whether it connects to this machine.",
			Try: "listen longer (--time)."})
	default:
		var otherwise string
		if m.Answer == Zmtp {
			otherwise = "; or it is not a ZRE node"
		}
		r.problem(Finding{Kind: "peer-no-hello", Endpoint: p.Endpoint,
			Text: fmt.Sprintf("%s answers, but did not connect back within %s: it cannot reach this machine's endpoint %s (a firewall for incoming TCP, here or on the way, or NAT: see --advertise)%s.",
				p.Endpoint, seconds(p.KnownMS), r.endpointToldTo(m), otherwise),
			Try: "allow incoming TCP for the program that runs the node, or choose one port (--listen tcp://*:5671) and allow that. Behind NAT, forward a port to this" +
				" machine, and announce it: --listen tcp://*:5671 --advertise tcp://PUBLIC-ADDRESS:PORT (WithListen and WithAdvertise in a program)."})
	}
}

// isHeard tells whether beacons were heard of the node at a named endpoint.
func (r *Report) isHeard(p *Peer, m *Mailbox) bool {
	for _, n := range r.Nodes {
		if len(n.Beacons) > 0 && (m.UUID != nil && n.UUID == *m.UUID || p.UUID != nil && n.UUID == *p.UUID ||
			n.announces(m.Endpoint)) {
			return true
		}
	}
	return false
}

// endpointToldTo returns the endpoint of this machine that the node reached there is told.
func (r *Report) endpointToldTo(m *Mailbox) string {
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
		f.Text = at + " is refused: the host is there, but no program listens on that port, or a firewall rejects the connection."
		f.Try = "check the port (zre pipe prints its endpoint when it starts), and that the node runs."
	case Unreachable:
		f.Text = fmt.Sprintf("This machine has no route to %s: %s.", at, m.Error)
		f.Try = "look at this machine's routes and firewall (ip route get ADDRESS)."
	case Mute:
		f.Text = at + " accepts connections but sends nothing: a node that hangs, or a program that is not a ZRE node."
	case Closed:
		f.Text = at + " accepts connections but closes them at once."
	case Curve, Plain, NoKey, WrongKey:
		m.securityFinding(&f, at)
	default:
		f.Text = fmt.Sprintf("What answers at %s is not a ZRE mailbox: %s.", at, m.Error)
		f.Try = "check the port."
	}
	return f
}
