package main

import (
	"strings"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// maxTyped is how many characters the input line takes.
const maxTyped = 32000

// An editor is the input line. It works on characters as readers see them, which may have several code points and be wide. The text may
// contain pasted line breaks.
type editor struct {
	text   []string
	at     int // the cursor is before text[at]
	offset int // the first visible character
}

// insert puts s before the cursor, and reports whether there is room for it.
func (e *editor) insert(s string) bool {
	s = printableInput(s)
	if s == "" {
		return true
	}
	if len(s)+len(e.text) > maxTyped && len(characters(s))+len(e.text) > maxTyped {
		return false
	}
	before := strings.Join(e.text[:e.at], "") + s
	after := strings.Join(e.text[e.at:], "")
	e.text = characters(before + after)
	e.at = 0
	for n := 0; e.at < len(e.text) && n < len(before); e.at++ { // a combining character may have joined the character before it
		n += len(e.text[e.at])
	}
	return true
}

func characters(s string) (list []string) {
	for it := graphemes.FromString(s); it.Next(); {
		list = append(list, it.Value())
	}
	return list
}

func (e *editor) String() string { return strings.Join(e.text, "") }

// set replaces the text.
func (e *editor) set(s string) {
	e.text, e.offset = characters(s), 0
	e.at = len(e.text)
}

// move moves the cursor by n characters.
func (e *editor) move(n int) { e.at = min(max(e.at+n, 0), len(e.text)) }

// delete deletes the characters from the cursor to n characters further on, or before it.
func (e *editor) delete(n int) {
	from, to := e.at, min(max(e.at+n, 0), len(e.text))
	if from > to {
		from, to = to, from
	}
	e.text = append(e.text[:from:from], e.text[to:]...)
	e.at = from
}

// word returns the distance to the beginning of the word before the cursor, as a negative number, or to the end of the next word.
func (e *editor) word(step int) int {
	at := e.at
	blank := func() bool {
		i := at
		if step < 0 {
			i--
		}
		return strings.TrimSpace(e.text[i]) == ""
	}
	inside := func() bool { return step < 0 && at > 0 || step > 0 && at < len(e.text) }
	for inside() && blank() {
		at += step
	}
	for inside() && !blank() {
		at += step
	}
	return at - e.at
}

// view returns the visible part of the text, in at most that many columns, and the column of the cursor. A line break shows as ⏎.
func (e *editor) view(columns int, width func(string) int) (shown string, cursor int) {
	if columns <= 0 {
		return "", 0
	}
	e.offset = min(e.offset, e.at)
	least, n := e.at, 0 // the least offset that keeps the cursor visible
	for least > 0 {
		if n += width(symbol(e.text[least-1])); n > columns-1 {
			break
		}
		least--
	}
	e.offset = max(e.offset, least)
	var b strings.Builder
	for i, n := e.offset, 0; i < len(e.text); i++ {
		if i == e.at {
			cursor = n
		}
		s := symbol(e.text[i])
		if n += width(s); n > columns {
			break
		}
		b.WriteString(s)
	}
	if e.at == len(e.text) {
		cursor = width(b.String())
	}
	return b.String(), cursor
}

func symbol(character string) string {
	if character == "\n" {
		return "⏎"
	}
	return character
}

// A history holds the lines that were sent, the newest last.
type history struct {
	lines []string
	at    int    // the one in the input line; len(lines) if none
	draft string // what was typed before that
}

// add records a line that was sent.
func (h *history) add(line string) {
	if n := len(h.lines); n == 0 || h.lines[n-1] != line {
		h.lines = append(h.lines, line)
	}
	if len(h.lines) > 500 {
		h.lines = h.lines[1:]
	}
	h.at = len(h.lines)
}

// step moves n lines on and returns that line, and whether there is one. current is the text of the input line.
func (h *history) step(n int, current string) (string, bool) {
	to := h.at + n
	if to < 0 || to > len(h.lines) {
		return "", false
	}
	if h.at == len(h.lines) {
		h.draft = current
	}
	if h.at = to; to == len(h.lines) {
		return h.draft, true
	}
	return h.lines[to], true
}
