package node

import (
	"fmt"
	"maps"
	"slices"

	"github.com/go-zre/go-zre/msg"
)

// Join enters a group and tells all peers. It does nothing if the node is in the group already. It may be called before Start.
func (n *Node) Join(group string) error {
	if err := checkGroup(group); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	return n.change(func() error {
		if err := n.enterGroup(group); err != nil {
			return fmt.Errorf("join %q: %w", group, err)
		}
		return nil
	})
}

// enterGroup is Join in the control loop, or before Start.
func (n *Node) enterGroup(group string) error {
	if _, in := n.groups[group]; in {
		return nil
	}
	hello := n.hello()
	hello.Groups = append(hello.Groups, group)
	if err := n.checkHello(hello); err != nil {
		return err
	}
	n.groups[group] = group
	n.sendGroupChange(group, msg.AppendJoin)
	return nil
}

// Leave leaves a group and tells all peers. Leaving a group that the node is not in does nothing.
func (n *Node) Leave(group string) error {
	if err := checkGroup(group); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return n.change(func() error {
		if _, in := n.groups[group]; in {
			delete(n.groups, group)
			n.sendGroupChange(group, msg.AppendLeave)
			n.endElection(group)
		}
		return nil
	})
}

// sendGroupChange counts a change of our groups and sends it to all peers. That includes peers that are not connected yet: their HELLO was made
// before the change.
func (n *Node) sendGroupChange(group string, encode func([]byte, uint16, string, uint8) ([]byte, error)) {
	n.status++
	groups := maps.Clone(n.groups)
	n.ownGroups.Store(&groups)
	for _, p := range n.sessions {
		p.out.Control(func(dst []byte, sequence uint16) []byte {
			dst, err := encode(dst, sequence, group, n.status)
			if err != nil {
				panic(err) // the group's name was checked
			}
			return dst
		})
	}
}

// hello returns our current HELLO, without the endpoint.
func (n *Node) hello() msg.OutHello {
	hello := msg.OutHello{
		Groups: slices.Sorted(maps.Keys(n.groups)),
		Status: n.status,
		Name:   n.cfg.Name,
	}
	hello.Headers = n.outHeaders(*n.headers.Load())
	return hello
}

// checkHello checks whether a HELLO can be sent with the longest possible endpoint.
func (n *Node) checkHello(hello msg.OutHello) error {
	hello.Endpoint = "tcp://[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
	return n.cfg.Limits.helloError(&hello, hello.Check(n.cfg.Limits.msg()))
}

// handleJoin handles a peer's JOIN.
func (n *Node) handleJoin(p *session, group string) {
	if n.present[p.uuid] != p {
		return
	}
	n.mu.Lock()
	joined := n.addToGroups(p, [][]byte{[]byte(group)})
	n.mu.Unlock()
	n.reportJoins(p, joined)
}

// addToGroups adds a peer to groups, and returns those that are new. It needs mu. It does not check the status octet of a JOIN: RFC 36 says MAY,
// and implementations that insist on it fail at a mismatch.
func (n *Node) addToGroups(p *session, groups [][]byte) (joined []string) {
	for _, name := range groups {
		if _, in := p.groups[string(name)]; in {
			continue
		}
		if limit := n.cfg.Limits.GroupsPerPeer; len(p.groups) >= limit {
			n.log.Debug().Stringer("peer", p.uuid).Int("limit", limit).Msg("JOIN ignored: too many groups")
			break
		}
		r := n.members[string(name)]
		if r == nil {
			r = &roster{group: string(name)}
			n.members[r.group] = r
		}
		p.groups[r.group] = r.add(p)
		p.joined = append(p.joined, r.group)
		joined = append(joined, r.group)
	}
	return joined
}

// reportJoins tells the application which groups a peer has entered, with one snapshot for all.
func (n *Node) reportJoins(p *session, groups []string) {
	if len(groups) == 0 {
		return
	}
	snapshot := p.updateSnapshot()
	for _, group := range groups {
		n.events.Push(p.stream.Load(), Event{Kind: Join, Peer: snapshot, Group: group})
	}
	n.admitToElections(p, groups)
}

// handleLeave handles a peer's LEAVE.
func (n *Node) handleLeave(p *session, group string) {
	if _, in := p.groups[group]; !in || n.present[p.uuid] != p {
		return
	}
	n.mu.Lock()
	n.removeMember(group, p)
	n.mu.Unlock()
	p.joined = without(p.joined, group)
	n.events.Push(p.stream.Load(), Event{Kind: Leave, Peer: p.updateSnapshot(), Group: group})
	n.removeFromElection(p.uuid, group)
}

// without returns a list without one of its members. Snapshots share the list, so the result is a copy, unless the member is the first or the
// last one. It is the first if a peer leaves its groups in the order in which it joined them.
func without(list []string, member string) []string {
	i, last := slices.Index(list, member), len(list)-1
	switch {
	case last == 0:
		return nil
	case i == 0:
		return list[1:]
	case i == last:
		return list[:last:last] // an append must not overwrite the member
	}
	return append(append(make([]string, 0, len(list)), list[:i]...), list[i+1:]...)
}

// removeMember removes a peer from a group that it is in. It needs mu.
func (n *Node) removeMember(group string, p *session) {
	r, index := n.members[group], p.groups[group]
	delete(p.groups, group)
	if moved := r.remove(index); moved != nil {
		moved.groups[group] = index
	}
	if len(r.list) == 0 {
		delete(n.members, group)
	}
}
