package doctor

import (
	"encoding/json"
	"fmt"
	"math"
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
	var l struct {
		Message, Interface, To, Error string
		Endpoint                      string   // of a peer that was named
		Sources                       []string // of an address where a peer may be
	}
	if err := json.Unmarshal(line, &l); err != nil || l.Endpoint != "" || l.Sources != nil {
		return len(line), nil // nothing a person can use, or about peers that were named, which are tested
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

// seconds is "3 s" or "2.5 s".
func seconds(ms int64) string { return fmt.Sprint(math.Round(float64(ms)/100)/10, " s") }
