package docs

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// maxWords is the maximum number of words in a sentence.
const maxWords = 45

// TestEnglish reports forbidden words from words.txt and long sentences. It is part of make check.
func TestEnglish(t *testing.T) {
	rules := rules(t)
	allowed, used := exceptions(t), make(map[exception]bool)
	for _, p := range pages(t) {
		allow := func(text string) bool {
			for _, e := range allowed {
				if (e.page == p.path || e.page == "*") && (e.text == "*" || strings.Contains(text, e.text)) {
					used[e] = true
					return true
				}
			}
			return false
		}
		for _, l := range p.prose {
			text := plainText(l.text)
			for _, r := range rules {
				if m := r.pattern.FindString(text); m != "" && !allow(l.text) {
					t.Errorf("%s:%d: %q: %s", p.path, l.number, strings.TrimSpace(m), r.advice)
				}
			}
		}
		for _, s := range sentences(p) {
			if n := len(strings.Fields(s.text)); n > maxWords && !allow(s.text) {
				t.Errorf("%s:%d: a sentence of %d words: %.60s…", p.path, s.number, n, s.text)
			}
		}
	}
	for _, e := range allowed {
		if !used[e] {
			t.Errorf("words-allowed.txt: nothing needs %q (page %s) any more", e.text, e.page)
		}
	}
}

type rule struct {
	pattern *regexp.Regexp
	advice  string
}

type exception struct{ page, text string }

func rules(t *testing.T) (list []rule) {
	t.Helper()
	for _, r := range pairs(t, "words.txt") {
		list = append(list, rule{regexp.MustCompile("(?i)" + r[0]), r[1]})
	}
	return list
}

func exceptions(t *testing.T) (list []exception) {
	t.Helper()
	for _, e := range pairs(t, "words-allowed.txt") {
		list = append(list, exception{e[0], e[1]})
	}
	return list
}

// pairs reads lines that contain a tab.
func pairs(t *testing.T, path string) (list [][2]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		l = strings.TrimRight(l, "\n")
		if l == "" || l[0] == '#' {
			continue
		}
		before, after, ok := strings.Cut(l, "\t")
		if !ok {
			t.Fatalf("%s: no tab in %q", path, l)
		}
		list = append(list, [2]string{before, after})
	}
	return list
}

// plainText returns a line without code and link targets.
func plainText(l string) string {
	l = inlineCode.ReplaceAllString(l, "CODE")
	return link.ReplaceAllStringFunc(l, func(s string) string { return s[:strings.Index(s, "](")] })
}

// sentences returns the sentences of paragraphs and table cells, each with the line where it begins.
func sentences(p *page) (list []line) {
	var paragraph strings.Builder
	start := 0
	flush := func() {
		for _, cell := range strings.Split(paragraph.String(), " | ") {
			for _, s := range regexp.MustCompile(`[.:;!?]( |$)`).Split(cell, -1) {
				list = append(list, line{start, s})
			}
		}
		paragraph.Reset()
	}
	for _, l := range p.prose {
		text := strings.TrimSpace(l.text)
		if text == "" || strings.HasPrefix(text, "|") || regexp.MustCompile(`^([-*#<]|\d+\.) ?`).MatchString(text) {
			flush()
		}
		if paragraph.Len() == 0 {
			start = l.number
		}
		if text != "" {
			paragraph.WriteString(plainText(text) + " ")
		}
	}
	flush()
	return list
}
