package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/netmap"
	"github.com/go-zre/go-zre/zre"
)

// How often zre top redraws, and how often it pings each peer.
const (
	topEvery  = time.Second
	pingEvery = 5 * time.Second
	pingTime  = 4 * time.Second
)

// topPeer is a line of zre top, also in JSON.
type topPeer struct {
	Peer           string   `json:"peer"`
	Name           string   `json:"name"`
	Endpoint       string   `json:"endpoint"`
	Transport      string   `json:"transport"`
	State          string   `json:"state,omitempty"`
	Groups         []string `json:"groups,omitempty"`
	RTT            float64  `json:"rtt_ms,omitempty"`
	Sent           float64  `json:"sent_per_second"`
	SentBytes      float64  `json:"sent_bytes_per_second"`
	Received       float64  `json:"received_per_second"`
	ReceivedBytes  float64  `json:"received_bytes_per_second"`
	QueuedMessages int      `json:"queued_messages"`
	QueuedBytes    int64    `json:"queued_bytes"`

	Shared *netmap.Rates `json:"shared,omitempty"` // figures that the peer shares
}

// gauge measures the peers of a node. Its methods may be called from any goroutine.
type gauge struct {
	node   *zre.Node
	shared *netmap.Poller

	mu    sync.Mutex
	links map[uuid.UUID]*link
	last  time.Time
}

// link holds the measurements of one peer.
type link struct {
	rtt    time.Duration
	pinged time.Time
	last   zre.PeerStats // at the last sample
}

func newGauge(node *zre.Node) *gauge {
	return &gauge{node: node, shared: netmap.NewPoller(node), links: make(map[uuid.UUID]*link), last: time.Now()}
}

// linkTo returns the measurements of a peer; g.mu must be held.
func (g *gauge) linkTo(id uuid.UUID) *link {
	if g.links[id] == nil {
		g.links[id] = new(link)
	}
	return g.links[id]
}

// handleEvents handles the node's events until ctx ends.
func (g *gauge) handleEvents(ctx context.Context) {
	for event := range g.node.AllEvents(ctx) {
		switch e := event.(type) {
		case zre.Request:
			_ = e.ReplyError(ctx, "zre top answers no requests") // the peer may be gone
		case zre.Exit:
			g.mu.Lock()
			delete(g.links, e.Peer.UUID)
			g.mu.Unlock()
		}
	}
}

