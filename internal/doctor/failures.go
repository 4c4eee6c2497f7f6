package doctor

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/go-zre/go-zre/beacon"
)

// failures: what does the system refuse? Its errors say more than silence. Those of ports are reported by start.
func (r *Report) failures() {
	for _, f := range r.Failures {
		switch f.call {
		case beacon.OpChoose:
			r.problem(Finding{Kind: "interface-missing", Interface: f.Interface, Text: fmt.Sprintf("%s is neither the name nor an address of an"+
				" interface here. Nodes wait for it, and no beacon leaves by it.", f.Interface), Try: "see below which interfaces there are; switch it on, or give it that address."})
		case beacon.OpList:
			r.problem(Finding{Kind: "interfaces-unknown", Text: "The system does not list the network interfaces, so no beacon leaves this machine: " + f.Error + ".",
				Try: "if a sandbox forbids it, permit netlink (RestrictAddressFamilies=AF_NETLINK in a unit of systemd), or find peers by --peer, --srv or gossip."})
		case beacon.OpWatch:
			r.problem(Finding{Kind: "no-netlink", Text: "The system does not report changes of the network interfaces, so nodes notice them late: " + f.Error + ".",
				Try: "permit netlink: in a unit of systemd, RestrictAddressFamilies needs AF_NETLINK too."})
		}
	}
	for _, call := range []beacon.Op{beacon.OpJoin, beacon.OpSend, beacon.OpReceive} {
		for _, sameError := range r.groupFailures(call) {
			f := refusalFinding(sameError)
			if r.anyComesBack(sameError) {
				f.Text += " Beacons of another kind work there."
				r.note(f)
			} else {
				r.problem(f)
			}
		}
	}
}

// groupFailures returns the failures of a call, those with the same error together.
func (r *Report) groupFailures(call beacon.Op) (lists [][]Failure) {
	for _, f := range r.Failures {
		if f.call != call {
			continue
		}
		at := slices.IndexFunc(lists, func(l []Failure) bool { return l[0].Error == f.Error })
		if at < 0 {
			at, lists = len(lists), append(lists, nil)
		}
		lists[at] = append(lists[at], f)
	}
	return lists
}

// maxListed is how many interfaces or destinations a finding names.
const maxListed = 5

// listNames names some things, each once, and counts the others.
func listNames(list []Failure, name func(Failure) string) string {
	var names []string
	for _, f := range list {
		if n := name(f); n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if more := len(names) - maxListed; more > 0 {
		names = append(names[:maxListed], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// refusalFinding says what the system refuses, for failures with the same error.
func refusalFinding(alike []Failure) Finding {
	f, err := Finding{Interface: alike[0].Interface}, alike[0].err
	by := listNames(alike, func(f Failure) string { return f.Interface })
	to := listNames(alike, func(f Failure) string { return f.To })
	switch alike[0].call {
	case beacon.OpJoin:
		f.Kind = "multicast-refused"
		f.Text = fmt.Sprintf("%s cannot join the multicast groups of the beacons (%s), so beacons of other nodes do not arrive there: %s.", by, to, alike[0].Error)
		f.Try = "leave out interfaces without nodes (--interface)."
		if errors.Is(err, syscall.ENOBUFS) {
			f.Try = "the system's limit of groups is reached: raise it (sysctl net.ipv4.igmp_max_memberships), or leave out interfaces without nodes (--interface)."
		}
	case beacon.OpSend:
		f.Kind = "beacons-refused"
		f.Text = fmt.Sprintf("The system refuses to send beacons on %s to %s: %s.", by, to, alike[0].Error)
		f.Try = "check the routes and addresses of that interface (ip route, ip addr)."
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			f.Text = fmt.Sprintf("A firewall on this machine blocks beacons on %s to %s: %s.", by, to, alike[0].Error)
			f.Try = "allow outgoing UDP to these ports, broadcast and multicast too."
		}
	default:
		f.Kind = "beacons-unreceived"
		f.Text = fmt.Sprintf("Beacons cannot be received: %s.", alike[0].Error)
	}
	return f
}

// anyComesBack tells whether on each interface of these failures some beacon of this machine comes back.
func (r *Report) anyComesBack(alike []Failure) bool {
	return !slices.ContainsFunc(alike, func(f Failure) bool {
		return !slices.ContainsFunc(r.Interfaces, func(i Interface) bool {
			return i.Name == f.Interface && slices.ContainsFunc(i.Beacons, func(b Sent) bool { return b.Back > 0 })
		})
	})
}

// isExplained tells whether the system says why beacons to a destination do not come back on an interface.
func (r *Report) isExplained(name string, to netip.AddrPort) bool {
	return slices.ContainsFunc(r.Failures, func(f Failure) bool {
		return (f.call == beacon.OpSend || f.call == beacon.OpJoin) && f.Interface == name && f.dst == to
	})
}
