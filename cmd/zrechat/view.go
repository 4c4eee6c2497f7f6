package main

import (
	"fmt"
	"hash/fnv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/go-zre/go-zre/internal/termtext"
)

// The width of the side panel, and the minimum screen width for it.
const (
	panelWidth = 20
	panelFrom  = 60
	prompt     = "> "
)

// The colours come from the terminal's palette. With NO_COLOR there are none.
var (
	faint        = lipgloss.NewStyle().Faint(true)
	bar          = lipgloss.NewStyle().Reverse(true)
	bold         = lipgloss.NewStyle().Bold(true)
	warningStyle = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	whisperStyle = lipgloss.NewStyle().Foreground(lipgloss.Magenta)
	nameStyles   = []lipgloss.Style{
		lipgloss.NewStyle().Foreground(lipgloss.Cyan), lipgloss.NewStyle().Foreground(lipgloss.Green),
		lipgloss.NewStyle().Foreground(lipgloss.Blue), lipgloss.NewStyle().Foreground(lipgloss.BrightRed),
		lipgloss.NewStyle().Foreground(lipgloss.BrightCyan), lipgloss.NewStyle().Foreground(lipgloss.BrightGreen),
	}
)

// rows is the number of rows for the talk: all but the heading, the status and the input. A small screen drops the first two.
func (s *screen) rows() int {
	switch {
	case s.height > 6:
		return s.height - 3
	case s.height > 3:
		return s.height - 2
	}
	return max(s.height-1, 0)
}

// columns is the number of columns for the talk.
func (s *screen) columns() int {
	if s.width >= panelFrom {
		return s.width - panelWidth - 2
	}
	return s.width
}

// layout fits the talk to the screen.
func (s *screen) layout() {
	s.log.resize(s.columns(), s.measure.wrap)
	s.log.scroll(0, s.rows())
}

// View implements tea.Model.
func (s *screen) View() tea.View {
	v := tea.View{AltScreen: true}
	if s.width <= 0 || s.height <= 0 {
		return v
	}
	var lines []string
	if s.height > 6 {
		lines = append(lines, bar.Render(s.pad(s.heading(), s.width)))
	}
	window := s.log.window(s.rows())
	for i := range s.rows() {
		line := ""
		if i < len(window) {
			line = s.renderRow(window[i])
		}
		if s.width >= panelFrom {
			line = s.pad(line, s.columns()+1) + faint.Render("│") + s.panel(i)
		}
		lines = append(lines, line)
	}
	if s.height > 3 {
		lines = append(lines, faint.Render(s.status()))
	}
	text, at := s.input.view(s.width-len(prompt), s.measure.width)
	lines = append(lines, prompt+text)
	v.Content = strings.Join(lines, "\n")
	v.Cursor = tea.NewCursor(min(len(prompt)+at, s.width-1), len(lines)-1)
	return v
}

// heading is the first line: the group, this node's name, and the number of members.
func (s *screen) heading() string {
	you := s.name
	if len(s.members) > 0 && s.members[0].mark != "" {
		you += " (" + s.members[0].mark + ")"
	}
	here := "nobody else is here"
	if n := len(s.members); n > 1 {
		here = fmt.Sprintf("%d here", n)
	}
	room := max(s.width-s.measure.width(here)-2, 0)
	return s.pad(" "+s.group+" · "+you, room) + " " + here
}

// status is the line above the input.
func (s *screen) status() string {
	text := "── "
	switch {
	case s.log.below > 0:
		text += count(s.log.below, "line") + " below, PgDn ─"
	case s.busy != nil && s.busy():
		text += "waiting for a slow member ─"
	default:
		text += "/help ─"
	}
	if n := s.measure.width(text); n < s.width {
		return text + strings.Repeat("─", s.width-n)
	}
	return s.cut(text, s.width)
}

// panel is a row of the side panel.
func (s *screen) panel(i int) string {
	if i >= len(s.members) {
		return ""
	}
	if i == s.rows()-1 && len(s.members) > s.rows() {
		return faint.Render(fmt.Sprintf(" and %d more", len(s.members)-i))
	}
	m := s.members[i]
	mark := ""
	if m.mark != "" {
		mark = " " + m.mark
	}
	name := s.cut(m.title(), max(panelWidth-1-s.measure.width(mark), 4))
	if m.you {
		return " " + bold.Render(name) + faint.Render(mark)
	}
	return " " + nameStyle(m.title()).Render(name) + faint.Render(mark)
}

// renderRow is a row of the talk.
func (s *screen) renderRow(r row) string {
	stamp := ""
	if r.time != "" {
		stamp = faint.Render(r.time)
	}
	switch r.kind {
	case notice:
		return stamp + faint.Render(r.prefix+r.text)
	case warning:
		return stamp + warningStyle.Render(r.prefix+r.text)
	case whispered, ownWhisper:
		return stamp + whisperStyle.Render(r.prefix+r.text)
	case ownShout:
		return stamp + bold.Render(r.prefix) + r.text
	}
	if r.prefix == "" {
		return stamp + r.text
	}
	name, _, _ := strings.Cut(strings.TrimSuffix(r.prefix, ": "), " (")
	return stamp + nameStyle(name).Render(r.prefix) + r.text
}

// nameStyle is the style of a name. A name always has the same style.
func nameStyle(name string) lipgloss.Style {
	hash := fnv.New32a()
	hash.Write([]byte(name))
	return nameStyles[int(hash.Sum32()%uint32(len(nameStyles)))]
}

// cut returns s cut to that many columns.
func (s *screen) cut(text string, columns int) string {
	text = termtext.Truncate(text, columns)
	for text != "" && s.measure.width(text) > columns { // for a terminal that counts code points
		list := characters(text)
		text = strings.Join(list[:len(list)-1], "")
	}
	return text
}

// pad returns s in exactly that many columns.
func (s *screen) pad(text string, columns int) string {
	if n := s.measure.width(text); n <= columns {
		return text + strings.Repeat(" ", columns-n)
	}
	return s.cut(text, columns)
}
