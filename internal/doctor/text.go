package doctor

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"unicode"
)

// clean makes text of others fit for a terminal: what is not printable could steer it.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// complaints is where the node logs. It keeps what a person can use of the first lines.
type complaints struct {
	mu    sync.Mutex
	lines []string
}

const maxComplaints = 20

// Write takes one line of zerolog's.
func (c *complaints) Write(line []byte) (int, error) {
	var l struct{ Message, Interface, To, Error string }
	if err := json.Unmarshal(line, &l); err != nil {
		return len(line), nil // nothing a person can use
	}
	text := strings.TrimPrefix(l.Message, "beacon: ")
	if l.Interface != "" {
		text += " on " + l.Interface
	}
	if l.To != "" {
		text += " to " + l.To
	}
	if l.Error != "" {
		text += ": " + l.Error
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lines) < maxComplaints {
		c.lines = append(c.lines, clean(text))
	}
	return len(line), nil
}

func (c *complaints) list() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.lines...)
}

// count is "one node" or "7 nodes".
func count(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
