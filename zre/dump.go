package zre

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of the page: its width and the lines of each list.
const (
	dumpWidth = 120
	dumpLines = 100
)

// Dump writes a page about the node for people to read: its name and endpoints, its groups, peers, problems and figures (Stats). Lines have up to 120
// columns, and each list has up to 100 lines. Names and other text of peers are escaped, so that they cannot control a terminal. The text may change
// between versions; programs use Stats, Peers and Problems. Dump may be called at any time. It waits only for w, and returns its error.
func (n *Node) Dump(w io.Writer) error {
	var p page
	now, st := time.Now(), n.Stats()
	n.dumpNode(&p, now, &st)
	n.dumpGroups(&p)
	n.dumpPeers(&p, now)
	n.dumpProblems(&p, now)
	dumpFigures(&p, &st)
	_, err := io.WriteString(w, p.String())
	return err
}

func (n *Node) dumpNode(p *page, now time.Time, st *Stats) {
	p.line("node %s", clean(n.Name()))
	p.line("  uuid      %s", n.UUID())
	p.line("  version   %s", Version())
	p.line("  state     %v", n.State())
	if st.Started.IsZero() {
		p.line("  not started")
		return
	}
	for _, endpoint := range n.Endpoints() {
		p.line("  endpoint  %s", clean(endpoint))
	}
	p.line("  started   %s, %s ago", st.Started.Format(time.DateTime), ago(now, st.Started))
}

func (n *Node) dumpGroups(p *page) {
	groups := n.Groups()
	p.heading("groups", len(groups))
	p.list(len(groups), func(i int) string {
		line := "  " + column(groups[i], 24) + fmt.Sprintf(" %d peers", len(n.PeersIn(groups[i])))
		if leader, ok := n.Leader(groups[i]); ok {
			line += ", led by " + fit(clean(leader.Name), 24)
		}
		return line
	})
}

func (n *Node) dumpPeers(p *page, now time.Time) {
	peers := n.Peers()
	p.heading("peers", len(peers))
	if len(peers) > 0 {
		p.line("  %s %-8s %-10s %-9s %-6s %7s %6s %7s  %s", column("name", 16), "uuid", "state", "session", "by", "for", "queued", "ping", "endpoint")
	}
	p.list(len(peers), func(i int) string {
		peer := peers[i]
		st, ok := n.PeerStats(peer.UUID)
		if !ok {
			return fmt.Sprintf("  %s %.8s left", column(peer.Name, 16), peer.UUID)
		}
		rtt := "-"
		if st.RTT > 0 {
			rtt = rounded(st.RTT)
		}
		return fmt.Sprintf("  %s %.8s %-10v %-9s %-6s %7s %6d %7s  %s", column(peer.Name, 16), peer.UUID, peer.State, st.SessionState, peer.Transport,
			ago(now, st.Since), st.QueuedMessages, rtt, clean(peer.Endpoint))
	})
}

func (n *Node) dumpProblems(p *page, now time.Time) {
	problems := n.Problems()
	p.heading("problems", len(problems))
	p.list(len(problems), func(i int) string {
		return fmt.Sprintf("  %s (for %s)", clean(problems[i].String()), ago(now, problems[i].Since))
	})
}

