package main

import (
	"context"
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/go-zre/go-zre/internal/termtext"
	"github.com/go-zre/go-zre/zre"
)

// keyHelp describes the keys of the screen.
const keyHelp = `
Up, Down    recalls earlier lines
PgUp, PgDn  scrolls
Tab         completes a command or a name
Enter       says the line; of a paste each line
Ctrl-C      leaves at once
`

// waiting is how many lines may wait to be sent when a peer is slow.
const waiting = 1000

// A screen is the chat on a terminal: a bubbletea model. It knows no node: lines go out through send, and entries and members come in as
// messages.
type screen struct {
	group, name   string
	width, height int

	log     scrollback
	input   editor
	history history
	members []member

	send    func(line string) bool // passes a line to the room; false if too many wait
	busy    func() bool            // whether lines wait to be sent
	now     func() time.Time
	measure measure
}

// measure is how a terminal counts columns: by code points, or by grapheme if the terminal says so.
type measure struct {
	width func(string) int
	wrap  func(s string, columns int) string
}

var (
	byCodePoint = measure{ansi.StringWidthWc, func(s string, n int) string { return ansi.WrapWc(s, n, "") }}
	byGrapheme  = measure{ansi.StringWidth, func(s string, n int) string { return ansi.Wrap(s, n, "") }}
)

func newScreen(group, name string, send func(string) bool, busy func() bool) *screen {
	return &screen{group: termtext.Text(group), name: termtext.Text(name), send: send, busy: busy, now: time.Now, measure: byCodePoint}
}

// Messages from the room.
type (
	entryMsg   entry
	membersMsg []member
)

// onScreen is the display that passes everything to the screen.
type onScreen struct{ program *tea.Program }

func (d onScreen) show(e entry)             { d.program.Send(entryMsg(e)) }
func (d onScreen) setMembers(list []member) { d.program.Send(membersMsg(list)) }
func (d onScreen) maxBytes() int            { return maxShown }

// runScreen chats on the terminal until /quit, Ctrl-C, Ctrl-D, or ctx.
func runScreen(ctx context.Context, node *zre.Node, group string) error {
	chatting, stop := context.WithCancel(ctx)
	defer stop()
	lines := make(chan string, waiting)
	send := func(line string) bool {
		select {
		case lines <- line:
			return true
		default:
			return false
		}
	}
	program := tea.NewProgram(newScreen(group, node.Name(), send, func() bool { return len(lines) > 0 }), tea.WithoutSignalHandler())
	ended := make(chan error, 1)
	go func() {
		_, err := program.Run()
		stop()
		ended <- err
	}()
	err := newRoom(node, group, onScreen{program}).run(chatting, lines)
	go program.Quit()
	select {
	case broken := <-ended:
		if ctx.Err() == nil { // otherwise the terminal may be gone, too
			err = errors.Join(err, broken)
		}
	case <-time.After(2 * time.Second): // the terminal reads nothing; do not delay the farewell for it
	}
	return err
}

// Init implements tea.Model.
func (s *screen) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = msg.Width, msg.Height
		s.layout()
	case tea.ModeReportMsg:
		if msg.Mode == ansi.ModeUnicodeCore && (msg.Value.IsSet() || msg.Value.IsReset()) {
			s.measure = byGrapheme // bubbletea draws this way from now on
			s.layout()
		}
	case entryMsg:
		s.log.add(entry(msg), s.now())
	case membersMsg:
		s.members = msg
	case tea.PasteMsg:
		s.paste(msg.Content)
	case tea.KeyPressMsg:
		return s, s.press(msg)
	}
	return s, nil
}

