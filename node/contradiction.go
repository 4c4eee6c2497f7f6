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

// checkPeers raises a problem for each address from Config.Peers that contradicts Config.Interfaces, and solves those that no longer do.
// It runs in the control loop.
func (n *Node) checkPeers() {
	if len(n.cfg.Interfaces) == 0 || n.cfg.Advertise != "" { // an advertised endpoint says where peers connect
		return
	}
	var reports []beacon.Report
	n.seeker.Configured(func(at netip.AddrPort) {
		if reports == nil {
			reports = n.agent.Survey()
		}
		about := paths.Format(at)
		if i := leftOut(at.Addr(), reports); i == "" || n.agent.IsLocal(at.Addr()) {
			n.problems.solve(ProblemContradiction, about)
		} else {
			n.problems.raise(ProblemContradiction, about, &Peer{Endpoint: about, Transport: TCP}, fmt.Errorf(
				"%s is on the network of %s, an interface that is left out, so the peer cannot connect to this node: choose that one too", about, i))
		}
	})
}

// checkPause is how long checkPeersSoon waits, so that one check covers many changes.
const checkPause = 50 * time.Millisecond

// checkPeersSoon schedules checkPeers after addresses were looked up.
func (n *Node) checkPeersSoon() {
	if n.isChecking {
		return
	}
	n.isChecking = true
	n.after(checkPause, func() {
		n.isChecking = false
		n.checkPeers()
	})
}

// leftOut returns a description of the interface whose network contains an address, if all such interfaces are left out; "" otherwise.
func leftOut(addr netip.Addr, reports []beacon.Report) (name string) {
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
