// Package manual writes the help texts, the man pages and the versions of the commands, in one style.
package manual

import (
	"fmt"
	"strings"

	"github.com/go-zre/go-zre/internal/termtext"
)

// A Manual describes a command. Its help and its man page are made from it.
type Manual struct {
	Name     string // the command, such as "zre ls"
	Short    string // what the command does, in a line
	About    string // the same at length; in an indented line two spaces separate a term from its meaning
	Usage    []string
	Examples []Row
	Notes    []string // texts like About, before the options
	Lists    []List
	Exit     string   // what the exit statuses mean
	SeeAlso  []string // man pages
}

// A Row is a line of a list: a term and its meaning.
type Row struct{ Term, Meaning string }

// A List is a list of subcommands, options or the like.
type List struct {
	Title   string // in the help
	Heading string // in the man page
	Rows    []Row
	Brief   bool // the help only names the terms, without their values
}

// Rows reads lines of a term, some spaces, and its meaning.
func Rows(text string) (list []Row) {
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		term, meaning, _ := strings.Cut(strings.TrimSpace(line), "  ")
		list = append(list, Row{term, strings.TrimSpace(meaning)})
	}
	return list
}

// MaxWidth is the width of a help text where there is room.
const MaxWidth = 100

// Help returns the help text, wrapped to a terminal of that width. The width is 0 if there is no terminal.
func (m *Manual) Help(width int) string {
	p := &page{width: MaxWidth}
	if width > 0 {
		p.width = min(max(width, 30), MaxWidth)
	}
	p.text(m.About)
	if len(m.Usage) > 0 {
		p.title("Usage:")
		for _, line := range m.Usage {
			p.text("  " + line)
		}
	}
	if len(m.Examples) > 0 {
		p.title("Examples:")
		p.rows(m.Examples)
	}
	for _, text := range m.Notes {
		p.title("")
		p.text(text)
	}
	for _, list := range m.Lists {
		if len(list.Rows) == 0 {
			continue
		}
		p.title(list.Title)
		if !list.Brief {
			p.rows(list.Rows)
			continue
		}
		names := make([]string, len(list.Rows))
		for i, r := range list.Rows {
			names[i], _, _ = strings.Cut(r.Term, " ")
		}
		p.text("  " + strings.Join(names, " "))
	}
	if m.Exit != "" {
		p.title("")
		p.text("Exit status: " + m.Exit + ".")
	}
	return p.String()
}

// page is text wrapped to a width.
type page struct {
	strings.Builder
	width int
}

func (p *page) title(s string) {
	p.WriteString("\n")
	if s != "" {
		p.text(s)
	}
}

// text writes paragraphs. A line that begins with a space keeps its indent, and its continuation lines align with it.
func (p *page) text(s string) {
	for line := range strings.SplitSeq(s, "\n") {
		body := strings.TrimLeft(line, " ")
		indent := len(line) - len(body)
		hanging := indent
		if word, rest, ok := strings.Cut(body, "  "); ok && indent > 0 { // a term and its meaning
			hanging = indent + len(word) + len(rest) - len(strings.TrimLeft(rest, " ")) + 2
		}
		if hanging > p.width/2 {
			hanging = indent + 2
		}
		p.wrap(strings.Repeat(" ", indent), body, hanging)
	}
}

// rows writes a list. The meanings get their own column if there is room.
func (p *page) rows(list []Row) {
	left := 0
	for _, r := range list {
		if w := len(r.Term); w > left && w <= p.width/3 {
			left = w
		}
	}
	for _, r := range list {
		switch {
		case r.Meaning == "":
			p.wrap("  ", r.Term, 4)
		case len(r.Term) <= left:
			p.wrap(fmt.Sprintf("  %-*s  ", left, r.Term), r.Meaning, left+4)
		default:
			p.wrap("  ", r.Term, 4)
			p.wrap(strings.Repeat(" ", min(left+4, 8)), r.Meaning, min(left+4, 8))
		}
	}
}

// wrap writes words after a prefix, in lines of the width. Lines after the first are indented.
func (p *page) wrap(first, words string, indent int) {
	line := first
	empty := true
	for word := range strings.SplitSeq(words, " ") {
		if !empty && termtext.Width(line)+1+termtext.Width(word) > p.width {
			p.WriteString(strings.TrimRight(line, " ") + "\n")
			line, empty = strings.Repeat(" ", indent), true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	p.WriteString(strings.TrimRight(line, " ") + "\n")
}
