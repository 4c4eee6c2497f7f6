package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/internal/termtext"
)

// topModel is the screen of zre top.
type topModel struct {
	ctx           context.Context
	gauge         *gauge
	width, height int
	peers         []topPeer
	sort          int // index into topColumns
	reverse       bool
	selected      string // UUID of a peer
	filter        string
	prompt        byte // what is being typed: 0 for keys, '/' for a filter, 'w' for a whisper
	input         string
	note          string // what happened last
}

type (
	topTick struct{}
	topNote string
)

func newTopModel(ctx context.Context, g *gauge) *topModel {
	return &topModel{ctx: ctx, gauge: g, width: 80, height: 24}
}

// Init implements tea.Model.
func (m *topModel) Init() tea.Cmd { return func() tea.Msg { return topTick{} } }

// Update implements tea.Model.
func (m *topModel) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = message.Width, message.Height
	case topTick:
		m.gauge.ping(m.ctx)
		m.peers = m.gauge.sample()
		return m, tea.Tick(topEvery, func(time.Time) tea.Msg { return topTick{} })
	case topNote:
		m.note = string(message)
	case tea.PasteMsg:
		if m.prompt != 0 {
			m.input += message.Content
		}
	case tea.KeyPressMsg:
		if message.String() == "ctrl+c" {
			return m, tea.Quit
		}
		if m.prompt != 0 {
			return m, m.edit(message)
		}
		return m, m.press(message)
	}
	return m, nil
}

// press executes the action of a key.
func (m *topModel) press(key tea.KeyPressMsg) tea.Cmd {
	m.note = ""
	switch key.String() {
	case "q":
		return tea.Quit
	case "s", "tab":
		m.sort = (m.sort + 1) % len(topColumns)
	case "r":
		m.reverse = !m.reverse
	case "/":
		m.prompt, m.input = '/', m.filter
	case "esc":
		m.filter, m.selected = "", ""
	case "w", "enter":
		if m.find() < 0 {
			m.note = "select a peer with Up and Down first"
			break
		}
		m.prompt, m.input = 'w', ""
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	}
	return nil
}

// edit handles a key while a line is being typed.
func (m *topModel) edit(key tea.KeyPressMsg) tea.Cmd {
	switch key.String() {
	case "esc":
		m.prompt = 0
	case "enter":
		asked := m.prompt
		m.prompt = 0
		if asked == '/' {
			m.filter = m.input
			return nil
		}
		return m.whisper()
	case "backspace":
		if runes := []rune(m.input); len(runes) > 0 {
			m.input = string(runes[:len(runes)-1])
		}
	default:
		m.input += key.Text
	}
	return nil
}

// whisper sends the typed text to the chosen peer.
func (m *topModel) whisper() tea.Cmd {
	id, err := uuid.Parse(m.selected)
	if err != nil || m.input == "" {
		return nil
	}
	text := []byte(m.input)
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(m.ctx, flushTime)
		defer cancel()
		err := m.gauge.node.Whisper(ctx, id, text)
		if err == nil {
			err = m.gauge.node.Flush(ctx, id)
		}
		if err != nil {
			return topNote("the peer did not get the whisper: " + keyfiles.PlainError(err).Error())
		}
		return topNote("the peer got the whisper")
	}
}

// visible returns the peers that pass the filter, in order.
func (m *topModel) visible() (list []topPeer) {
	for _, p := range m.peers {
		text := strings.ToLower(strings.Join([]string{p.Name, p.State, p.Transport, strings.Join(p.Groups, " ")}, " "))
		if filter := strings.ToLower(m.filter); strings.Contains(text, filter) || strings.HasPrefix(p.Peer, filter) {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, func(a, b topPeer) int {
		if m.reverse {
			a, b = b, a
		}
		return topColumns[m.sort].compare(&a, &b)
	})
	return list
}

// find returns the index of the chosen peer among the visible ones, or -1.
func (m *topModel) find() int {
	return slices.IndexFunc(m.visible(), func(p topPeer) bool { return p.Peer == m.selected })
}

// move chooses another peer.
func (m *topModel) move(by int) {
	list := m.visible()
	if len(list) == 0 {
		return
	}
	at := m.find()
	if at < 0 && by < 0 {
		at = len(list)
	}
	m.selected = list[min(max(at+by, 0), len(list)-1)].Peer
}

// View implements tea.Model.
func (m *topModel) View() tea.View {
	v := tea.NewView(strings.Join(m.lines(), "\n"))
	v.AltScreen = true
	v.WindowTitle = "zre top"
	return v
}

// lines draws the screen.
func (m *topModel) lines() []string {
	list := m.visible()
	first := fmt.Sprintf("%s, by %s", plural(len(m.peers), "peer"), topColumns[m.sort].head)
	if m.filter != "" {
		first = fmt.Sprintf("%d of %s with %s", len(list), first, inQuotes(m.filter))
	}
	rows := [][]string{nil}
	for _, c := range topColumns {
		rows[0] = append(rows[0], c.head)
	}
	space := max(m.height-3, 1)
	from := max(0, min(m.find()-space/2, len(list)-space))
	for _, p := range list[from:min(from+space, len(list))] {
		var r []string
		for _, c := range topColumns {
			r = append(r, termtext.Text(c.text(&p)))
		}
		rows = append(rows, r)
	}
	for i, c := range topColumns {
		if c.number {
			alignRight(rows, i)
		}
	}
	lines := []string{termtext.Truncate(first, m.width)}
	for i, text := range formatTable(dropColumns(rows, m.width, m.hidden(), m.droppable()...), m.width) {
		switch {
		case i == 0:
			text = "\x1b[1m" + text + "\x1b[0m"
		case list[from+i-1].Peer == m.selected:
			text = "\x1b[7m" + termtext.Pad(text, m.width) + "\x1b[0m"
		}
		lines = append(lines, text)
	}
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	return append(lines, m.lastLine())
}

// hidden returns the columns of shared figures if no peer shares any.
func (m *topModel) hidden() (columns []int) {
	if slices.ContainsFunc(m.peers, func(p topPeer) bool { return p.Shared != nil }) {
		return nil
	}
	for i, c := range topColumns {
		if strings.HasPrefix(c.head, "ITS ") && i != m.sort {
			columns = append(columns, i)
		}
	}
	return columns
}

// droppable returns the columns that can be dropped to save room, in that order. It never returns the sort column.
func (m *topModel) droppable() (columns []int) {
	for _, head := range []string{"ITS QUEUE", "ITS IN/s", "ITS OUT/s", "OUT KB/s", "IN KB/s", "BY", "STATE", "OUT/s", "QUEUE"} {
		i := slices.IndexFunc(topColumns, func(c topColumn) bool { return c.head == head })
		if i != m.sort {
			columns = append(columns, i)
		}
	}
	return columns
}

// alignRight aligns the numbers of a column.
func alignRight(rows [][]string, column int) {
	width := 0
	for _, r := range rows {
		width = max(width, len(r[column]))
	}
	for _, r := range rows {
		r[column] = strings.Repeat(" ", width-len(r[column])) + r[column]
	}
}

// lastLine is the last line: the typed text, what happened last, or the keys.
func (m *topModel) lastLine() string {
	text := "s sort  r reverse  / filter  Up Down select  w whisper  q quit"
	switch {
	case m.prompt == '/':
		text = "filter: " + termtext.Text(m.input) + "_"
	case m.prompt == 'w':
		text = "whisper: " + termtext.Text(m.input) + "_"
	case m.note != "":
		text = termtext.Text(m.note)
	}
	return termtext.Truncate(text, m.width)
}
