package netmap

import (
	"cmp"
	"context"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

const (
	snapshotInterval = time.Second
	pingInterval     = 2 * time.Second // how often a peer that is not heard is asked for a sign of life
)

// A Collector follows the network of a node. It reads the node's events.
type Collector struct {
	node     *zre.Node
	poller   *Poller
	prefixes []netip.Prefix // of this host's interfaces

	mu           sync.Mutex
	silentPeers  map[uuid.UUID]*silentPeer
	counts       map[uuid.UUID]totals // of this node's links
	rates        map[uuid.UUID]SharedLink
	total        totals
	own          Rates
	lastSnapshot time.Time
	latest       *Snapshot
}

// silentPeer is a peer that is not heard.
type silentPeer struct {
	presence Presence
	asked    time.Time
}

// totals holds the messages and bytes so far.
type totals struct{ sent, received, sentBytes, receivedBytes uint64 }

// NewCollector makes a Collector for a started node, which must not be WithDiscard.
func NewCollector(node *zre.Node) *Collector {
	c := &Collector{
		node: node, poller: NewPoller(node), prefixes: localPrefixes(), silentPeers: make(map[uuid.UUID]*silentPeer),
		counts: make(map[uuid.UUID]totals), rates: make(map[uuid.UUID]SharedLink), latest: &Snapshot{Self: node.UUID().String()},
	}
	c.takeSnapshot()
	return c
}

// Run follows the network until ctx or the node ends.
func (c *Collector) Run(ctx context.Context) {
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { c.watch(ctx) })
	tick := time.NewTicker(snapshotInterval)
	defer tick.Stop()
	for {
		c.poller.Poll(ctx, c.node.Peers())
		select {
		case <-tick.C:
			c.pingSilent(ctx)
			c.takeSnapshot()
		case <-ctx.Done():
			return
		}
	}
}

// watch handles the node's events.
func (c *Collector) watch(ctx context.Context) {
	for event := range c.node.AllEvents(ctx) {
		switch e := event.(type) {
		case zre.Evasive:
			c.markSilent(e.Peer.UUID, Evasive)
		case zre.Silent:
			c.markSilent(e.Peer.UUID, Silent)
		case zre.Exit:
			c.markHeard(e.Peer.UUID)
		case zre.Request:
			_ = e.ReplyError(ctx, "zre map answers no requests") // the peer may be gone
		}
	}
}

func (c *Collector) markSilent(id uuid.UUID, presence Presence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silentPeers[id] = &silentPeer{presence: presence}
}

func (c *Collector) markHeard(id uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.silentPeers, id)
}

// pingSilent asks peers that are not heard for a sign of life, since no event tells that they are back.
func (c *Collector) pingSilent(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, q := range c.silentPeers {
		if time.Since(q.asked) < pingInterval {
			continue
		}
		q.asked = time.Now()
		go func() {
			ctx, cancel := context.WithTimeout(ctx, pingInterval)
			defer cancel()
			if _, err := c.node.Ping(ctx, id); err == nil {
				c.markHeard(id)
			}
		}()
	}
}

// Latest returns the latest Snapshot. It is not changed any more.
func (c *Collector) Latest() *Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest
}

