package manual

import (
	"fmt"
	"io"
	"strings"

	"github.com/go-zre/go-zre/zre"
)

// Roff returns the man page.
func (m *Manual) Roff() string {
	w := new(strings.Builder)
	name := strings.ReplaceAll(m.Name, " ", "-")
	fmt.Fprintf(w, ".TH %s 1 \"\" %s \"ZRE\"\n", quote(strings.ToUpper(name)), quote("go-zre "+zre.Version()))
	fmt.Fprintf(w, ".SH NAME\n%s \\- %s\n", escape(name), escape(strings.TrimSuffix(m.Short, ".")))
	if len(m.Usage) > 0 {
		fmt.Fprint(w, ".SH SYNOPSIS\n")
		for i, line := range m.Usage {
			if i > 0 {
				fmt.Fprint(w, ".br\n")
			}
			fmt.Fprintf(w, "%s\n", escape(line))
		}
	}
	fmt.Fprint(w, ".SH DESCRIPTION\n")
	paragraphs(w, m.About)
	for _, text := range m.Notes {
		fmt.Fprint(w, ".PP\n")
		paragraphs(w, text)
	}
	for _, list := range m.Lists {
		rows(w, list.Heading, list.Rows)
	}
	if m.Exit != "" {
		fmt.Fprintf(w, ".SH EXIT STATUS\n%s\n", escape(m.Exit+"."))
	}
	rows(w, "EXAMPLES", m.Examples)
	if len(m.SeeAlso) > 0 {
		fmt.Fprintf(w, ".SH SEE ALSO\n%s\n", escape(strings.Join(m.SeeAlso, ", ")))
	}
	return w.String()
}

func rows(w io.Writer, heading string, list []Row) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, ".SH %s\n", heading)
	for _, r := range list {
		fmt.Fprintf(w, ".TP\n\\fB%s\\fR\n%s\n", escape(r.Term), escape(r.Meaning))
	}
}

// paragraphs writes paragraphs. An indented line with a term and its meaning becomes a list entry; other indented lines stay as they are.
func paragraphs(w io.Writer, text string) {
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
			fmt.Fprintln(w, escape(line))
		case indent == 2 && two:
			change(list, ".TP")
			fmt.Fprintf(w, "\\fB%s\\fR\n%s\n", escape(word), escape(strings.TrimSpace(meaning)))
		case now == list && indent > 12: // the meaning continues
			fmt.Fprintln(w, escape(body))
		default:
			change(literal, ".PP\n.nf")
			fmt.Fprintln(w, escape(line))
		}
	}
	if now == literal {
		fmt.Fprintln(w, ".fi")
	}
}

// escape escapes characters that are special to troff.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "'", `\(aq`, "`", "\\`").Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

func quote(s string) string { return `"` + escape(s) + `"` }
