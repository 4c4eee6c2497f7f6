package election

import "bytes"

// zyreNode is C zyre's election for one group (zyre_node.c, zyre_group.c and zyre_election.c of C zyre d8370f7), including its faults:
// waves have no number, and are counted by equality with the number of members.
type zyreNode struct {
	self     ID
	contests bool // it starts waves
	joined   bool
	peers    map[ID]bool // those in the group
	leader   ID          // of the group, if that is another node
	has      bool

	running bool
	caw     ID // the challenger it supports
	hasCaw  bool
	father  ID
	elects  int
	leaders int

	reported    ID // what its application was last told
	hasReported bool
	send        func(kind Kind, to, node ID)
}

func (z *zyreNode) report(id ID) { z.reported, z.hasReported = id, true }

func (z *zyreNode) reset() {
	z.running, z.hasCaw, z.elects, z.leaders = false, false, 0, 0
}

func (z *zyreNode) all(kind Kind, node, except ID) {
	for _, id := range sortedIDs(z.peers) {
		if id != except {
			z.send(kind, id, node)
		}
	}
}

// challenge starts a wave.
func (z *zyreNode) challenge() {
	z.reset()
	z.running, z.caw, z.hasCaw, z.has = true, z.self, true, false
	z.all(SendElect, z.self, ID{})
}

func (z *zyreNode) join(id ID) {
	z.peers[id] = true
	if z.contests {
		z.challenge()
	}
}

func (z *zyreNode) leave(id ID) {
	delete(z.peers, id)
	if z.contests && z.has && z.leader == id {
		z.begin()
	}
}

// exit removes a peer: C zyre takes it off the list after the wave has begun.
func (z *zyreNode) exit(id ID) {
	if z.contests && z.joined && (z.running && z.leaders != len(z.peers) || z.has && z.leader == id) {
		if z.reset(); len(z.peers) == 1 {
			z.has = false
			z.report(z.self)
		} else {
			z.challenge()
		}
	}
	delete(z.peers, id)
}

func (z *zyreNode) begin() {
	if z.reset(); len(z.peers) == 0 {
		z.has = false
		z.report(z.self)
		return
	}
	z.challenge()
}

func (z *zyreNode) elect(from, challenger ID) {
	z.running = true
	if !z.hasCaw || bytes.Compare(challenger[:], z.caw[:]) < 0 {
		z.reset()
		z.running, z.caw, z.hasCaw, z.father = true, challenger, true, from
		z.all(SendElect, challenger, from)
	}
	if challenger != z.caw {
		return
	}
	if z.elects++; z.elects != len(z.peers) {
		return
	}
	if z.caw == z.self {
		z.all(SendLeader, z.caw, ID{})
	} else {
		z.send(SendElect, z.father, z.caw)
	}
}

func (z *zyreNode) led(_, leader ID) {
	z.running = true
	if !z.hasCaw {
		return
	}
	if leader != z.self && z.leaders == 0 {
		z.all(SendLeader, z.caw, ID{})
	}
	if z.leaders++; z.leaders != len(z.peers) {
		return
	}
	if z.reset(); leader != z.self {
		z.leader, z.has = leader, true
	}
	z.report(leader)
}
