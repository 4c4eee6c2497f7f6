package netmap

import (
	"bytes"
	"fmt"
	"image/png"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

// overlaps lists overlapping names, and names outside the area of their host.
const overlaps = `(() => {
	const texts = [...document.querySelectorAll("#picture .name")].map((e) => [e.textContent, e.getBoundingClientRect()]);
	const found = [];
	for (const [i, [a, r]] of texts.entries()) {
		for (const [b, s] of texts.slice(i + 1)) {
			if (r.left < s.right && s.left < r.right && r.top + 2 < s.bottom && s.top + 2 < r.bottom) found.push(a + " / " + b);
		}
	}
	return found;
})()`

// The page shows networks of all sizes in all windows, light and dark.
func TestPage(t *testing.T) {
	b := startBrowser(t)
	var shown atomic.Pointer[Snapshot]
	shown.Store(model(1, 0))
	url := serve(t, &shown)
	for _, nodes := range []int{1, 3, 12, 100} {
		shown.Store(model(nodes, 0))
		for _, f := range []struct {
			name          string
			width, height int
			dark          bool
		}{{"wide", 1280, 800, false}, {"dark", 1280, 800, true}, {"narrow", 400, 800, false}} {
			name := fmt.Sprintf("map-%d-%s", nodes, f.name)
			t.Run(name, func(t *testing.T) {
				b.t = t
				b.frame(f.width, f.height, f.dark)
				b.open(url)
				b.until(fmt.Sprintf(`document.querySelectorAll("#picture .node").length === %d && window.zreMap`, nodes))
				b.eval("new Promise((done) => setTimeout(done, 700))", nil) // moving parts have come to rest, and the frame has its size
				var found []string
				if b.eval(overlaps, &found); len(found) > 0 {
					t.Errorf("names lie on one another: %s", found)
				}
				var wide, scrolls float64
				b.eval("document.documentElement.scrollWidth", &wide)
				b.eval(`document.getElementById("stage").scrollWidth - document.getElementById("stage").clientWidth`, &scrolls)
				if wide > float64(f.width) || scrolls > 1 {
					t.Errorf("the page is %v wide, and scrolls by %v", wide, scrolls)
				}
				picture, err := png.Decode(bytes.NewReader(b.screenshot(name)))
				if err != nil {
					t.Fatal(err)
				}
				colours := make(map[any]bool)
				for y := range f.height {
					for x := range f.width {
						colours[picture.At(x, y)] = true
					}
				}
				if len(colours) < 20 {
					t.Errorf("the picture has %d colours", len(colours))
				}
				b.calm()
			})
		}
	}
}

// A click on a node shows its details, and a click on a group its members. Texts of other nodes stay text.
func TestPageClicks(t *testing.T) {
	const evil = `<img src=x onerror="window.evil=1"><script>window.evil=1</script>`
	s := model(5, 0)
	s.Nodes[1].Name = evil
	s.Nodes[1].Groups = []string{evil, "WORK"}
	s.Nodes[1].Headers = map[string]string{evil: evil, "role": "lidar \u202e", "long": strings.Repeat("x", 3000)}
	s.Nodes[1].Host, s.Nodes[1].Subnet = evil, evil
	s.Nodes[2].Groups, s.Nodes[0].Groups = nil, nil
	var shown atomic.Pointer[Snapshot]
	shown.Store(s)
	b := startBrowser(t)
	b.frame(1280, 800, false)
	b.open(serve(t, &shown))
	b.until(`document.querySelectorAll("#picture .node").length === 5`)
	node := `[...document.querySelectorAll("#picture .node")].find((n) => n.textContent.startsWith("<img"))`
	b.eval(node+`.dispatchEvent(new MouseEvent("click", {bubbles: true}))`, nil)
	b.until(`document.querySelectorAll("#panel dt").length > 5`)
	var text string
	b.eval(`document.getElementById("panel").innerText`, &text)
	for _, want := range []string{evil, s.Nodes[1].ID, `lidar \u202e`, "WORK"} {
		if !strings.Contains(text, want) {
			t.Errorf("the panel lacks %q:\n%.2000s", want, text)
		}
	}
	b.screenshot("map-panel")
	b.eval(`[...document.querySelectorAll("#groups button")].find((b) => b.textContent.startsWith("<img")).click()`, nil)
	b.until(`document.querySelectorAll("#picture .node.away").length === 4`)
	b.eval(`document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape", bubbles: true}))`, nil)
	b.until(`document.getElementById("panel").hidden`)

	left := *s // its group disappears, and so does the filter
	left.Nodes = append([]Node{s.Nodes[0]}, s.Nodes[2:]...)
	shown.Store(&left)
	b.until(`document.querySelectorAll("#picture .node").length === 4 && !document.querySelector("#picture .node.away")`)
	var evils int
	if b.eval(`window.evil || document.querySelectorAll("#panel img, #picture img, #groups img, body script").length`, &evils); evils != 0 {
		t.Error("a name was taken for HTML")
	}
	b.calm()
}

// With a hundred moving nodes and a hundred and fifty lines, frames come as fast as the screen shows them, on an otherwise idle machine.
func TestPageFrames(t *testing.T) {
	var shown atomic.Pointer[Snapshot]
	shown.Store(model(100, 0))
	b := startBrowser(t)
	b.frame(1280, 800, false)
	b.open(serve(t, &shown))
	b.until(`document.querySelectorAll("#picture .node").length === 100`)
	var frames []float64
	b.eval(`(async () => {
		const pictures = [];
		for (const size of ["width=1280&height=700", "width=700&height=1280"]) {
			pictures.push(await new Promise((done) => {
				const source = new EventSource("events?" + size);
				source.onmessage = (e) => { source.close(); done(JSON.parse(e.data)); };
			}));
		}
		const frames = [];
		let last = performance.now(), turn = 0;
		return new Promise((done) => {
			const end = last + 4000;
			let next = last;
			requestAnimationFrame(function step(now) {
				frames.push(now - last);
				last = now;
				if (now >= next) { zreMap.show(pictures[turn++ % 2]); next = now + 500; }
				if (now < end) requestAnimationFrame(step); else done(frames.slice(1));
			});
		});
	})()`, &frames)
	slices.Sort(frames)
	half, most := frames[len(frames)/2], frames[len(frames)*95/100]
	t.Logf("%d frames in 4 s: half of them within %.1f ms, 95 %% within %.1f ms, all within %.1f ms", len(frames), half, most, frames[len(frames)-1])
	if half > 100 { // an idle machine has 16.7
		t.Errorf("half of the frames take longer than %.1f ms, want 100", half)
	}
	b.calm()
}
