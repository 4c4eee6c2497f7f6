package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

var (
	fileName   = regexp.MustCompile("`((?:node|zre|internal|beacon|msg|cmd|deploy|clients|examples|tools|testdata)/[\\w./-]+\\.(?:go|c|lua|json|py|sh|md))`")
	testName   = regexp.MustCompile(`\bTest[A-Z]\w*…?`)
	methodName = regexp.MustCompile("`(Node|session|inbox|mailbox|wait|server|Router|Queue|SendBudget|Outbox)\\.(\\w+)`")
)

// Files, tests and methods of the engine that the pages name exist.
func TestCodeNames(t *testing.T) {
	code := source(t, "node", "zre", "internal", "beacon", "msg", "cmd", "deploy", "clients", "examples", "tools")
	for _, p := range pages(t) {
		if slices.Contains(history, p.path) {
			continue
		}
		for _, m := range fileName.FindAllStringSubmatch(p.text, -1) {
			if _, err := os.Stat(filepath.Join(testbed.Root(), m[1])); err != nil {
				t.Errorf("%s: there is no file %s", p.path, m[1])
			}
		}
		for _, name := range testName.FindAllString(p.text, -1) {
			if start, ok := strings.CutSuffix(name, "…"); ok {
				name = start
			} else {
				name += "("
			}
			if !strings.Contains(code, "\nfunc "+name) {
				t.Errorf("%s: there is no test %s", p.path, strings.TrimSuffix(name, "("))
			}
		}
		for _, m := range methodName.FindAllStringSubmatch(p.text, -1) {
			if m[2] == "go" { // a file
				continue
			}
			if !regexp.MustCompile(`\nfunc \((?:\w+ )?\*?`+m[1]+`\) `+m[2]+`\(`).MatchString(code) && !isField(code, m[1], m[2]) {
				t.Errorf("%s: %s has no method or field %s", p.path, m[1], m[2])
			}
		}
	}
}

// isField reports whether a struct of that name has a field of that name.
func isField(code, of, name string) bool {
	for _, m := range regexp.MustCompile(`\ntype `+of+` struct \{\n((?:\t.*\n|\n)*)\}`).FindAllStringSubmatch(code, -1) {
		if regexp.MustCompile(`(?m)^\t(?:\w+, )*` + name + `\b`).MatchString(m[1]) {
			return true
		}
	}
	return false
}
