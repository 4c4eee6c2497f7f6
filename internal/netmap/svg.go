package netmap

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	_ "embed"
)

//go:embed page/colours.css
var colours string

//go:embed page/picture.css
var pictureStyle string

// Key is a state and the sign in the circles of nodes in that state, so that colour is not the only mark.
type Key struct{ State, Name, Sign string }

// Legend lists the keys in display order.
var Legend = []Key{
	{"idle", "idle", ""}, {"receiving", "receiving", "↓"}, {"processing", "processing", "…"}, {"error", "error", "!"}, {"init", "init", "·"},
	{"unknown", "no state", ""},
}

func signOf(state string) string {
	for _, l := range Legend {
		if l.State == state {
			return l.Sign
		}
	}
	return ""
}

const (
	svgHead = 34.0 // above the picture: the title
	svgFoot = 30.0 // below it: the legend
)

// WriteSVG writes a picture as a standalone SVG document, light or dark as the reader prefers. The same picture always gives the same
// document.
func WriteSVG(w io.Writer, p *Picture) error {
	var b bytes.Buffer
	width, height := max(p.Width, 620), p.Height+svgHead+svgFoot
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img">`+"\n",
		num(width), num(height), num(width*p.Scale), num(height*p.Scale))
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s%s</style>\n", text(p.Title), colours, pictureStyle)
	fmt.Fprintf(&b, `<rect class="ground" width="100%%" height="100%%"/>`+"\n"+`<text class="title" x="%s" y="22">%s</text>`+"\n", num(margin), text(p.Title))
	fmt.Fprintf(&b, `<g class="%s" transform="translate(0 %s)">`+"\n", denseClass(p), num(svgHead))
	for _, a := range p.Areas {
		fmt.Fprintf(&b, `<rect class="area %s" x="%s" y="%s" width="%s" height="%s" rx="7"/>`+"\n", a.Kind, num(a.X), num(a.Y), num(a.W), num(a.H))
	}
	for _, l := range p.Lines {
		fmt.Fprintf(&b, `<path class="line%s" d="M%s %sQ%s %s %s %s" stroke-width="%s"><title>%s</title></path>`+"\n", quietClass(&l),
			num(l.X1), num(l.Y1), num(l.CX), num(l.CY), num(l.X2), num(l.Y2), num(max(l.Width, 1)), text(l.Detail))
	}
	for _, a := range p.Areas {
		fmt.Fprintf(&b, `<text class="place %s" x="%s" y="%s">%s</text>`+"\n", a.Kind, num(a.X+8), num(a.Y+13), text(a.Label))
	}
	for i := range p.Nodes {
		writeSpot(&b, &p.Nodes[i])
	}
	for _, l := range p.Lines {
		if l.Label != "" {
			fmt.Fprintf(&b, `<text class="rate" x="%s" y="%s">%s</text>`+"\n", num(l.LX), num(l.LY+4), text(l.Label))
		}
	}
	b.WriteString("</g>\n")
	writeLegend(&b, height-svgFoot/2)
	b.WriteString("</svg>\n")
	_, err := w.Write(b.Bytes())
	return err
}

func writeSpot(b *bytes.Buffer, s *Spot) {
	class := "node " + s.State
	if s.Presence != Present {
		class += " quiet"
	}
	if s.Self {
		class += " self"
	}
	fmt.Fprintf(b, `<g class="%s" transform="translate(%s %s)"><title>%s</title>`, class, num(s.X), num(s.Y), text(s.Name))
	if s.Self {
		fmt.Fprintf(b, `<circle class="ring" r="%s"/>`, num(radius+3.5))
	}
	fmt.Fprintf(b, `<circle class="body" r="%s"/>`, num(radius))
	if sign := signOf(s.State); sign != "" {
		fmt.Fprintf(b, `<text class="sign" y="5">%s</text>`, sign)
	}
	fmt.Fprintf(b, `<text class="name" y="%s">%s</text></g>`+"\n", num(radius+14), text(s.Label))
}

func writeLegend(b *bytes.Buffer, y float64) {
	x := margin + 8
	for _, l := range Legend {
		fmt.Fprintf(b, `<g class="node %s" transform="translate(%s %s)"><circle class="body" r="7"/><text class="key" x="12" y="4">%s</text></g>`+"\n",
			l.State, num(x), num(y), l.Name)
		x += 30 + float64(len(l.Name))*letter
	}
}

func denseClass(p *Picture) string {
	if p.Dense {
		return "picture dense"
	}
	return "picture"
}

func quietClass(l *Line) string {
	if l.Width == 0 {
		return " still"
	}
	return ""
}

// num formats a number without needless digits.
func num(x float64) string {
	s := fmt.Sprintf("%.1f", x)
	return strings.TrimSuffix(s, ".0")
}

// text escapes text for XML.
func text(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder never fails
	return b.String()
}
