package node

import (
	"fmt"
	"maps"
	"slices"

	"github.com/go-zre/go-zre/msg"
)

// Join enters a group and tells all peers. Joining a group twice does nothing. It may be called before Start.
func (n *Node) Join(group string) error {
	if err := checkGroup(group); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	return n.change(func() error {
		if _, in := n.groups[group]; in {
			return nil
		}
		hello := n.hello()
		hello.Groups = append(hello.Groups, group)
		if err := n.check(hello); err != nil {
			return fmt.Errorf("join %q: %w", group, err)
		}
		n.groups[group] = group
		n.changed(group, msg.AppendJoin)
		return nil
	})
}

// Leave leaves a group and tells all peers. Leaving a group that the node is not in does nothing.
func (n *Node) Leave(group string) error {
	if err := checkGroup(group); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return n.change(func() error {
		if _, in := n.groups[group]; in {
			delete(n.groups, group)
			n.changed(group, msg.AppendLeave)
		}
		return nil
	})
}

// changed counts a change of our groups and tells it to all peers, those too that are not connected yet: their HELLO was
// made before.
func (n *Node) changed(group string, encode func([]byte, uint16, string, uint8) ([]byte, error)) {
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

// hello gives what a HELLO says of us now, but for the endpoint.
func (n *Node) hello() msg.OutHello {
	hello := msg.OutHello{
		Groups: slices.Sorted(maps.Keys(n.groups)),
		Status: n.status,
		Name:   n.cfg.Name,
	}
	for _, name := range slices.Sorted(maps.Keys(n.cfg.Headers)) {
		hello.Headers = append(hello.Headers, msg.OutHeader{Name: name, Value: n.cfg.Headers[name]})
	}
	return hello
}

// check says whether a HELLO can be sent, with the longest endpoint that it could name.
func (n *Node) check(hello msg.OutHello) error {
	hello.Endpoint = "tcp://[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
	return hello.Check(n.cfg.Limits.msg())
}

// joined takes a peer's JOIN.
func (n *Node) joined(p *session, group string) {
	if n.present[p.uuid] != p {
		return
	}
	n.mu.Lock()
	joined := n.admit(p, [][]byte{[]byte(group)})
	n.mu.Unlock()
	n.tellJoined(p, joined)
}

// admit adds a peer to groups, and returns those that are new. It needs mu. The status octet of a JOIN is not checked: RFC 36 says
// MAY, and implementations that insist on it die of a mismatch.
func (n *Node) admit(p *session, groups [][]byte) (joined []string) {
	for _, octets := range groups {
		group := string(octets)
		if _, in := p.groups[group]; in {
			continue
		}
		if limit := n.cfg.Limits.GroupsPerPeer; len(p.groups) >= limit {
			n.log.Debug().Stringer("peer", p.uuid).Int("limit", limit).Msg("JOIN ignored: too many groups")
			break
		}
		p.groups[group] = struct{}{}
		n.members[group] = append(slices.Clip(n.members[group]), p)
		joined = append(joined, group)
	}
	return joined
}

// tellJoined tells the application of groups that a peer has entered, with one snapshot for all.
func (n *Node) tellJoined(p *session, groups []string) {
	if len(groups) == 0 {
		return
	}
	snapshot := p.publish()
	for _, group := range groups {
		n.events.Push(&p.stream, Event{Kind: Join, Peer: snapshot, Group: group})
	}
}

// departed takes a peer's LEAVE.
func (n *Node) departed(p *session, group string) {
	if _, in := p.groups[group]; !in || n.present[p.uuid] != p {
		return
	}
	delete(p.groups, group)
	n.mu.Lock()
	n.removeMember(group, p)
	n.mu.Unlock()
	n.events.Push(&p.stream, Event{Kind: Leave, Peer: p.publish(), Group: group})
}

// removeMember needs mu.
func (n *Node) removeMember(group string, p *session) {
	others := make([]*session, 0, len(n.members[group]))
	for _, member := range n.members[group] {
		if member != p {
			others = append(others, member)
		}
	}
	if len(others) == 0 {
		delete(n.members, group)
		return
	}
	n.members[group] = others
}
