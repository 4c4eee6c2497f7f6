package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Where long texts are broken: MaxWidth is easy to read, and narrower than minWidth nothing is readable.
const (
	MaxWidth = 100
	minWidth = 40
)

// JSON writes the report as one object.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Print writes the report for a person: the verdict, what to do, then everything that was found. Lines have that many columns, at most
// MaxWidth; 0 means MaxWidth.
func (r *Report) Print(w io.Writer, columns int) error {
	var b bytes.Buffer
	if columns <= 0 {
		columns = MaxWidth
	}
	p := printer{&b, min(max(columns, minWidth), MaxWidth)}
	if n := len(r.Problems); n > 1 {
		p.line("%d things are wrong.", n)
	} else {
		p.wrap("", r.Verdict)
	}
	for i, f := range r.Problems {
		if len(r.Problems) > 1 { // else the verdict has its text
			p.wrap(fmt.Sprintf("%d. ", i+1), f.Text)
		}
		p.printTry(f)
	}
	for _, f := range r.Notes {
		p.wrap("Note: ", f.Text)
		p.printTry(f)
	}
	p.interfaces(r)
	p.nodes(r)
	p.peers(r)
	_, err := w.Write(b.Bytes())
	return err
}

type printer struct {
	*bytes.Buffer
	width int
}

// line writes a line; one that is too long continues below, indented further.
func (p printer) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	rest := strings.TrimLeft(text, " \n")
	p.WriteString(strings.Repeat("\n", strings.Count(text[:len(text)-len(rest)], "\n")))
	begin := strings.Repeat(" ", strings.Count(text[:len(text)-len(rest)], " "))
	p.writeLines(begin, begin+"  ", rest)
}

func (p printer) printTry(f Finding) {
	if f.Try != "" {
		p.wrap("   Try: ", f.Try)
	}
}

// wrap writes a text behind a mark, in lines of the width; later lines align with the first.
func (p printer) wrap(mark, text string) {
	p.writeLines(mark, strings.Repeat(" ", len(mark)), text)
}

// writeLines writes a text in lines of the width: the first has one indent, later ones another.
func (p printer) writeLines(first, later, text string) {
	line, length := first, len(first)
	begin := length
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if length+1+n > p.width && length > begin {
			fmt.Fprintln(p, line)
			line, length = later, len(later)
			begin = length
		}
		if length > begin {
			line, length = line+" ", length+1
		}
		line, length = line+word, length+n
	}
	fmt.Fprintln(p, strings.TrimRight(line, " "))
}

// reasonTexts says in a few words why an interface is not used.
var reasonTexts = map[string]string{
	"no address":     "none of its addresses can be used: IPv6 needs multicast",
	"not chosen":     "--interface names others",
	"excluded":       "--interface leaves it out",
	"down":           "it is switched off",
	"spared":         "loopback, while others are used; --interface lo to use it",
	"point-to-point": "a point-to-point link, as VPNs have; --interface %s to use it",
	"mute":           "it can neither broadcast nor multicast; --interface %s to use it for peers that find this machine otherwise",
}

func (p printer) interfaces(r *Report) {
	p.line("\nInterfaces of this machine")
	for _, i := range r.Interfaces {
		if i.Use != "used" {
			why, ok := reasonTexts[i.Use]
			switch {
			case i.Use == "no address" && len(i.Addresses) == 0:
				why = "it has no IP address"
			case !ok:
				why = i.Use
			}
			if strings.Contains(why, "%s") {
				why = fmt.Sprintf(why, i.Name)
			}
			p.line("  %s: not used: %s%s", i.Name, why, addresses(i.Addresses))
			continue
		}
		by := " by " + strings.Join(families(i.Used), " and ")
		if i.Loopback {
			by += ", only by nodes of this machine"
		} else if !i.Carrier {
			by += ", no carrier"
		}
		p.line("  %s: used%s%s", i.Name, by, addresses(i.Used))
		for _, b := range i.Beacons {
			back := "NOT heard back"
			switch {
			case b.Back > 0:
				back = "heard back"
			case b.justSent:
				back = "sent just now, not heard back yet"
			}
			if r.Self.Port == 0 {
				back = "none was sent"
			}
			p.line("    %s beacons, %d bytes, from %v to %v: %s", b.Kind, b.Bytes, b.From, b.To, back)
		}
		for _, e := range i.Endpoints {
			told := "peers that are reached from there are told"
			if r.Self.Advertised != "" {
				told = "its beacons lead to"
			}
			p.line("    %s %s%s", told, e, onLink(e))
		}
	}
	if r.Self.Advertised != "" {
		p.line("  peers are told %s, wherever they are (--advertise)", r.Self.Advertised)
	}
}

