package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

var update = flag.Bool("update", false, "write the screens of testdata anew")

// A tester is a screen without a terminal.
type tester struct {
	*screen
	sent []string
	full bool // send refuses lines
}

func newTester(width, height int) *tester {
	t := new(tester)
	t.screen = newScreen("CHAT", "alice", func(line string) bool {
		if !t.full {
			t.sent = append(t.sent, line)
		}
		return !t.full
	}, nil)
	t.now = func() time.Time { return time.Date(2026, 11, 28, 21, 8, 0, 0, time.UTC) }
	t.Update(tea.WindowSizeMsg{Width: width, Height: height})
	return t
}

func (t *tester) press(keys ...string) (cmd tea.Cmd) {
	for _, name := range keys {
		_, cmd = t.Update(keyOf(name))
	}
	return cmd
}

// keyOf is the message of a key. Text of several characters arrives as from an input method.
func keyOf(name string) tea.KeyPressMsg {
	special := map[string]rune{"enter": tea.KeyEnter, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight,
		"pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "backspace": tea.KeyBackspace, "delete": tea.KeyDelete, "home": tea.KeyHome, "end": tea.KeyEnd, "tab": tea.KeyTab}
	if code, ok := special[name]; ok {
		return tea.KeyPressMsg{Code: code}
	}
	if letter, ok := strings.CutPrefix(name, "ctrl+"); ok {
		return tea.KeyPressMsg{Code: rune(letter[0]), Mod: tea.ModCtrl}
	}
	return tea.KeyPressMsg{Code: []rune(name)[0], Text: name}
}

// text is the visible screen, without colours, with a mark at the cursor.
func (t *tester) text() string {
	v := t.View()
	lines := strings.Split(ansi.Strip(v.Content), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + fmt.Sprintf("\ncursor %d,%d\n", v.Cursor.X, v.Cursor.Y)
}

// talk adds the entries that the golden screens show.
func (t *tester) talk() {
	t.Update(membersMsg{{name: "alice", you: true, mark: "away"}, {name: "bob"}, {name: "bob", sameName: true, mark: "receiving"}, {name: "東京の人"}, {name: strings.Repeat("long", 20)}})
	for _, e := range []entry{
		{kind: notice, text: "you are alice in CHAT"},
		{kind: notice, text: "bob enters"},
		{kind: said, from: "bob", text: "hello alice, this is a line that is too long for a screen of forty columns, and for one of eighty, too"},
		{kind: ownShout, from: "alice", text: "hi"},
		{kind: whispered, from: "東京の人 (away)", text: "こんにちは、これは端末の幅よりも長い文章です。折り返しが必要になりますので、よろしくお願いします"},
		{kind: ownWhisper, from: "bob", text: "psst"},
		{kind: warning, text: "nobody heard that: nobody else is here"},
		{kind: said, from: strings.Repeat("long", 20), text: "x"},
		{kind: said, from: "bob", text: strings.Repeat("unbroken", 12)},
	} {
		t.Update(entryMsg(e))
	}
	t.Update(tea.PasteMsg{Content: "typed 東京"})
	t.press("left")
}

func TestGoldenScreens(t *testing.T) {
	for _, c := range []struct {
		name          string
		width, height int
		more          func(*tester)
	}{
		{"80x24", 80, 24, nil},
		{"40x12", 40, 12, nil},
		{"40x12-scrolled", 40, 12, func(s *tester) { s.press("pgup") }},
		{"80x24-pasted", 80, 24, func(s *tester) { s.press("ctrl+u", "ctrl+k"); s.Update(tea.PasteMsg{Content: "one\r\n/two\nthree\n"}) }},
		{"20x5", 20, 5, nil},
		{"10x2", 10, 2, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newTester(c.width, c.height)
			s.talk()
			if c.more != nil {
				c.more(s)
			}
			file := filepath.Join("testdata", c.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(s.text()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.text(); got != string(want) {
				t.Errorf("the screen is\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// At every size each line fits, the screen has one line per row, and the cursor is visible. Earlier sizes leave no trace.
func TestEverySizeFits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := newTester(80, 24)
	s.talk()
	for _, wide := range []measure{byCodePoint, byGrapheme} {
		s.measure = wide
		for range 500 {
			width, height := random.IntN(120), random.IntN(40)
			s.Update(tea.WindowSizeMsg{Width: width, Height: height})
			s.press([]string{"pgup", "pgdown", "left", "right", "👩\u200d👧", "東", "e", "\u0301", "up", "home", "end"}[random.IntN(11)])
			v := s.View()
			if width == 0 || height == 0 {
				continue
			}
			lines := strings.Split(v.Content, "\n")
			if len(lines) != height {
				t.Fatalf("%dx%d: %d lines", width, height, len(lines))
			}
			for i, line := range lines {
				if n := wide.width(line); n > max(width, len(prompt)) {
					t.Fatalf("%dx%d: line %d has %d columns: %q", width, height, i, n, line)
				}
			}
			if v.Cursor.X >= width || v.Cursor.X < 0 || v.Cursor.Y != height-1 {
				t.Fatalf("%dx%d: cursor at %d,%d", width, height, v.Cursor.X, v.Cursor.Y)
			}
		}
	}
	s.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.press("pgdown", "pgdown", "pgdown", "pgdown")
	if s.log.below != 0 || !strings.Contains(s.text(), "nobody heard that") {
		t.Errorf("the screen is\n%s", s.text())
	}
}

func TestTyping(t *testing.T) {
	for _, c := range []struct {
		name  string
		keys  []string
		sent  []string
		input string
	}{
		{"a line", []string{"h", "i", "enter"}, []string{"hi"}, ""},
		{"nothing", []string{"enter", " ", "enter"}, nil, ""},
		{"wide characters", []string{"東京", "left", "x", "end", "backspace", "enter"}, []string{"東x"}, ""},
		{"a character of several code points", []string{"👩\u200d👧", "e", "\u0301", "backspace"}, nil, "👩\u200d👧"},
		{"an accent that is added", []string{"e", "x", "left", "\u0301", "delete"}, nil, "e\u0301"},
		{"no controls", []string{"a\x1b[31m\u0085\u202eb\tc"}, nil, "a[31mb c"},
		{"words", []string{"one two  three", "ctrl+w", "ctrl+w", "x"}, nil, "one x"},
		{"to the ends", []string{"abc", "home", "x", "end", "y", "left", "ctrl+k"}, nil, "xabc"},
		{"all before the cursor", []string{"abc", "left", "ctrl+u"}, nil, "c"},
		{"history", []string{"one", "enter", "two", "enter", "dra", "up", "up", "up"}, []string{"one", "two"}, "one"},
		{"back to the draft", []string{"one", "enter", "dra", "up", "down", "down", "ft"}, []string{"one"}, "draft"},
		{"an earlier line again", []string{"one", "enter", "up", "enter", "up", "up"}, []string{"one", "one"}, "one"},
		{"a name is completed", []string{"/msg b", "tab"}, nil, "/msg bob"},
		{"a name of several", []string{"/msg bob#", "tab", "x"}, nil, "/msg bob#0000 x"},
		{"a command", []string{"/q", "tab"}, nil, "/quit"},
		{"a command with a name", []string{"/m", "tab", "x"}, nil, "/msg x"},
		{"no command", []string{"/z", "tab", "x"}, nil, "/zx"},
		{"commands that have nothing in common", []string{"/", "tab"}, nil, "/"},
		{"text", []string{"hell", "tab", "o"}, nil, "hello"},
		{"no such name", []string{"/msg z", "tab"}, nil, "/msg z"},
		{"the end", []string{"ctrl+d"}, []string{"/quit"}, ""},
		{"delete with ctrl+d", []string{"ab", "home", "ctrl+d"}, nil, "b"},
		{"beyond the ends", []string{"left", "right", "backspace", "delete", "ctrl+w", "a", "right", "right"}, nil, "a"},
	} {
		s := newTester(80, 24)
		s.Update(membersMsg{{name: "alice", you: true}, {name: "bob"}, {name: "bob", sameName: true}})
		s.press(c.keys...)
		if !slices.Equal(s.sent, c.sent) || s.input.String() != c.input {
			t.Errorf("%s: sent %q, input %q, want %q and %q", c.name, s.sent, s.input.String(), c.sent, c.input)
		}
	}
	if cmd := newTester(80, 24).press("ctrl+c"); cmd == nil || cmd() != (tea.QuitMsg{}) {
		t.Error("ctrl+c does not quit")
	}
}

// A paste waits for Enter. If it has several lines, none is a command.
func TestPaste(t *testing.T) {
	s := newTester(80, 24)
	s.Update(tea.PasteMsg{Content: "/who\r\n/quit\rx\n\n"})
	if len(s.sent) != 0 {
		t.Fatalf("it sent %q", s.sent)
	}
	s.press("enter")
	if want := []string{"//who", "//quit", "x"}; !slices.Equal(s.sent, want) {
		t.Errorf("it sent %q, want %q", s.sent, want)
	}
	s.Update(tea.PasteMsg{Content: "/who\n"})
	s.press("enter")
	if last := s.sent[len(s.sent)-1]; last != "/who" {
		t.Errorf("one line is %q", last)
	}
	s.Update(tea.PasteMsg{Content: strings.Repeat("x", maxTyped+1)})
	if s.input.String() != "" || !strings.Contains(s.text(), "! that is too much to paste") {
		t.Errorf("the screen is\n%s", s.text())
	}
	s.Update(tea.PasteMsg{Content: "a\nb"})
	s.full = true
	s.press("enter")
	if s.input.String() != "a\nb" || !strings.Contains(s.text(), "! too many lines wait") {
		t.Errorf("the screen is\n%s", s.text())
	}
}

// The scrollback is limited, and the window keeps its place while others talk.
func TestScrollback(t *testing.T) {
	s := newTester(80, 24)
	for i := range 3 * maxEntries {
		s.Update(entryMsg{kind: said, from: "bob", text: fmt.Sprint("line ", i)})
	}
	if n := len(s.log.items); n > maxEntries {
		t.Errorf("%d entries", n)
	}
	s.press("pgup", "pgup")
	before := s.text()
	s.Update(entryMsg{kind: said, from: "bob", text: "more"})
	after := s.text()
	cut := func(screen string) string { a, _, _ := strings.Cut(screen, "──"); return a }
	if cut(before) != cut(after) || strings.Contains(after, "more") {
		t.Errorf("the window moved:\n%s\n%s", before, after)
	}
	for range 1000 {
		s.Update(entryMsg{kind: said, from: "bob", text: strings.Repeat("東", 1<<14)})
	}
	if s.log.size > maxText || len(s.log.items) > maxText/maxShown+1 {
		t.Errorf("%d entries of %d bytes", len(s.log.items), s.log.size)
	}
	s.log.below = 0
	if !strings.Contains(s.text(), "(49152") {
		t.Errorf("the screen is\n%s", s.text())
	}
}

// Whispers have their own colour. A speaker always has the same colour.
func TestColours(t *testing.T) {
	s := newTester(80, 24)
	s.talk()
	content := s.View().Content
	for _, want := range []string{"\x1b[35m(to bob) psst", "\x1b[33m! nobody heard", "\x1b[1malice: \x1b[m"} {
		if !strings.Contains(content, want) {
			t.Errorf("no %q in %q", want, content)
		}
	}
}

func TestReadLines(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		in   string
		err  error
		want []string
	}{
		{"", nil, nil},
		{"a\nb\r\n\nc", nil, []string{"a", "b", "", "c"}},
		{strings.Repeat("x", 200_000) + "\nb\n", nil, []string{"! a line is longer than 100000 bytes, and was not sent", "b"}},
		{strings.Repeat("x", 200_000), nil, []string{"! a line is longer than 100000 bytes, and was not sent"}},
		{strings.Repeat("x", 100_000) + "\r\nb", nil, []string{strings.Repeat("x", 100_000), "b"}},
		{"a\nb", broken, []string{"a", "b"}},
		{"\x00\xff\n", nil, []string{"\x00\xff"}},
	} {
		var got []string
		in := &faulty{strings.NewReader(c.in), c.err}
		err := readLines(in, 100_000, func(line string, err error) bool {
			if err != nil {
				line = "! " + err.Error()
			}
			got = append(got, line)
			return true
		})
		if !slices.Equal(got, c.want) || !errors.Is(err, c.err) {
			t.Errorf("%.20q: %.50q, %v", c.in, got, err)
		}
	}
}

// faulty is a reader that ends with an error.
type faulty struct {
	*strings.Reader
	err error
}

func (f *faulty) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && f.err != nil {
		err = f.err
	}
	return n, err
}
