package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// man writes the man pages, for packages.
func (c *cli) man() *cobra.Command {
	return &cobra.Command{
		Use:         "man DIRECTORY",
		Short:       "Writes the man pages of all commands into a directory.",
		Hidden:      true,
		Annotations: map[string]string{noteExit: exitStatus},
		Args:        arguments(false, "DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			return writePages(cmd.Root(), args[0])
		},
	}
}

// writePages writes the page of a command, and of those below it.
func writePages(cmd *cobra.Command, dir string) error {
	if cmd.Hidden {
		return nil
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	var text strings.Builder
	manualOf(cmd).roff(&text)
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text.String()), 0o644); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if err := writePages(sub, dir); err != nil {
			return err
		}
	}
	return nil
}

// roff writes a man page.
func (m *manual) roff(w io.Writer) {
	name := strings.ReplaceAll(m.cmd.CommandPath(), " ", "-")
	fmt.Fprintf(w, ".TH %s 1 \"\" %s \"ZRE\"\n", roffQuote(strings.ToUpper(name)), roffQuote("go-zre"))
	fmt.Fprintf(w, ".SH NAME\n%s \\- %s\n", roffText(name), roffText(strings.TrimSuffix(m.cmd.Short, ".")))
	if len(m.usage) > 0 {
		fmt.Fprint(w, ".SH SYNOPSIS\n")
		for i, line := range m.usage {
			if i > 0 {
				fmt.Fprint(w, ".br\n")
			}
			fmt.Fprintf(w, "%s\n", roffText(line))
		}
	}
	fmt.Fprint(w, ".SH DESCRIPTION\n")
	roffLines(w, m.about)
	for _, part := range []string{noteInput, noteJSON} {
		if text := m.cmd.Annotations[part]; text != "" {
			fmt.Fprint(w, ".PP\n")
			roffLines(w, text)
		}
	}
	roffRows(w, "COMMANDS", m.commands)
	roffRows(w, "OPTIONS", m.options)
	roffRows(w, "OPTIONS OF THE NODE", m.node)
	if text := m.cmd.Annotations[noteExit]; text != "" {
		fmt.Fprintf(w, ".SH EXIT STATUS\n%s\n", roffText(text+"."))
	}
	if m.cmd.Example != "" {
		roffRows(w, "EXAMPLES", rowsOf(m.cmd.Example))
	}
	fmt.Fprint(w, ".SH SEE ALSO\n")
	others := []string{"zre(1)", "zre-options(1)"}
	if m.cmd.HasParent() && m.cmd.Parent().HasParent() {
		others = append(others, strings.ReplaceAll(m.cmd.Parent().CommandPath(), " ", "-")+"(1)")
	}
	fmt.Fprintln(w, roffText(strings.Join(others, ", ")))
}

func roffRows(w io.Writer, title string, rows []row) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, ".SH %s\n", title)
	for _, r := range rows {
		fmt.Fprintf(w, ".TP\n\\fB%s\\fR\n%s\n", roffText(r.left), roffText(r.right))
	}
}

// roffLines writes paragraphs, and as they are the lines that are indented.
func roffLines(w io.Writer, text string) {
	literal := false
	for line := range strings.SplitSeq(text, "\n") {
		if indented := strings.HasPrefix(line, " "); indented != literal && line != "" {
			literal = indented
			fmt.Fprintln(w, map[bool]string{true: ".PP\n.nf", false: ".fi\n.PP"}[literal])
		}
		switch {
		case line == "" && !literal:
			fmt.Fprintln(w, ".PP")
		default:
			fmt.Fprintln(w, roffText(line))
		}
	}
	if literal {
		fmt.Fprintln(w, ".fi")
	}
}

// roffText escapes what troff would take for its own.
func roffText(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "'", `\(aq`, "`", "\\`").Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

func roffQuote(s string) string { return `"` + roffText(s) + `"` }
