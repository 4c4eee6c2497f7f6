package manual

import (
	"runtime/debug"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/termtext"
)

// sample has everything that a manual may have.
var sample = Manual{
	Name: "zre x", Short: "Does it.", About: "Does it, in a sentence that is a little longer than the terminal is wide.\n  term   its meaning\n\n    literal - text", Usage: []string{"zre x A", "zre x B"},
	Examples: Rows("  zre x a     what it does\n  zre x b\n"), Notes: []string{"A note."}, Exit: "0 success", SeeAlso: []string{"zre(1)"},
	Lists: []List{
		{Title: "Options:", Heading: "OPTIONS", Rows: []Row{{"--long-option VALUE", "what it's for"}, {"--x", "another"}}},
		{Title: "More:", Heading: "MORE", Rows: []Row{{"--a word", "a"}, {"--b", "b"}}, Brief: true},
		{Title: "None:", Heading: "NONE"},
	},
}

func TestHelp(t *testing.T) {
	const want = `Does it, in a sentence that is a little
longer than the terminal is wide.
  term   its meaning

    literal - text

Usage:
  zre x A
  zre x B

Examples:
  zre x a  what it does
  zre x b

A note.

Options:
  --long-option VALUE
       what it's for
  --x  another

More:
  --a --b

Exit status: 0 success.
`
	got := sample.Help(40)
	if got != want {
		t.Errorf("the help is\n%s\nwant\n%s", got, want)
	}
	for _, width := range []int{0, 1, 30, 79, 500} {
		limit := min(max(width, 30), MaxWidth)
		if width == 0 {
			limit = MaxWidth
		}
		for line := range strings.Lines(sample.Help(width)) {
			if n := termtext.Width(strings.TrimSuffix(line, "\n")); n > limit {
				t.Errorf("at the width %d a line has %d columns: %q", width, n, line)
			}
		}
	}
}

func TestRoff(t *testing.T) {
	got := sample.Roff()
	for _, want := range []string{
		`.TH "ZRE\-X" 1 `, ".SH NAME\nzre\\-x \\- Does it\n", ".SH SYNOPSIS\nzre x A\n.br\nzre x B\n", ".TP\n\\fBterm\\fR\nits meaning\n", ".nf\n    literal \\- text\n.fi\n",
		".PP\nA note.\n", ".TP\n\\fB\\-\\-long\\-option VALUE\\fR\nwhat it\\(aqs for\n", ".SH MORE\n.TP\n\\fB\\-\\-a word\\fR\na\n", ".SH EXIT STATUS\n0 success.\n", ".SH SEE ALSO\nzre(1)\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the man page has no %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "NONE") {
		t.Errorf("the man page has an empty section:\n%s", got)
	}
}

func TestVersion(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.2",
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}}}
	if got := describe("v0.9.0", info); !strings.HasPrefix(got, "v0.9.0 (commit 0123456789ab, modified), go1.2, ") {
		t.Errorf("got %q, want the version, the commit and the toolchain", got)
	}
}
