package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/zre"
)

// man writes the man pages, for package builders.
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

// writePages writes the pages of a command and of its subcommands.
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
	fmt.Fprintf(w, ".TH %s 1 \"\" %s \"ZRE\"\n", roffQuote(strings.ToUpper(name)), roffQuote("go-zre "+zre.Version()))
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
	others := []string{"zre-options(1)"}
	if m.cmd.HasParent() {
		others = []string{"zre(1)", "zre-options(1)"}
	}
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

// roffLines writes paragraphs. An indented line with a term and its meaning becomes a list entry; other indented lines stay as they are.
func roffLines(w io.Writer, text string) {
	const (
		filled = iota
		literal
		list
	)
	now := filled
	change := func(to int, request string) {
		if now == literal && to != literal {
			fmt.Fprintln(w, ".fi")
		}
		if now != to || to == list {
			fmt.Fprintln(w, request)
		}
		now = to
	}
	for line := range strings.SplitSeq(text, "\n") {
		body := strings.TrimLeft(line, " ")
		indent := len(line) - len(body)
		word, meaning, two := strings.Cut(body, "  ")
		switch {
		case line == "" && now == literal:
			fmt.Fprintln(w)
		case line == "":
			fmt.Fprintln(w, ".PP")
			now = filled
		case indent == 0:
			change(filled, ".PP")
			fmt.Fprintln(w, roffText(line))
		case indent == 2 && two:
			change(list, ".TP")
			fmt.Fprintf(w, "\\fB%s\\fR\n%s\n", roffText(word), roffText(strings.TrimSpace(meaning)))
		case now == list && indent > 12: // the meaning continues
			fmt.Fprintln(w, roffText(body))
		default:
			change(literal, ".PP\n.nf")
			fmt.Fprintln(w, roffText(line))
		}
	}
	if now == literal {
		fmt.Fprintln(w, ".fi")
	}
}

// roffText escapes characters that are special to troff.
func roffText(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "'", `\(aq`, "`", "\\`").Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

func roffQuote(s string) string { return `"` + roffText(s) + `"` }
