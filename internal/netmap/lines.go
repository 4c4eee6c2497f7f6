package netmap

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// drawLinks draws the links, and labels those whose label hides nothing.
func (p *Picture) drawLinks(links []Link, nodes int) {
	spots := make(map[string]*Spot, len(p.Nodes))
	for i := range p.Nodes {
		spots[p.Nodes[i].ID] = &p.Nodes[i]
	}
	links = slices.Clone(links)
	slices.SortStableFunc(links, func(a, b Link) int { return cmp.Compare(b.Rate(), a.Rate()) })
	occupied, labels := p.boxes(), 0
	for i := range links {
		l := &links[i]
		a, b := spots[l.From], spots[l.To]
		if a == nil || b == nil || l.Rate() == 0 && nodes > idleLinkNodes || len(p.Lines) == maxLines {
			continue
		}
		line := p.leastCrossing(a, b)
		line.Detail = linkDetail(l, a, b)
		if rate := l.Rate(); rate > 0 {
			line.Width = 1 + 0.9*math.Log10(1+rate)
			if labels < maxLabels {
				occupied = line.placeLabel(perSecond(rate), occupied)
			}
			if line.Label != "" {
				labels++
			}
		}
		p.Lines = append(p.Lines, line)
	}
	slices.Reverse(p.Lines) // the busiest last, on top
	p.Dense = len(p.Lines) > denseLines
}

const (
	maxLabels  = 30 // only on the busiest lines
	denseLines = 40 // more lines than this are many
)

// leastCrossing returns the line between two spots that touches the fewest other spots.
func (p *Picture) leastCrossing(a, b *Spot) (best Line) {
	fewest := math.MaxInt
	for _, bend := range []float64{0.14, -0.14, 0.28, -0.28, 0.45, -0.45} {
		l := curve(a, b, bend)
		l.CX, l.CY = min(max(l.CX, 4), p.Width-4), min(max(l.CY, 4), p.Height-4) // keeps the line within the picture
		if hits := p.crossings(&l); hits < fewest {
			best, fewest = l, hits
		}
		if fewest == 0 {
			break
		}
	}
	return best
}

// crossings counts the spots and names that a line crosses.
func (p *Picture) crossings(l *Line) (count int) {
	const steps, near = 16, radius + 18 // including the name
	for i := range p.Nodes {
		s := &p.Nodes[i]
		if s.ID == l.From || s.ID == l.To || s.X < min(l.X1, l.CX, l.X2)-near || s.X > max(l.X1, l.CX, l.X2)+near ||
			s.Y < min(l.Y1, l.CY, l.Y2)-near || s.Y > max(l.Y1, l.CY, l.Y2)+near {
			continue
		}
		for step := 1; step < steps; step++ {
			x, y := l.pointAt(float64(step) / steps)
			if math.Hypot(x-s.X, y-s.Y) < radius+5 {
				count += 3
				break
			}
			if y > s.Y+radius+4 && y < s.Y+radius+18 && math.Abs(x-s.X) < float64(len(s.Label))*letter/2 {
				count++
				break
			}
		}
	}
	return count
}

// pointAt returns a point on the line, for t from 0 to 1.
func (l *Line) pointAt(t float64) (x, y float64) {
	u := 1 - t
	return u*u*l.X1 + 2*t*u*l.CX + t*t*l.X2, u*u*l.Y1 + 2*t*u*l.CY + t*t*l.Y2
}

// curve returns a line between two spots, bent to the side by a fraction of its length. It ends at the rims of the spots.
func curve(a, b *Spot, bend float64) Line {
	dx, dy := b.X-a.X, b.Y-a.Y
	length := max(math.Hypot(dx, dy), 1)
	bend *= min(length, 400)
	l := Line{From: a.ID, To: b.ID, CX: round((a.X+b.X)/2 - dy/length*bend), CY: round((a.Y+b.Y)/2 + dx/length*bend)}
	l.X1, l.Y1 = edgePoint(a, l.CX, l.CY)
	l.X2, l.Y2 = edgePoint(b, l.CX, l.CY)
	return l
}

// edgePoint returns the point where the circle of a spot meets the line to another point.
func edgePoint(s *Spot, x, y float64) (float64, float64) {
	dx, dy := x-s.X, y-s.Y
	length := max(math.Hypot(dx, dy), 1)
	return round(s.X + dx/length*(radius+2)), round(s.Y + dy/length*(radius+2))
}

func round(x float64) float64 { return math.Round(x*10) / 10 }

// box is a rectangle that a label must not hide.
type box struct{ x1, y1, x2, y2 float64 }

func (b box) overlaps(o box) bool { return b.x1 < o.x2 && o.x1 < b.x2 && b.y1 < o.y2 && o.y1 < b.y2 }

// boxes returns the boxes of nodes with their names, and of the labels of areas.
func (p *Picture) boxes() (list []box) {
	for _, s := range p.Nodes {
		half := max(float64(len([]rune(s.Label)))*letter/2, radius+3)
		list = append(list, box{s.X - half, s.Y - radius - 3, s.X + half, s.Y + radius + 18})
	}
	for _, a := range p.Areas {
		list = append(list, box{a.X, a.Y, a.X + float64(len([]rune(a.Label)))*letter + 10, a.Y + 18})
	}
	return list
}

// placeLabel puts the label on the line where it hides nothing, or omits it. It returns all boxes that later labels must not hide.
func (l *Line) placeLabel(text string, occupied []box) []box {
	half := float64(len([]rune(text)))*letter*0.9/2 + 2
	for _, t := range []float64{0.5, 0.4, 0.6, 0.32, 0.68, 0.25, 0.75, 0.18, 0.82} {
		x, y := l.pointAt(t)
		b := box{x - half, y - 7, x + half, y + 7}
		if !slices.ContainsFunc(occupied, b.overlaps) {
			l.Label, l.LX, l.LY = text, round(x), round(y)
			return append(occupied, b)
		}
	}
	return occupied
}

// linkDetail describes a link in full.
func linkDetail(l *Link, a, b *Spot) string {
	text := fmt.Sprintf("%s → %s: %s\n%s → %s: %s", a.Name, b.Name, perSecond(l.Forward), b.Name, a.Name, perSecond(l.Back))
	if l.RTT > 0 {
		text += fmt.Sprintf("\nround trip %.2f ms", l.RTT)
	}
	return text
}

// perSecond formats a rate briefly.
func perSecond(rate float64) string {
	switch {
	case rate <= 0:
		return "0/s"
	case rate < 9.95:
		return strconv.FormatFloat(rate, 'f', 1, 64) + "/s"
	case rate < 999.5:
		return strconv.FormatFloat(rate, 'f', 0, 64) + "/s"
	case rate < 999_500:
		return strconv.FormatFloat(rate/1e3, 'g', 3, 64) + "k/s"
	}
	return strconv.FormatFloat(min(rate/1e6, 999), 'g', 3, 64) + "M/s"
}