// ping asks the peers that are due for their round trip and their shared figures. It does not wait.
func (g *gauge) ping(ctx context.Context) {
	peers := g.node.Peers()
	g.shared.Poll(ctx, peers)
	for _, p := range peers {
		g.mu.Lock()
		l := g.linkTo(p.UUID)
		due := time.Since(l.pinged) >= pingEvery
		if due {
			l.pinged = time.Now()
		}
		g.mu.Unlock()
		if !due {
			continue
		}
		go func() { // ends before the next one for this peer
			ctx, cancel := context.WithTimeout(ctx, pingTime)
			defer cancel()
			took, err := g.node.Ping(ctx, p.UUID)
			if err != nil {
				took = 0
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			l.rtt = took
		}()
	}
}

// sample returns the peers with their figures since the last call.
func (g *gauge) sample() (list []topPeer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	seconds := max(time.Since(g.last).Seconds(), 1e-3)
	g.last = time.Now()
	for _, p := range g.node.Peers() {
		l := g.linkTo(p.UUID)
		st, _ := g.node.PeerStats(p.UUID)
		if !st.Since.Equal(l.last.Since) {
			l.last = zre.PeerStats{Since: st.Since} // a new session counts from 0
		}
		rate := func(now, before uint64) float64 { return float64(now-min(before, now)) / seconds }
		list = append(list, topPeer{
			Peer: p.UUID.String(), Name: p.Name, Endpoint: p.Endpoint, Transport: p.Transport, State: stateName(p.State), Groups: p.Groups,
			RTT:  float64(l.rtt.Nanoseconds()) / 1e6,
			Sent: rate(messagesOf(st.Sent), messagesOf(l.last.Sent)), SentBytes: rate(st.Sent.Bytes, l.last.Sent.Bytes),
			Received: rate(messagesOf(st.Received), messagesOf(l.last.Received)), ReceivedBytes: rate(st.Received.Bytes, l.last.Received.Bytes),
			QueuedMessages: p.QueuedMessages, QueuedBytes: p.QueuedBytes, Shared: g.sharedBy(p.UUID),
		})
		l.last = st
	}
	return list
}

func messagesOf(t zre.Traffic) uint64 { return t.Whispers + t.Shouts }

// sharedBy returns the figures that a peer shares, or nil.
func (g *gauge) sharedBy(id uuid.UUID) *netmap.Rates {
	if shared := g.shared.Of(id); shared != nil {
		return &shared.Rates
	}
	return nil
}

func (c *cli) top() *cobra.Command {
	var asJSON bool
	var groups []string
	count := 0
	cmd := &cobra.Command{
		Use:   "top [options]",
		Short: "Shows the peers of this node, live: states, round trips, rates and queues.",
		Long: `Shows the peers of this node, live: states, round trips, rates and queues. IN counts whispers to this node, and shouts to the groups that it joined (--group). OUT counts what this node sends. QUEUE counts the messages that wait to be sent to a peer.

ITS OUT/s, ITS IN/s and ITS QUEUE count all messages that a peer sends, receives and has queued. They are known for peers that share their statistics (--share-stats, or zre.WithSharedStats in a program).

Keys: s or Tab sorts by the next column, r reverses the order; / filters by name, group, state, transport or the beginning of a UUID; Up and Down select a peer, w or Enter whispers to it; Esc cancels; q quits.`,
		Example: `  zre top --group WORK`,
		Annotations: map[string]string{
			noteExit: "0 it was ended; 1 failure, or standard output is not a terminal (then use --json); 2 wrong usage",
			noteJSON: `With --json it prints an object each second: event (peers) and peers, a list with peer, name, endpoint, transport, state, groups, rtt_ms, sent_per_second, sent_bytes_per_second, received_per_second, received_bytes_per_second, queued_messages, queued_bytes and shared of each. Peers that share their statistics have shared: sent_per_second, sent_bytes_per_second, received_per_second, received_bytes_per_second, queued_messages, waiting_events, peers and uptime_seconds.`,
		},
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	jsonFlag(cmd, &asJSON, "print a JSON object each second")
	listFlag(cmd, &groups, "group", "group", "a group to join, to count its messages")
	numberFlag(cmd, &count, "count", "with --json: stop after this many lines", 1, 1<<30)
	flags := c.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !asJSON && c.width == 0 {
			return errors.New("standard output is not a terminal: use --json")
		}
		node, err := flags.start(cmd.Context(), cmd, groups)
		if err != nil {
			return err
		}
		defer node.Close()
		ctx, stop := context.WithCancel(cmd.Context())
		defer stop()
		g := newGauge(node)
		go g.handleEvents(ctx)
		if asJSON {
			c.topLines(ctx, g, count)
			return nil
		}
		program := tea.NewProgram(newTopModel(ctx, g), tea.WithContext(ctx), tea.WithInput(c.in), tea.WithOutput(c.out.writer), tea.WithoutSignalHandler())
		if _, err = program.Run(); cmd.Context().Err() != nil {
			return nil // a signal
		}
		return err
	}
	return cmd
}

// topLines prints the figures each second, until ctx ends or after count lines.
func (c *cli) topLines(ctx context.Context, g *gauge, count int) {
	tick := time.NewTicker(topEvery)
	defer tick.Stop()
	for n := 0; count == 0 || n < count; n++ {
		g.ping(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		list := g.sample()
		if list == nil {
			list = []topPeer{}
		}
		c.json(struct {
			Event string    `json:"event"`
			Peers []topPeer `json:"peers"`
		}{"peers", list})
	}
}

// topColumn is a column of the table: what it shows and how the table is sorted by it.
type topColumn struct {
	head    string
	number  bool
	text    func(*topPeer) string
	compare func(a, b *topPeer) int
}

// sharedColumn shows a figure that peers share. Peers that share none have an empty cell and come last in the order.
func sharedColumn(head string, figure func(*netmap.Rates) float64) topColumn {
	value := func(p *topPeer) float64 {
		if p.Shared == nil {
			return -1
		}
		return figure(p.Shared)
	}
	return topColumn{head, true, func(p *topPeer) string {
		if p.Shared == nil {
			return "-"
		}
		return thousands(value(p))
	}, func(a, b *topPeer) int { return cmp.Compare(value(b), value(a)) }}
}

// topColumns are all of them.
var topColumns = []topColumn{
	{"NAME", false, func(p *topPeer) string { return p.Name }, func(a, b *topPeer) int { return strings.Compare(a.Name, b.Name) }},
	{"STATE", false, func(p *topPeer) string { return cmp.Or(p.State, "-") }, func(a, b *topPeer) int { return strings.Compare(a.State, b.State) }},
	{"BY", false, func(p *topPeer) string { return p.Transport }, func(a, b *topPeer) int { return strings.Compare(a.Transport, b.Transport) }},
	{"RTT ms", true, func(p *topPeer) string {
		if p.RTT == 0 {
			return "-"
		}
		return fmt.Sprintf("%.2f", p.RTT)
	}, func(a, b *topPeer) int { return cmp.Compare(b.RTT, a.RTT) }},
	{"IN/s", true, func(p *topPeer) string { return thousands(p.Received) }, func(a, b *topPeer) int { return cmp.Compare(b.Received, a.Received) }},
	{"IN KB/s", true, func(p *topPeer) string { return thousands(p.ReceivedBytes / 1000) },
		func(a, b *topPeer) int { return cmp.Compare(b.ReceivedBytes, a.ReceivedBytes) }},
	{"OUT/s", true, func(p *topPeer) string { return thousands(p.Sent) }, func(a, b *topPeer) int { return cmp.Compare(b.Sent, a.Sent) }},
	{"OUT KB/s", true, func(p *topPeer) string { return thousands(p.SentBytes / 1000) },
		func(a, b *topPeer) int { return cmp.Compare(b.SentBytes, a.SentBytes) }},
	{"QUEUE", true, func(p *topPeer) string { return fmt.Sprint(p.QueuedMessages) },
		func(a, b *topPeer) int { return cmp.Compare(b.QueuedMessages, a.QueuedMessages) }},
	sharedColumn("ITS OUT/s", func(r *netmap.Rates) float64 { return r.Sent }),
	sharedColumn("ITS IN/s", func(r *netmap.Rates) float64 { return r.Received }),
	sharedColumn("ITS QUEUE", func(r *netmap.Rates) float64 { return float64(r.QueuedMessages) }),
	{"GROUPS", false, func(p *topPeer) string { return strings.Join(p.Groups, ", ") },
		func(a, b *topPeer) int { return slices.Compare(a.Groups, b.Groups) }},
}
