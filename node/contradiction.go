package node

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/paths"
)

// Config.Peers and Config.Interfaces contradict each other if a peer is on the network of an interface that is not used. We reach the peer,
// but its own connection comes in on that interface and is refused (see allow).

// checkContradictions raises a problem for each address from Config.Peers that contradicts Config.Interfaces, and solves those that no longer do.
// It runs in the control loop.
func (n *Node) checkContradictions() {
	if len(n.cfg.Interfaces) == 0 || n.cfg.Advertise != "" { // an advertised endpoint says where peers connect
		return
	}
	var reports []beacon.Report
	n.seeker.Configured(func(at netip.AddrPort) {
		if reports == nil {
			reports = n.agent.Survey()
		}
		about := paths.Format(at)
		if i := excludedInterface(at.Addr(), reports); i == "" || n.agent.IsLocal(at.Addr()) {
			n.problems.solve(ProblemContradiction, about)
		} else {
			n.problems.raise(ProblemContradiction, about, &Peer{Endpoint: about, Transport: TCP}, fmt.Errorf(
				"%s is on the network of %s, an interface that is left out, so the peer cannot connect to this node: choose that one too", about, i))
		}
	})
}

// contradictionPause is how long checkContradictionsSoon waits, so that one check covers many changes.
const contradictionPause = 50 * time.Millisecond

// checkContradictionsSoon schedules checkContradictions after addresses were looked up.
func (n *Node) checkContradictionsSoon() {
	if n.isCheckScheduled {
		return
	}
	n.isCheckScheduled = true
	n.after(contradictionPause, func() {
		n.isCheckScheduled = false
		n.checkContradictions()
	})
}

// excludedInterface returns a description of the interface whose network contains an address, if all such interfaces are left out; "" otherwise.
func excludedInterface(addr netip.Addr, reports []beacon.Report) (name string) {
	zone := addr.Zone()
	for _, r := range reports {
		if r.Flags&net.FlagUp == 0 || zone != "" && zone != r.Name && zone != strconv.Itoa(r.Index) {
			continue
		}
		for _, prefix := range r.Addrs {
			if !prefix.Contains(addr.WithZone("")) {
				continue
			}
			if slices.Contains(r.UsedAddrs, prefix) {
				return ""
			}
			name = fmt.Sprintf("%s (%v)", r.Name, prefix.Masked())
		}
	}
	return name
}
