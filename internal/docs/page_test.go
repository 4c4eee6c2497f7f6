package docs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// A page is a Markdown file.
type page struct {
	path   string // from the root of the project
	text   string
	blocks []block
	prose  []line // everything outside fenced blocks
}

type line struct {
	number int
	text   string
}

// A block is fenced code.
type block struct {
	page    string
	line    int // of its first line of code
	lang    string
	text    string
	program string // NAME of <!-- program: NAME -->
	section string // the heading above
}

// unrunnable lists prefixes of commands of which only the syntax is checked, with the reasons.
var unrunnable = map[string]string{
	"docker ":       "it needs a daemon, and images of a registry",
	"kubectl ":      "it needs a cluster",
	"wireshark ":    "it needs a screen",
	"tshark ":       "the interop tests run it, with packets of their own",
	"scp ":          "it needs another machine",
	"sha256sum ":    "it needs the files of a release",
	"tar ":          "it needs the files of a release",
	"sudo install ": "it needs the files of a release",
	"sudo apt ":     "it needs the files of a release",
	"sudo dnf ":     "it needs the files of a release",
	"pip ":          "it needs a registry; clients/python has a test",
	"make packages": "it takes minutes; deploy has a test",
	"make test":     "it runs these tests",
}

// whyNotRun returns why a command cannot run here, or "".
func whyNotRun(command string) string {
	for start, why := range unrunnable {
		if strings.HasPrefix(command, start) || strings.Contains(command, "| "+start) {
			return why
		}
	}
	return ""
}

var (
	fence   = regexp.MustCompile("^( *)```(\\S*)$")
	program = regexp.MustCompile(`^<!-- program: (\w+) -->$`)
	heading = regexp.MustCompile(`^#{1,6} +(.*)$`)
)

// pages reads the README, the other pages at the root, and docs/.
func pages(t testing.TB) (list []*page) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(testbed.Root(), pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(testbed.Root(), path)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, parse(t, filepath.ToSlash(rel), string(text)))
		}
	}
	if len(list) < 10 {
		t.Fatalf("%d pages found", len(list))
	}
	return list
}

// parse splits a page into prose and blocks.
func parse(t testing.TB, path, text string) *page {
	t.Helper()
	p := &page{path: path, text: text}
	var in *block
	indent, name, section := "", "", ""
	for i, l := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(l)
		switch {
		case in == nil && m != nil:
			if m[2] == "" {
				t.Errorf("%s:%d: the block does not say its language (text for none)", path, i+1)
			}
			in = &block{page: path, line: i + 2, lang: m[2], program: name, section: section}
			indent, name = m[1], ""
		case m != nil && m[2] == "":
			p.blocks, in = append(p.blocks, *in), nil
		case in != nil:
			in.text += strings.TrimPrefix(l, indent) + "\n"
		default:
			p.prose = append(p.prose, line{i + 1, l})
			if m := heading.FindStringSubmatch(l); m != nil {
				section = m[1]
			}
			if m := program.FindStringSubmatch(l); m != nil {
				name = m[1]
			} else if l != "" {
				name = ""
			}
		}
	}
	if in != nil {
		t.Errorf("%s:%d: the block does not end", path, in.line)
	}
	return p
}

// languages lists the languages of blocks and what is checked of them; see the package comment.
var languages = map[string]string{
	"go":     "compiled",
	"sh":     "run",
	"yaml":   "lists of arguments are run; the rest needs a cluster, or Docker",
	"json":   "parsed",
	"nft":    "checked by nft",
	"python": "parsed",
	"c":      "not checked: it needs the headers of zyre, which no package here has",
	"text":   "not code",
}

func TestLanguages(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if languages[b.lang] == "" {
				t.Errorf("%s:%d: nothing checks %s", b.page, b.line, b.lang)
			}
			for l := range strings.Lines(b.text) {
				if b.lang == "json" && !json.Valid([]byte(l)) {
					t.Errorf("%s:%d: no JSON: %s", b.page, b.line, l)
				}
			}
		}
	}
}

// Blocks of code are fenced, so that they name their language and are tested.
func TestBlocksAreFenced(t *testing.T) {
	made := "<!-- From here on made from the commands" // the reference in docs/cli.md, which cmd/zre tests
	for _, p := range pages(t) {
		blank, list := true, false
		for _, l := range p.prose {
			if strings.HasPrefix(l.text, made) {
				break
			}
			if blank && !list && strings.HasPrefix(l.text, "    ") {
				t.Errorf("%s:%d: code that is indented, not fenced", p.path, l.number)
			}
			blank = l.text == ""
			if !blank && !strings.HasPrefix(l.text, " ") {
				list = regexp.MustCompile(`^([-*]|\d+\.) `).MatchString(l.text)
			}
		}
	}
}
