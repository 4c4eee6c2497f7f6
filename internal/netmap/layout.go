package netmap

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/go-zre/go-zre/internal/termtext"
)

// A Picture is a Snapshot laid out, in units that are pixels at scale 1. Its texts are safe to show.
type Picture struct {
	Title  string       `json:"title"`
	Width  float64      `json:"width"`
	Height float64      `json:"height"`
	Scale  float64      `json:"scale"` // at which it fits its frame, or is still readable
	Areas  []Area       `json:"areas"`
	Nodes  []Spot       `json:"nodes"`
	Lines  []Line       `json:"lines"`
	Groups []GroupCount `json:"groups"`         // the largest ones
	Hidden int          `json:"hidden_nodes"`   // nodes without room
	Plain  bool         `json:"without_shared"` // only the looking node shows figures
	Dense  bool         `json:"dense"`          // there are many lines, so each is faint
}

// An Area is the rectangle of a subnet, or of a host within it.
type Area struct {
	Kind  string  `json:"kind"` // "subnet" or "host"
	Key   string  `json:"key"`
	Label string  `json:"label"` // the key, cut to the available room
	X     float64 `json:"x"`
	Y     float64 `json:"y"`
	W     float64 `json:"w"`
	H     float64 `json:"h"`
}

// A Spot is a node at its position.
type Spot struct {
	ID       string   `json:"id"`
	Label    string   `json:"label"` // the name, cut to the available room
	Name     string   `json:"name"`
	State    string   `json:"state"` // "unknown" for a node without states
	Presence Presence `json:"presence"`
	Self     bool     `json:"self"`
	Groups   []string `json:"groups"`
	X        float64  `json:"x"` // of its centre
	Y        float64  `json:"y"`
}

// A Line is a Link drawn as a quadratic Bézier curve between two spots.
type Line struct {
	From   string  `json:"from"`
	To     string  `json:"to"`
	X1     float64 `json:"x1"`
	Y1     float64 `json:"y1"`
	CX     float64 `json:"cx"`
	CY     float64 `json:"cy"`
	X2     float64 `json:"x2"`
	Y2     float64 `json:"y2"`
	Width  float64 `json:"width"` // 0 for a link without messages
	Label  string  `json:"label"` // "" if it has no room
	LX     float64 `json:"lx"`    // centre of the label
	LY     float64 `json:"ly"`
	Detail string  `json:"detail"`
}

// GroupCount is a group and its number of nodes.
type GroupCount struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Limits of a Picture: a node may be in a thousand groups, and there may be thousands of nodes.
const (
	maxNodes      = 400
	maxGroups     = 40
	maxNodeGroups = 60
	maxLines      = 600
	idleLinkNodes = 40 // up to this many nodes, links without messages are drawn, too
)

// Sizes.
const (
	radius   = 13.0
	cellW    = 98.0
	cellH    = 60.0
	hostPad  = 7.0
	hostHead = 17.0
	netPad   = 11.0
	netHead  = 22.0
	gap      = 9.0
	margin   = 12.0
	letter   = 6.62 // width of a letter in labels: 11 px of a monospaced font
	nameRoom = 13   // letters
	minZoom  = 0.78
	maxZoom  = 1.6
)

type size struct{ w, h float64 }

// host and subnet are areas with their contents.
type host struct {
	name  string
	nodes []*Node
	size
	columns int
}

type subnet struct {
	name  string
	hosts []*host
}