func dumpFigures(p *page, st *Stats) {
	p.line("")
	p.line("messages   %10s %10s %10s   %10s %10s %10s", "whispers", "shouts", "sent", "whispers", "shouts", "received")
	for _, name := range []string{"tcp", "ipc", "inproc"} {
		t := st.Transports[name]
		p.line("  %-8s %10d %10d %10s   %10d %10d %10s", name, t.Sent.Whispers, t.Sent.Shouts, size(int64(t.Sent.Bytes)),
			t.Received.Whispers, t.Received.Shouts, size(int64(t.Received.Bytes)))
	}
	p.line("  lost %d, discarded %d, unwanted %d, invalid %d", st.Lost, st.Discarded, st.Unwanted, st.Invalid)
	p.line("requests   sent %d, replies %d, wait for a reply %d of %d; stray replies %d", st.Requests, st.Replies, st.WaitingRequests, st.Limits.Requests, st.StrayReplies)
	p.line("")
	p.line("memory")
	p.line("  queues    %s of %s; %d messages wait to be sent", size(st.QueueMemory), size(st.Limits.TotalQueueBytes), st.QueuedMessages)
	p.line("  receiving %s of %s", size(st.ReceiveMemory), size(st.Limits.PartialBytes))
	p.line("  events    %s of %s; %d messages of %d wait to be read", size(st.WaitingBytes), size(st.Limits.EventBytes), st.WaitingEvents, st.Limits.Events)
	p.line("")
	p.line("sessions   %s", counts(st.Sessions))
	exits := make(map[string]uint64)
	for reason, count := range st.Exits {
		exits[reason.String()] = count
	}
	p.line("enters     %d; exits: %s", st.Enters, counts(exits))
	p.line("dials      %d, %d failed", st.Dials, st.DialsFailed)
	p.line("accepted   %d; %d handshakes failed, %d refused, %d protocol errors", st.Accepted, st.HandshakesFailed, st.Refused, st.ProtocolErrors)
	p.line("beacons    %d sent, %d heard, %d invalid", st.BeaconsSent, st.BeaconsHeard, st.BeaconsInvalid)
}

// counts lists the entries that are not 0, sorted by name.
func counts[N int | uint64](by map[string]N) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(by)) {
		if by[name] != 0 {
			list = append(list, fmt.Sprintf("%s %d", name, by[name]))
		}
	}
	if list == nil {
		return "none"
	}
	return strings.Join(list, ", ")
}

// A page is what Dump writes.
type page struct{ strings.Builder }

// line adds a line and cuts it if it is too long.
func (p *page) line(format string, args ...any) {
	p.WriteString(strings.TrimRight(fit(fmt.Sprintf(format, args...), dumpWidth), " "))
	p.WriteByte('\n')
}

func (p *page) heading(what string, count int) {
	p.line("")
	p.line("%s: %d", what, count)
}

// list adds the first lines of a list.
func (p *page) list(count int, line func(i int) string) {
	for i := range min(count, dumpLines) {
		p.line("%s", line(i))
	}
	if count > dumpLines {
		p.line("  and %d more", count-dumpLines)
	}
}

// clean escapes everything that is not printable, as in a Go string: controls, direction marks, bytes that are not UTF-8. A name may have
// 255 bytes, and an escape up to ten columns; what does not fit is cut at the end.
func clean(s string) string {
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// column returns clean(s) in exactly that many columns.
func column(s string, columns int) string {
	s = fit(clean(s), columns)
	return s + strings.Repeat(" ", columns-width(s))
}

// fit cuts printable text to that many columns.
func fit(s string, columns int) string {
	if width(s) <= columns {
		return s
	}
	used := width("…")
	for i, r := range s {
		if used += widthOf(r); used > columns {
			return s[:i] + "…"
		}
	}
	return s
}

// width is the maximum number of columns that printable text takes.
func width(s string) (columns int) {
	for _, r := range s {
		columns += widthOf(r)
	}
	return columns
}

// widthOf counts two columns for every character that may be as wide as an East Asian one.
func widthOf(r rune) int {
	if r >= 0x1100 {
		return 2
	}
	return 1
}

// size formats a number of bytes for people.
func size(bytes int64) string {
	if bytes < 1<<10 {
		return fmt.Sprintf("%d B", bytes)
	}
	units, value := "KMGTPE", float64(bytes)
	i := -1
	for value >= 1<<10 && i < len(units)-1 {
		value, i = value/(1<<10), i+1
	}
	return fmt.Sprintf("%.1f %ciB", value, units[i])
}

// ago is how long something has lasted, in its largest units.
func ago(now, since time.Time) string { return rounded(now.Sub(since)) }

func rounded(d time.Duration) string {
	switch {
	case d >= 100*time.Hour:
		return fmt.Sprintf("%.0fd", d.Hours()/24)
	case d >= time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	case d >= time.Second:
		return d.Truncate(time.Second).String()
	case d >= time.Millisecond:
		return d.Truncate(10 * time.Microsecond).String()
	}
	return d.Truncate(time.Microsecond).String()
}
