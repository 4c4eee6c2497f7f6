// Package termtext makes strangers' text safe to print: names, headers, messages, causes of errors. Characters that could control a terminal,
// or change the order in which text is read, are shown as escapes.
//
// A program calls Text once, on the text from outside; then Width, Truncate and Pad fit the result into the columns of a terminal.
package termtext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Text returns s on one line. It replaces each control character (C0, DEL, C1), line or paragraph separator, bidirectional or other format
// character, code point that Unicode does not assign, and byte that is not UTF-8 by an escape of Go's string literals (\n, \x1b, \u202e).
// It leaves everything else unchanged, also a backslash: the result is for reading, not for parsing. A joiner between two characters beyond
// ASCII stays, because emoji and some scripts need it.
func Text(s string) string {
	clean := true
	for _, r := range s {
		if r == utf8.RuneError || !isPrintable(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	var before rune
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case isPrintable(r), isJoiner(r) && mayTouchJoiner(before) && mayTouchJoiner(next(s[i+size:])):
			b.WriteString(s[i : i+size])
		default:
			b.WriteString(escape(r))
		}
		before = r
		i += size
	}
	return b.String()
}

// isPrintable tells whether a character may be printed unchanged. U+FFFD may, if it is really in s.
func isPrintable(r rune) bool { return unicode.IsPrint(r) || unicode.Is(unicode.Zs, r) }

func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// mayTouchJoiner tells whether a joiner may stand beside r.
func mayTouchJoiner(r rune) bool {
	return r > unicode.MaxASCII && r != utf8.RuneError && unicode.IsPrint(r)
}

func next(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

func escape(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r > 0xFFFF:
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// Width returns how many columns of a terminal s takes: two for a wide character, none for a combining one.
func Width(s string) int { return ansi.StringWidth(s) }

// Truncate returns s if it takes at most width columns, otherwise its beginning and an ellipsis, which together do. It cuts no character in
// two.
func Truncate(s string, width int) string {
	if width <= 0 {
		return ""
	}
	return ansi.Truncate(s, width, "…")
}

// Pad returns s in exactly width columns: truncated, or with spaces behind it.
func Pad(s string, width int) string {
	s = Truncate(s, width)
	return s + strings.Repeat(" ", max(0, width-Width(s)))
}

// JSON does for a JSON text what Text does for others: such characters become \u escapes, so the text means the same. It returns text
// itself if there is nothing to escape. The text must be valid JSON, as encoding/json writes it.
func JSON(text []byte) []byte {
	clean := true
	for _, c := range text {
		if c >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r < 0x7f, isPrintable(r) && r != utf8.RuneError:
			out = append(out, text[i:i+size]...)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				out = fmt.Appendf(out, `\u%04x`, unit)
			}
		}
		i += size
	}
	return out
}
