package main

import (
	"strings"
	"time"

	"github.com/go-zre/go-zre/internal/termtext"
)

// Limits of the scrollback.
const (
	maxEntries = 5000
	maxText    = 1 << 20 // bytes of all entries
	maxShown   = 8 << 10 // bytes of one
	maxName    = 24      // columns
)

// A scrollback holds the entries and the position of the screen in them.
type scrollback struct {
	items []item
	size  int // bytes of all their texts
	rows  []row
	below int // rows below the window: 0 at the end

	columns int
	wrap    func(s string, columns int) string
}

// An item is an entry and its time.
type item struct {
	entry
	at time.Time
}

// A row is the part of an entry that fits on one screen row.
type row struct {
	kind   kind
	time   string // only in the first row of an entry
	prefix string // the name and its decoration, only in the first row
	text   string
}

// add appends an entry. A window that is not at the end keeps its place.
func (s *scrollback) add(e entry, at time.Time) {
	if len(e.text) > maxShown {
		cut := maxShown
		for cut > 0 && e.text[cut]&0xC0 == 0x80 {
			cut--
		}
		e.text = e.text[:cut] + "… (" + count(len(e.text), "byte") + ")"
	}
	e.from = termtext.Truncate(e.from, maxName)
	s.items = append(s.items, item{e, at})
	s.size += len(e.text)
	if s.columns > 0 {
		added := s.rowsOf(s.items[len(s.items)-1])
		s.rows = append(s.rows, added...)
		if s.below > 0 {
			s.below += len(added)
		}
	}
	if len(s.items) > maxEntries || s.size > maxText {
		s.dropOldest()
	}
}

// dropOldest drops the oldest tenth.
func (s *scrollback) dropOldest() {
	n := 0
	for n < len(s.items)-1 && (n < maxEntries/10 || s.size > maxText/10*9) {
		s.size -= len(s.items[n].text)
		n++
	}
	s.items = append([]item(nil), s.items[n:]...)
	s.layout()
}

// resize wraps all entries to a width.
func (s *scrollback) resize(columns int, wrap func(string, int) string) {
	s.columns, s.wrap = columns, wrap
	s.layout()
}

func (s *scrollback) layout() {
	s.rows = nil
	for _, i := range s.items {
		s.rows = append(s.rows, s.rowsOf(i)...)
	}
	s.below = min(s.below, max(0, len(s.rows)-1))
}

// rowsOf wraps an entry.
func (s *scrollback) rowsOf(i item) (list []row) {
	columns := s.columns
	stamp := ""
	if columns >= 50 {
		stamp = i.at.Format("15:04 ")
		columns -= len(stamp)
	}
	opening := i.opening()
	for n, line := range strings.Split(s.wrap(opening+i.text, max(columns, 1)), "\n") {
		r := row{kind: i.kind, text: line, time: stamp}
		if n > 0 {
			r.time = strings.Repeat(" ", len(stamp))
		} else if rest, ok := strings.CutPrefix(line, opening); ok {
			r.prefix, r.text = opening, rest
		}
		list = append(list, r)
	}
	return list
}

// scroll moves the window by n rows, up if n is positive.
func (s *scrollback) scroll(n, height int) {
	s.below = min(max(s.below+n, 0), max(0, len(s.rows)-height))
}

// window returns the visible rows.
func (s *scrollback) window(height int) []row {
	end := len(s.rows) - s.below
	return s.rows[max(0, end-height):end]
}