// Draw lays a Snapshot out for a frame of that size. The result depends only on its arguments.
func Draw(s *Snapshot, width, height float64) *Picture {
	p := &Picture{Plain: true}
	nodes := s.Nodes
	if len(nodes) > maxNodes {
		p.Hidden = len(nodes) - maxNodes
		nodes = nodes[:maxNodes]
	}
	self := ""
	for i := range nodes {
		if nodes[i].Self {
			self = termtext.Text(nodes[i].Name)
		} else if nodes[i].Rates != nil {
			p.Plain = false
		}
	}
	p.Title = fmt.Sprintf("%s, as %s sees them", count(len(s.Nodes), "node"), termtext.Truncate(cmp.Or(self, "this node"), 40))
	nets := groupByHost(nodes)
	room := bestWidth(nets, width, height)
	p.placeNodes(nets, room)
	p.Scale = min(max(min(width/p.Width, height/p.Height), minZoom), maxZoom, max(width/p.Width, 0.3))
	p.countGroups(nodes)
	p.drawLinks(s.Links, len(nodes))
	return p
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// groupByHost sorts nodes by subnet and host, large ones first.
func groupByHost(nodes []Node) []*subnet {
	nets, hosts := make(map[string]*subnet), make(map[[2]string]*host)
	var list []*subnet
	for i := range nodes {
		n := &nodes[i]
		net, key := nets[n.Subnet], [2]string{n.Subnet, n.Host}
		if net == nil {
			net = &subnet{name: n.Subnet}
			nets[n.Subnet] = net
			list = append(list, net)
		}
		h := hosts[key]
		if h == nil {
			h = &host{name: n.Host}
			hosts[key] = h
			net.hosts = append(net.hosts, h)
		}
		h.nodes = append(h.nodes, n)
	}
	for _, net := range list {
		for _, h := range net.hosts {
			slices.SortFunc(h.nodes, func(a, b *Node) int {
				return cmp.Or(compareBools(b.Self, a.Self), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
			})
		}
		slices.SortFunc(net.hosts, func(a, b *host) int { return cmp.Or(len(b.nodes)-len(a.nodes), compareHosts(a.name, b.name)) })
	}
	slices.SortFunc(list, func(a, b *subnet) int { return cmp.Or(b.total()-a.total(), compareHosts(a.name, b.name)) })
	return list
}

func (n *subnet) total() (sum int) {
	for _, h := range n.hosts {
		sum += len(h.nodes)
	}
	return sum
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// compareHosts sorts 10.0.0.9 before 10.0.0.10.
func compareHosts(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// setSize sets the size of a host for a maximum width.
func (h *host) setSize(width float64) {
	maxColumns := max(1, int((width-2*hostPad)/cellW))
	n := len(h.nodes)
	h.columns = min(n, maxColumns, max(1, int(math.Ceil(math.Sqrt(float64(n))))))
	rows := (n + h.columns - 1) / h.columns
	h.size = size{2*hostPad + float64(h.columns)*cellW, hostHead + hostPad + float64(rows)*cellH}
}

// packRows puts boxes in rows within a width. It returns their positions and the total size.
func packRows(boxes []size, width float64) (at []size, all size) {
	var x, y, row float64
	for _, b := range boxes {
		if x > 0 && x+b.w > width {
			x, y, row = 0, y+row+gap, 0
		}
		at = append(at, size{x, y})
		x += b.w + gap
		row = max(row, b.h)
		all.w, all.h = max(all.w, x-gap), max(all.h, y+row)
	}
	return at, all
}

// layOut computes the positions of hosts and the sizes of subnets within a width.
func layOut(nets []*subnet, width float64) (places [][]size, sizes, at []size, all size) {
	inner := width - 2*margin
	for _, n := range nets {
		boxes := make([]size, len(n.hosts))
		for i, h := range n.hosts {
			h.setSize(inner - 2*netPad)
			boxes[i] = h.size
		}
		hosts, total := packRows(boxes, inner-2*netPad)
		places = append(places, hosts)
		sizes = append(sizes, size{max(total.w, letter*8) + 2*netPad, total.h + netHead + netPad})
	}
	at, all = packRows(sizes, inner)
	return places, sizes, at, size{all.w + 2*margin, all.h + 2*margin}
}

// bestWidth returns the width at which everything is largest in a frame. If that is too small to read, the picture is as wide as the frame,
// and taller.
func bestWidth(nets []*subnet, width, height float64) float64 {
	best, zoom, skew := width/minZoom, 0.0, math.Inf(1)
	for w := cellW + 2*(hostPad+netPad+margin); w < 12_000; w *= 1.06 {
		_, _, _, all := layOut(nets, w)
		z := min(width/all.w, height/all.h, maxZoom)
		off := math.Abs(math.Log(all.w / all.h * height / width)) // difference from the proportions of the frame
		if z > zoom+1e-9 || z > zoom-1e-9 && off < skew-1e-9 {
			best, zoom, skew = w, max(z, zoom), off
		}
	}
	if zoom < minZoom {
		return width / minZoom
	}
	return best
}

// placeNodes draws the areas and nodes within a width.
func (p *Picture) placeNodes(nets []*subnet, width float64) {
	places, sizes, at, all := layOut(nets, width)
	p.Width, p.Height = all.w, all.h
	p.Areas, p.Nodes, p.Lines = []Area{}, []Spot{}, []Line{}
	for i, n := range nets {
		x, y := margin+at[i].w, margin+at[i].h
		p.Areas = append(p.Areas, Area{Kind: "subnet", Key: n.name, Label: shortenStart(n.name, sizes[i].w-2*netPad), X: x, Y: y, W: sizes[i].w, H: sizes[i].h})
		for j, h := range n.hosts {
			hx, hy := x+netPad+places[i][j].w, y+netHead+places[i][j].h
			p.Areas = append(p.Areas, Area{Kind: "host", Key: n.name + " " + h.name, Label: shortenStart(h.name, h.w-2*hostPad), X: hx, Y: hy, W: h.w, H: h.h})
			for k, node := range h.nodes {
				p.Nodes = append(p.Nodes, spotOf(node,
					hx+hostPad+(float64(k%h.columns)+0.5)*cellW, hy+hostHead+float64(k/h.columns)*cellH+radius+7))
			}
		}
	}
}

func spotOf(n *Node, x, y float64) Spot {
	name := termtext.Text(n.Name)
	groups := []string{}
	for _, g := range n.Groups[:min(len(n.Groups), maxNodeGroups)] {
		groups = append(groups, termtext.Text(g))
	}
	state := "unknown"
	if slices.ContainsFunc(Legend, func(k Key) bool { return k.State == n.State }) {
		state = n.State
	}
	return Spot{
		ID: n.ID, Label: shortenMiddle(name), Name: name, State: state, Presence: n.Presence, Self: n.Self, Groups: groups, X: x, Y: y,
	}
}

// shortenMiddle shortens a name in the middle: names often begin alike and differ in a number at the end.
func shortenMiddle(name string) string {
	if termtext.Width(name) <= nameRoom || len(name) != termtext.Width(name) {
		return termtext.Truncate(name, nameRoom)
	}
	return name[:nameRoom/2] + "…" + name[len(name)-nameRoom/2+1:]
}

// shortenStart shortens an address at its beginning: its end tells more.
func shortenStart(address string, width float64) string {
	address = termtext.Text(address)
	room := max(int(width/letter), 2)
	if termtext.Width(address) <= room || len(address) != termtext.Width(address) { // non-ASCII texts are only our own words
		return termtext.Truncate(address, room)
	}
	return "…" + address[len(address)-room+1:]
}

// countGroups lists the groups with the most members.
func (p *Picture) countGroups(nodes []Node) {
	counts := make(map[string]int)
	for i := range nodes {
		for _, g := range nodes[i].Groups {
			counts[g]++
		}
	}
	p.Groups = []GroupCount{}
	for g, n := range counts {
		p.Groups = append(p.Groups, GroupCount{termtext.Text(g), n})
	}
	slices.SortFunc(p.Groups, func(a, b GroupCount) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Name, b.Name)) })
	p.Groups = p.Groups[:min(len(p.Groups), maxGroups)]
}