// press executes the action of a key.
func (s *screen) press(key tea.KeyPressMsg) tea.Cmd {
	in := &s.input
	switch key.String() {
	case "ctrl+c":
		return tea.Quit
	case "ctrl+d":
		if len(in.text) == 0 {
			s.send("/quit")
			return nil
		}
		in.delete(1)
	case "ctrl+z":
		return tea.Suspend
	case "ctrl+l":
		return tea.ClearScreen
	case "enter", "ctrl+j":
		s.enter()
	case "up", "ctrl+p":
		s.recall(-1)
	case "down", "ctrl+n":
		s.recall(1)
	case "pgup":
		s.log.scroll(max(1, s.rows()-1), s.rows())
	case "pgdown":
		s.log.scroll(-max(1, s.rows()-1), s.rows())
	case "shift+up":
		s.log.scroll(1, s.rows())
	case "shift+down":
		s.log.scroll(-1, s.rows())
	case "tab":
		s.complete()
	default:
		s.edit(key)
	}
	return nil
}

// edit applies a key to the input line.
func (s *screen) edit(key tea.KeyPressMsg) {
	in := &s.input
	switch key.String() {
	case "left", "ctrl+b":
		in.move(-1)
	case "right", "ctrl+f":
		in.move(1)
	case "home", "ctrl+a":
		in.move(-in.at)
	case "end", "ctrl+e":
		in.move(len(in.text))
	case "ctrl+left", "alt+left", "alt+b":
		in.move(in.word(-1))
	case "ctrl+right", "alt+right", "alt+f":
		in.move(in.word(1))
	case "backspace", "ctrl+h", "shift+backspace":
		in.delete(-1)
	case "delete":
		in.delete(1)
	case "ctrl+w", "alt+backspace", "ctrl+backspace":
		in.delete(in.word(-1))
	case "alt+d", "ctrl+delete":
		in.delete(in.word(1))
	case "ctrl+u":
		in.delete(-in.at)
	case "ctrl+k":
		in.delete(len(in.text))
	default:
		if !in.insert(key.Text) {
			s.warn("the line is full")
		}
	}
}

func (s *screen) warn(text string) { s.log.add(entry{kind: warning, text: text}, s.now()) }

// paste puts text into the input line, where it waits for Enter. It drops a final line break.
func (s *screen) paste(text string) {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	if !s.input.insert(strings.TrimRight(text, "\n")) {
		s.warn("that is too much to paste; pipe it into zrechat instead: zrechat <FILE")
	}
}

// enter sends the input line. It sends several lines one by one, none of them as a command.
func (s *screen) enter() {
	text := s.input.String()
	if strings.TrimSpace(text) == "" {
		s.input.set("")
		return
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if len(lines) > 1 {
			line = escapeCommand(line)
		}
		if !s.send(line) {
			s.warn("too many lines wait to be sent; this is not sent yet")
			s.input.set(strings.Join(lines[i:], "\n"))
			return
		}
	}
	s.history.add(text)
	s.input.set("")
	s.log.below = 0
}

// recall puts an earlier or later line into the input line.
func (s *screen) recall(n int) {
	if line, ok := s.history.step(n, s.input.String()); ok {
		s.input.set(line)
	}
}

// complete completes a command or the name after /msg: fully if there is one match, otherwise up to the common prefix.
func (s *screen) complete() {
	text := s.input.String()
	if s.input.at < len(s.input.text) {
		return
	}
	before, list := "", []string{"/away", "/back", "/help", "/msg ", "/quit", "/who"}
	if begun, ok := strings.CutPrefix(text, "/msg "); ok && begun != "" {
		before, text, list = "/msg ", begun, nil
		for _, m := range s.members {
			if !m.you {
				list = append(list, m.title()+" ")
			}
		}
	} else if len(text) < 2 {
		return
	}
	var fits []string
	for _, candidate := range list {
		if strings.HasPrefix(strings.ToLower(candidate), strings.ToLower(text)) {
			fits = append(fits, candidate)
		}
	}
	if common := inCommon(fits); len(common) > len(text) {
		s.input.set(before + common)
	}
}

// inCommon returns the longest common prefix of the list.
func inCommon(list []string) string {
	if len(list) == 0 {
		return ""
	}
	common := []rune(list[0])
	for _, s := range list[1:] {
		n := 0
		for _, r := range s {
			if n == len(common) || common[n] != r {
				break
			}
			n++
		}
		common = common[:n]
	}
	return string(common)
}
