package cert

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-zre/go-zre/internal/z85"
)

// A certificate is written in ZPL (RFC 4): lines of name = value, indented by four spaces below the section they are in.

const (
	maxFile  = 64 << 10 // bytes of a file
	maxMeta  = 100      // properties
	maxValue = 1000     // bytes of a property: czmq cuts lines at 1,024
	indent   = 4
)

const sectionMeta, sectionCurve = "metadata", "curve"
const namePublic, nameSecret = "public-key", "secret-key"

// line is one property of a ZPL text, or the beginning of a section, which has an empty value.
type line struct {
	level       int // indentation depth; 0 at the left
	name, value string
}

// parseLine parses a line. It returns no name for an empty line and for a comment.
func parseLine(text string) (l line, err error) {
	text = strings.TrimRight(text, "\r")
	rest := strings.TrimLeft(text, " ")
	spaces := len(text) - len(rest)
	if rest = strings.TrimLeft(rest, " \t"); rest == "" || rest[0] == '#' {
		return line{}, nil
	}
	if spaces%indent != 0 || text[spaces] == '\t' {
		return line{}, fmt.Errorf("a line is indented by %d spaces, or tabs, and not by a multiple of %d spaces", spaces, indent)
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return !isNameChar(r) })
	if end < 0 {
		end = len(rest)
	}
	l = line{level: spaces / indent, name: rest[:end]}
	if l.name == "" {
		return line{}, fmt.Errorf("%q where a name was expected", firstOf(rest))
	}
	rest = strings.Trim(rest[end:], " \t")
	if rest == "" || rest[0] == '#' {
		return l, nil
	}
	if rest[0] != '=' {
		return line{}, fmt.Errorf("%q after the name %q, where = was expected", firstOf(rest), l.name)
	}
	l.value, err = parseValue(strings.TrimLeft(rest[1:], " \t"))
	return l, err
}

// parseValue reads a value and the rest of its line: it ends with its quote, or, without quotes, at a comment.
func parseValue(text string) (string, error) {
	if strings.ContainsRune(text, 0) {
		return "", fmt.Errorf("a value is not text")
	}
	if text == "" || text[0] != '"' && text[0] != '\'' {
		value, _, _ := strings.Cut(text, "#")
		return strings.TrimRight(value, " \t"), nil
	}
	value, tail, closed := strings.Cut(text[1:], text[:1])
	if !closed {
		return "", fmt.Errorf("a value has no closing %c", text[0])
	}
	if tail = strings.TrimLeft(tail, " \t"); tail != "" && tail[0] != '#' {
		return "", fmt.Errorf("%q after a value's quotes", firstOf(tail))
	}
	return value, nil
}

func firstOf(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	return s[:size]
}

func isNameChar(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("$-_@.&+/", r)
}

// Parse reads the text of a public or a secret certificate; the keys of a secret one must belong together. It leaves out what it does not
// know. The error wraps ErrFormat or ErrMismatch.
func Parse(text []byte) (*Certificate, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrFormat, len(text), maxFile)
	}
	p := parser{c: &Certificate{}}
	number := 0
	for octets := range bytes.SplitSeq(text, []byte("\n")) {
		number++
		l, err := parseLine(string(octets))
		if err == nil && l.name != "" {
			err = p.add(l)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrFormat, number, err)
		}
	}
	if p.c.public == (Key{}) {
		return nil, fmt.Errorf("%w: it has no %s in a section %s", ErrFormat, namePublic, sectionCurve)
	}
	if err := p.c.checkPair(); err != nil {
		return nil, err
	}
	return p.c, nil
}

// parser is the state of Parse.
type parser struct {
	c       *Certificate
	section string
	depth   int // of the line before
}

func (p *parser) add(l line) error {
	if l.level > p.depth+1 || p.section == "" && l.level > 0 {
		return fmt.Errorf("%q is indented too far", l.name)
	}
	p.depth = l.level
	switch {
	case l.level == 0:
		p.section = l.name
	case l.level == 1 && p.section == sectionMeta:
		if len(p.c.meta) == maxMeta {
			return fmt.Errorf("more than %d properties", maxMeta)
		}
		if p.c.Get(l.name) != "" {
			return fmt.Errorf("the property %q is given twice", l.name)
		}
		p.c.meta = append(p.c.meta, Meta{l.name, l.value})
	case l.level == 1 && p.section == sectionCurve && l.name == namePublic:
		return p.key(&p.c.public, l)
	case l.level == 1 && p.section == sectionCurve && l.name == nameSecret:
		return p.key(&p.c.secret, l)
	}
	return nil
}

func (p *parser) key(to *Key, l line) error {
	if *to != (Key{}) {
		return fmt.Errorf("the %s is given twice", l.name)
	}
	key, err := z85.Key(l.value)
	if err != nil {
		return fmt.Errorf("the %s is no key: %w", l.name, err) // without the value, which may be a secret
	}
	*to = key
	return nil
}

// writable checks that a property is read back as it was written, by czmq too.
func writable(name, value string) error {
	switch {
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isNameChar(r) }):
		return fmt.Errorf("property %q: the name %w: it has letters, digits and $-_@.&+/", name, ErrMeta)
	case strings.ContainsAny(value, "\r\n\x00") || !utf8.ValidString(value):
		return fmt.Errorf("property %q: the value %q %w: it is one line of UTF-8", name, value, ErrMeta)
	case strings.Contains(value, `"`) && strings.Contains(value, `'`):
		return fmt.Errorf("property %q: the value %q %w: it has both kinds of quotes", name, value, ErrMeta)
	case len(name)+len(value) > maxValue:
		return fmt.Errorf("property %q: the value of %d bytes %w: name and value have at most %d bytes", name, len(value), ErrMeta, maxValue)
	}
	return nil
}

const (
	headPublic = `#   ****  Generated on %s by go-zre  ****
#   ZeroMQ CURVE Public Certificate
#   Copy this file to the nodes that are to let its owner in, by a way
#   that you trust. It is no secret.

`
	headSecret = `#   ****  Generated on %s by go-zre  ****
#   ZeroMQ CURVE **Secret** Certificate
#   DO NOT GIVE THIS FILE AWAY, nor change its permissions.

`
)

// text returns the content of a file: the secret certificate, or the public one.
func (c *Certificate) text(secret bool, now time.Time) []byte {
	var b bytes.Buffer
	head := headPublic
	if secret {
		head = headSecret
	}
	fmt.Fprintf(&b, head, now.Format(time.DateTime))
	fmt.Fprintln(&b, sectionMeta)
	for _, m := range c.meta {
		quote := `"`
		if strings.Contains(m.Value, quote) {
			quote = `'`
		}
		fmt.Fprintf(&b, "    %s = %s%s%s\n", m.Name, quote, m.Value, quote)
	}
	fmt.Fprintf(&b, "%s\n    %s = \"%s\"\n", sectionCurve, namePublic, z85.Encode(c.public[:]))
	if secret {
		fmt.Fprintf(&b, "    %s = \"%s\"\n", nameSecret, z85.Encode(c.secret[:]))
	}
	return b.Bytes()
}
