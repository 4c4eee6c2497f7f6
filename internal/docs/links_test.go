package docs

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/go-zre/go-zre/internal/testbed"
)

var (
	link       = regexp.MustCompile(`!?\[[^\]]*\]\(([^()\s]+)\)`)
	inlineCode = regexp.MustCompile("`[^`]*`")
)

// Each link to a file of the project leads to a file, and its anchor to a heading in it. Links to other sites are not followed: tests stay
// offline.
func TestLinks(t *testing.T) {
	all := make(map[string]*page)
	for _, p := range pages(t) {
		all[p.path] = p
	}
	for _, p := range all {
		for _, l := range p.prose {
			for _, m := range link.FindAllStringSubmatch(inlineCode.ReplaceAllString(l.text, "x"), -1) {
				if strings.Contains(m[1], "://") {
					if !strings.HasPrefix(m[1], "https://") {
						t.Errorf("%s:%d: %s: only https", p.path, l.number, m[1])
					}
					continue
				}
				file, anchor, _ := strings.Cut(m[1], "#")
				target := p.path
				if file != "" {
					target = path.Join(path.Dir(p.path), file)
				}
				if _, err := os.Stat(filepath.Join(testbed.Root(), target)); err != nil {
					t.Errorf("%s:%d: %s: there is no such file", p.path, l.number, m[1])
				} else if to := all[target]; anchor != "" && (to == nil || !to.anchors()[anchor]) {
					t.Errorf("%s:%d: %s: there is no such heading", p.path, l.number, m[1])
				}
			}
		}
	}
}

// anchors returns the anchors that GitHub and the site give to the headings.
func (p *page) anchors() map[string]bool {
	set := make(map[string]bool)
	for _, l := range p.prose {
		m := heading.FindStringSubmatch(l.text)
		if m == nil {
			continue
		}
		name := strings.Map(func(r rune) rune {
			switch r = unicode.ToLower(r); {
			case r == ' ' || r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return r
			}
			return -1
		}, link.ReplaceAllStringFunc(m[1], func(s string) string { return s[1:strings.Index(s, "]")] }))
		name = strings.ReplaceAll(name, " ", "-")
		for n, again := 1, name; set[name]; n++ {
			name = fmt.Sprintf("%s-%d", again, n)
		}
		set[name] = true
	}
	return set
}

// The index lists each page of docs/, and each picture is used in a page.
func TestIndex(t *testing.T) {
	var index string
	var text strings.Builder
	list := pages(t)
	for _, p := range list {
		text.WriteString(p.text)
		if p.path == "docs/README.md" {
			index = p.text
		}
	}
	for _, p := range list {
		name, inDocs := strings.CutPrefix(p.path, "docs/")
		if inDocs && name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/README.md does not name %s", name)
		}
	}
	pictures, err := filepath.Glob(filepath.Join(testbed.Root(), "docs", "images", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range pictures {
		if !strings.Contains(text.String(), "images/"+filepath.Base(file)) {
			t.Errorf("no page shows %s", file)
		}
		if info, err := os.Stat(file); err != nil || info.Size() > 100_000 {
			t.Errorf("%s: %v, or more than 100 kB", file, err)
		}
	}
}