// takeSnapshot makes a new Snapshot.
func (c *Collector) takeSnapshot() {
	peers := c.node.Peers()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.updateRates(peers)
	s := &Snapshot{Time: time.Now().Truncate(time.Millisecond), Self: c.node.UUID().String()}
	here, endpoint := c.ownHosts()
	own := c.own
	s.Nodes = append(s.Nodes, Node{
		ID: s.Self, Name: c.node.Name(), Endpoint: endpoint, Host: cmp.Or(here[0], "this host"), Subnet: c.subnet(here[0]),
		State: stateOf(c.node.State()), Groups: c.node.Groups(), Self: true, Rates: &own,
	})
	links := make(map[[2]string]*Link)
	for id, l := range c.rates {
		addLink(links, s.Self, id.String(), l, true)
	}
	for _, p := range peers {
		s.Nodes = append(s.Nodes, c.nodeOf(p, here))
		if shared := c.poller.Of(p.UUID); shared != nil {
			rates := shared.Rates
			s.Nodes[len(s.Nodes)-1].Rates = &rates
			for id, l := range shared.Links {
				addLink(links, p.UUID.String(), id.String(), l, false)
			}
		}
	}
	known := make(map[string]bool, len(s.Nodes))
	for _, n := range s.Nodes {
		known[n.ID] = true
	}
	for _, l := range links {
		if known[l.From] && known[l.To] {
			s.Links = append(s.Links, *l)
		}
	}
	slices.SortFunc(s.Links, func(a, b Link) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	slices.SortFunc(s.Nodes, func(a, b Node) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	c.latest = s
}

// ownHosts returns the addresses of this host at which the node listens, or one empty string if there are none, and its first endpoint.
func (c *Collector) ownHosts() (hosts []string, endpoint string) {
	for _, e := range c.node.Endpoints() {
		hosts = append(hosts, hostOf(e))
		endpoint = cmp.Or(endpoint, e)
	}
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	return hosts, endpoint
}

// nodeOf describes a peer. c.mu must be held.
func (c *Collector) nodeOf(p *zre.Peer, here []string) Node {
	host := hostOf(p.Endpoint)
	if p.Transport != "tcp" || slices.Contains(here, host) {
		host = here[0]
	}
	n := Node{
		ID: p.UUID.String(), Name: p.Name, Endpoint: p.Endpoint, Host: cmp.Or(host, "somewhere"), Subnet: c.subnet(host), Transport: p.Transport,
		State: stateOf(p.State), Groups: slices.Sorted(slices.Values(p.Groups)), Headers: p.Headers,
	}
	if q := c.silentPeers[p.UUID]; q != nil {
		n.Presence = q.presence
	}
	return n
}

// addLink adds what one node reports about its messages to and from another. A trusted report, of the looking node, counts; otherwise the
// higher rate does.
func addLink(links map[[2]string]*Link, from, to string, l SharedLink, trusted bool) {
	if from == to {
		return
	}
	forward, back := l.Sent, l.Received
	if to < from {
		from, to, forward, back = to, from, back, forward
	}
	key := [2]string{from, to}
	link, known := links[key]
	if !known {
		link = &Link{From: from, To: to}
		links[key] = link
	}
	if known && !trusted {
		forward, back = max(forward, link.Forward), max(back, link.Back)
	}
	link.Forward, link.Back = forward, back
	if ms := float64(l.RTT.Microseconds()) / 1e3; ms > 0 {
		link.RTT = ms
	}
}

// updateRates computes rates from this node's own counts. c.mu must be held.
func (c *Collector) updateRates(peers []*zre.Peer) {
	now := time.Now()
	seconds := now.Sub(c.lastSnapshot).Seconds()
	first := c.lastSnapshot.IsZero()
	c.lastSnapshot = now
	st := c.node.Stats()
	total := totals{st.Sent.Whispers + st.Sent.Shouts, st.Received.Whispers + st.Received.Shouts, st.Sent.Bytes, st.Received.Bytes}
	if !first {
		c.own = Rates{
			Sent: rate(c.total.sent, total.sent, seconds), SentBytes: rate(c.total.sentBytes, total.sentBytes, seconds),
			Received: rate(c.total.received, total.received, seconds), ReceivedBytes: rate(c.total.receivedBytes, total.receivedBytes, seconds),
		}
	}
	c.own.QueuedMessages, c.own.WaitingEvents, c.own.Peers = st.QueuedMessages, st.WaitingEvents, st.Peers
	c.own.Uptime = math.Round(now.Sub(st.Started).Seconds())
	c.total = total
	counts, rates := make(map[uuid.UUID]totals, len(peers)), make(map[uuid.UUID]SharedLink, len(peers))
	for _, p := range peers {
		ps, ok := c.node.PeerStats(p.UUID)
		if !ok {
			continue
		}
		n := totals{sent: ps.Sent.Whispers + ps.Sent.Shouts, received: ps.Received.Whispers + ps.Received.Shouts}
		l := SharedLink{RTT: ps.RTT}
		if before, known := c.counts[p.UUID]; known {
			l.Sent, l.Received = rate(before.sent, n.sent, seconds), rate(before.received, n.received, seconds)
		}
		counts[p.UUID], rates[p.UUID] = n, l
	}
	c.counts, c.rates = counts, rates
}

// subnet names the network of an address: that of an interface of this host, or else the usual one for such addresses.
func (c *Collector) subnet(host string) string {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return "elsewhere"
	}
	for _, p := range c.prefixes {
		if p.Contains(addr.WithZone("")) {
			return p.String()
		}
	}
	bits := 24
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.WithZone("").Prefix(bits)
	return p.String()
}

func localPrefixes() (list []netip.Prefix) {
	addrs, _ := net.InterfaceAddrs() // if it fails the usual ones are used
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, p.Masked())
		}
	}
	slices.SortFunc(list, func(a, b netip.Prefix) int { return cmp.Compare(b.Bits(), a.Bits()) })
	return list
}

// hostOf returns the host of an endpoint.
func hostOf(endpoint string) string {
	rest, ok := strings.CutPrefix(endpoint, "tcp://")
	if !ok {
		return ""
	}
	host, _, err := net.SplitHostPort(rest)
	if err != nil {
		return ""
	}
	return host
}

func stateOf(s zre.State) string {
	if s == zre.StateUnknown {
		return ""
	}
	return s.String()
}
