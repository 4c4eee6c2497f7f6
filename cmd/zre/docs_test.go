package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/testbed"
)

var update = flag.Bool("update", false, "write the reference of docs/cli.md anew")

// referenceBegins is the line of docs/cli.md where the generated reference begins.
const referenceBegins = "<!-- From here on made from the commands: go test ./cmd/zre -run TestReference -update -->\n"

// The reference in docs/cli.md matches the help of each command and option.
func TestReference(t *testing.T) {
	path := filepath.Join(testbed.Root(), "docs", "cli.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	about, reference, ok := strings.Cut(string(text), referenceBegins)
	if !ok {
		t.Fatalf("docs/cli.md has no line %q", referenceBegins)
	}
	var b strings.Builder
	each(func(cmd *cobra.Command) { helpOf(cmd).markdown(&b) })
	if *update {
		if err := os.WriteFile(path, []byte(about+referenceBegins+b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		reference = b.String()
	}
	if reference != b.String() {
		t.Errorf("the reference in docs/cli.md is out of date: go test ./cmd/zre -run TestReference -update")
	}
	each(func(cmd *cobra.Command) {
		_, section, ok := strings.Cut(reference, "## "+cmd.CommandPath()+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !ok {
			t.Errorf("docs/cli.md lacks %s", cmd.CommandPath())
		}
		m := helpOf(cmd)
		for _, r := range append(m.options, m.node...) {
			if name, _, _ := strings.Cut(r.Term, " "); !strings.Contains(section, name) {
				t.Errorf("docs/cli.md lacks %s %s", cmd.CommandPath(), name)
			}
		}
	})
	for i := range nodeOptions {
		if !strings.Contains(reference, nodeOptions[i].environment()) {
			t.Errorf("docs/cli.md lacks %s", nodeOptions[i].environment())
		}
	}
}

// markdown writes a command's part of docs/cli.md.
func (m *commandHelp) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n", m.cmd.CommandPath(), paragraphs(m.about))
	if len(m.usage) > 0 {
		fmt.Fprintf(b, "\n    %s\n", strings.Join(m.usage, "\n    "))
	}
	if m.cmd.Example != "" {
		b.WriteString("\n")
		for line := range strings.SplitSeq(m.cmd.Example, "\n") {
			b.WriteString("    " + strings.TrimPrefix(line, "  ") + "\n")
		}
	}
	for _, note := range []string{noteInput, noteJSON} {
		if text := m.cmd.Annotations[note]; text != "" {
			fmt.Fprintf(b, "\n%s\n", paragraphs(text))
		}
	}
	rows := func(head string, list []row) {
		if len(list) == 0 {
			return
		}
		fmt.Fprintf(b, "\n| %s | |\n|---|---|\n", head)
		for _, r := range list {
			fmt.Fprintf(b, "| `%s` | %s |\n", r.Term, cell(r.Meaning))
		}
	}
	rows("command", m.commands)
	rows("option", m.options)
	switch {
	case m.cmd.Name() == "options":
		for i, r := range m.node {
			name, _, _ := strings.Cut(r.Term, " ")
			m.node[i].Meaning = "`ZRE_" + strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(name, "--"), "-", "_")) + "`: " + r.Meaning
		}
		rows("option of nodes", m.node)
	case len(m.node) > 0:
		names := make([]string, len(m.node))
		for i, r := range m.node {
			name, _, _ := strings.Cut(r.Term, " ")
			names[i] = "`" + name + "`"
		}
		fmt.Fprintf(b, "\nOf the node ([options](#zre-options)): %s.\n", strings.Join(names, ", "))
	}
	if text := m.cmd.Annotations[noteExit]; text != "" {
		fmt.Fprintf(b, "\nExit status: %s.\n", text)
	}
}

// cell escapes characters that would end a table cell or start HTML.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(s) }

// paragraphs keeps indented lines as they are.
func paragraphs(s string) string {
	var b strings.Builder
	literal := false
	for line := range strings.SplitSeq(s, "\n") {
		if indented := strings.HasPrefix(line, " "); indented != literal && line != "" {
			literal = indented
			b.WriteString("\n")
		}
		if literal && line != "" {
			line = "    " + strings.TrimPrefix(strings.TrimPrefix(line, "  "), "  ")
		}
		b.WriteString(line + "\n")
	}
	return strings.Trim(strings.ReplaceAll(b.String(), "\n\n\n", "\n\n"), "\n")
}
