package node

import "time"

// calmAfter is how long nothing may have changed before our beacons become rare.
const calmAfter = 5 * time.Second

// noteChange records a change: a peer was met or is gone, a new node was heard, or our interfaces or state changed. For a while our beacons become
// frequent, so that nodes that need them get one soon even if some are lost. It runs in the control loop.
func (n *Node) noteChange() {
	n.lastChange = time.Now()
	n.agent.SetCalm(false)
}

// checkCalm lets our beacons become rare when nothing has changed for a while, and there are peers.
func (n *Node) checkCalm(now time.Time) {
	if len(n.present) > 0 && now.Sub(n.lastChange) >= calmAfter {
		n.agent.SetCalm(true)
	}
}
