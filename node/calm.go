package node

import "time"

// calmAfter is how long nothing may have changed before our beacons become rare.
const calmAfter = 5 * time.Second

// stir notes that something has changed: a peer was met or is gone, a newcomer was heard, our interfaces or our state are other ones. Our
// beacons are sent often for a while, so that who needs them has them soon though some are lost. It runs in the control loop.
func (n *Node) stir() {
	n.stirred = time.Now()
	n.agent.SetCalm(false)
}

// calmDown lets our beacons become rare when nothing has changed for a while, and there are peers.
func (n *Node) calmDown(now time.Time) {
	if len(n.present) > 0 && now.Sub(n.stirred) >= calmAfter {
		n.agent.SetCalm(true)
	}
}