// families names the families of the addresses.
func families(list []netip.Prefix) (names []string) {
	for _, f := range []Family{IPv4, IPv6} {
		if slices.ContainsFunc(list, func(p netip.Prefix) bool { return familyOf(p.Addr()) == f }) {
			names = append(names, string(f))
		}
	}
	return names
}

// onLink says how far a link-local address leads.
func onLink(endpoint string) string {
	at, err := netip.ParseAddrPort(trimScheme(endpoint))
	if err != nil || !at.Addr().Is6() || !at.Addr().IsLinkLocalUnicast() {
		return ""
	}
	return " (only for neighbours on this link)"
}

func addresses(list []netip.Prefix) string {
	if len(list) == 0 {
		return ""
	}
	return " (" + strings.Trim(fmt.Sprint(list), "[]") + ")"
}

func (p printer) nodes(r *Report) {
	p.line("\nOther nodes found in %v: %d", milliseconds(r.ListenedMS), len(r.Nodes))
	for _, n := range r.Nodes {
		name, key := n.Name, ""
		if !n.PublicKey.IsZero() {
			key = ", key " + n.PublicKey.String()
		}
		if name == "" {
			name = "(no HELLO, so its name is unknown)"
		}
		p.line("  %s, %s%s", name, n.UUID, key)
		for _, h := range n.Beacons {
			p.line("    %s", h)
		}
		for _, m := range n.Mailboxes {
			p.line("    %s: %s", m.Endpoint, m.describe())
		}
		switch {
		case n.Entered:
			p.line("    connected to this machine after %v", milliseconds(n.EnteredMS))
		case !n.Left:
			p.line("    did NOT connect to this machine")
		}
		if n.Left {
			p.line("    left in the meantime")
		}
	}
}

// String describes a kind of beacon that was heard.
func (h *Heard) String() string {
	how, often := "broadcast", ""
	if h.Multicast {
		how = "multicast"
	}
	if h.EveryMS > 0 {
		often = fmt.Sprintf(", every %v", milliseconds(h.EveryMS))
	}
	state := ""
	if h.State != "" {
		state = ", state " + h.State
	}
	return fmt.Sprintf("%s from %v by %s, %d bytes, port %d%s: %s%s", h.Interface, h.Address, how, h.Bytes, h.Port, state, count(h.Count, "beacon"), often)
}

func (p printer) peers(r *Report) {
	if len(r.Peers) == 0 && len(r.SRV) == 0 {
		return
	}
	p.line("\nEndpoints named")
	for _, s := range r.SRV {
		p.line("  %s: %s", s.Name, s.describe())
	}
	for _, peer := range r.Peers {
		if peer.Error != "" {
			p.line("  %s: %s", peer.Endpoint, peer.Error)
		}
		for _, m := range peer.Mailboxes {
			if m.Endpoint == peer.Endpoint {
				p.line("  %s: %s", peer.Endpoint, m.describe())
			} else {
				p.line("  %s at %s: %s", peer.Endpoint, trimScheme(m.Endpoint), m.describe())
			}
		}
		switch anyGood := slices.ContainsFunc(peer.Mailboxes, func(m *Mailbox) bool { return m.Answer.isNode() }); {
		case slices.ContainsFunc(peer.Mailboxes, func(m *Mailbox) bool { return m.UUID != nil && *m.UUID == r.Self.UUID }):
			p.line("    this is the node that was run for the test")
		case peer.Entered:
			p.line("    connected back to this machine, as %v", peer.UUID)
		case anyGood && r.Self.Error == "":
			p.line("    did NOT connect back to this machine")
		}
	}
}

// describe says in a few words what answers.
func (m *Mailbox) describe() string {
	text := map[Answer]string{
		Untested: "not tested",
		Zmtp:     "answers as a ROUTER that does not send its UUID, like those of zyre and pyre",
		Refused:  "refused",
		Silent:   "no answer",
		Mute:     "accepts connections and sends nothing",
		Closed:   "accepts connections and closes them",
		Other:    "answers, but is not a ZRE mailbox",
		Curve:    "speaks CURVE",
		Plain:    "does not speak CURVE",
		NoKey:    "speaks CURVE; its public key is not known",
		WrongKey: "speaks CURVE, with another public key",
	}[m.Answer]
	switch {
	case m.UUID != nil:
		return "answers as " + m.UUID.String() + m.Large.describe()
	case m.Answer == Zmtp:
		return text + m.Large.describe()
	case m.Answer == Unreachable:
		return "no route: " + m.Error
	case m.Answer == Other:
		return text + ": " + m.Error
	}
	return text
}

// describe says in a few words what became of large packets, if they were tried.
func (l *Large) describe() string {
	switch {
	case l == nil:
		return ""
	case l.Pass && l.MTU > 0:
		return fmt.Sprintf("; large packets pass (the path's MTU is %d bytes)", l.MTU)
	case l.Pass:
		return "; large packets pass"
	}
	return "; large packets are LOST"
}

func milliseconds(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }
