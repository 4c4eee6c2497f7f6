package netmap

import (
	"fmt"
	"math"
	"reflect"
	"testing"
)

// Nothing overlaps, whatever is drawn: nodes are within their host, hosts within their subnet, and all within the picture.
func TestLayout(t *testing.T) {
	for _, nodes := range []int{0, 1, 2, 3, 7, 12, 40, 100, 401} {
		for _, frame := range [][2]float64{{1200, 800}, {400, 800}, {200, 200}, {8000, 300}} {
			t.Run(fmt.Sprintf("%d nodes in %v", nodes, frame), func(t *testing.T) {
				s := &Snapshot{}
				if nodes > 0 {
					s = model(nodes, 1)
				}
				p := Draw(s, frame[0], frame[1])
				if len(p.Nodes) != min(nodes, maxNodes) || p.Hidden != nodes-len(p.Nodes) || len(p.Lines) > maxLines || len(p.Groups) > maxGroups {
					t.Errorf("%d nodes, %d hidden, %d lines", len(p.Nodes), p.Hidden, len(p.Lines))
				}
				if p.Width*p.Scale > frame[0]+1 && p.Scale > 0.3 {
					t.Errorf("%v wide at scale %v", p.Width, p.Scale)
				}
				checkAreas(t, p)
				for _, l := range p.Lines {
					for _, x := range []float64{l.X1, l.Y1, l.X2, l.Y2, l.CX, l.CY, l.LX, l.LY, l.Width} {
						if math.IsNaN(x) || x < -20 || x > max(p.Width, p.Height)+20 {
							t.Fatalf("line %+v", l)
						}
					}
				}
				if again := Draw(s, frame[0], frame[1]); !reflect.DeepEqual(p, again) {
					t.Error("another picture of the same network")
				}
			})
		}
	}
}

func checkAreas(t *testing.T, p *Picture) {
	t.Helper()
	within := func(a Area, x, y, w, h float64) bool {
		return a.X <= x+0.01 && a.Y <= y+0.01 && a.X+a.W >= x+w-0.01 && a.Y+a.H >= y+h-0.01
	}
	if p.Hidden == 0 {
		for i, a := range p.Areas {
			if !within(Area{W: p.Width, H: p.Height}, a.X, a.Y, a.W, a.H) {
				t.Fatalf("outside the picture: %+v", a)
			}
			for _, b := range p.Areas[i+1:] {
				apart := a.X+a.W <= b.X || b.X+b.W <= a.X || a.Y+a.H <= b.Y || b.Y+b.H <= a.Y
				inside := a.Kind == "subnet" && b.Kind == "host" && within(a, b.X, b.Y, b.W, b.H)
				if !apart && !inside {
					t.Fatalf("%+v lies on %+v", a, b)
				}
			}
		}
	}
	for i, n := range p.Nodes {
		hosts := 0
		for _, a := range p.Areas {
			if a.Kind == "host" && within(a, n.X-cellW/2, n.Y-radius, cellW, 2*radius+18) {
				hosts++
			}
		}
		if hosts != 1 {
			t.Fatalf("%s is within %d hosts", n.Name, hosts)
		}
		for _, o := range p.Nodes[i+1:] {
			if math.Abs(n.X-o.X) < cellW-1 && math.Abs(n.Y-o.Y) < cellH-1 {
				t.Fatalf("%s lies on %s", n.Name, o.Name)
			}
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{perSecond(-1), "0/s"}, {perSecond(0), "0/s"}, {perSecond(0.04), "0.0/s"}, {perSecond(9.94), "9.9/s"}, {perSecond(9.96), "10/s"}, {perSecond(999), "999/s"},
		{perSecond(1234), "1.23k/s"}, {perSecond(999_499), "999k/s"}, {perSecond(1e6), "1M/s"}, {perSecond(math.Inf(1)), "999M/s"},
		{bytesPerSecond(999), "999.0 B/s"}, {bytesPerSecond(1500), "1.5 kB/s"}, {bytesPerSecond(2e9), "2.0 GB/s"}, {bytesPerSecond(2e13), "20000.0 GB/s"},
		{shortenMiddle("short"), "short"}, {shortenMiddle("a-rather-long-name-51"), "a-rath…me-51"}, {shortenMiddle("東京東京東京東京"), "東京東京東京…"},
		{shortenStart("fd12:3456:789a:1::7", 66), "…89a:1::7"}, {shortenStart("10.0.0.1", 66), "10.0.0.1"},
		{hostOf("tcp://[fe80::1%eth0]:5"), "fe80::1%eth0"}, {hostOf("tcp://10.0.0.1:5"), "10.0.0.1"}, {hostOf("ipc://x"), ""}, {hostOf("tcp://x"), ""},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, nodes := range []int{12, 100, 400} {
		s := model(nodes, 0)
		b.Run(fmt.Sprintf("%d nodes", nodes), func(b *testing.B) {
			for b.Loop() {
				Draw(s, 1280, 700)
			}
		})
	}
}
