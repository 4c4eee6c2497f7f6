package doctor

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/go-zre/go-zre/internal/srv"
	"github.com/go-zre/go-zre/internal/termtext"
	"github.com/go-zre/go-zre/zre"
)

// clean makes others' text safe for a terminal: unprintable characters could control it.
func clean(s string) string { return termtext.Text(s) }

// nodeLog is the node's log. It keeps what is useful to a person, from the first lines.
type nodeLog struct {
	names []string // of SRV records, which are looked up anyway

	mu    sync.Mutex
	lines []string
}

func (c *Config) nodeLog() *nodeLog {
	list := new(nodeLog)
	for _, domain := range c.SRV {
		if name, err := srv.Name(domain); err == nil { // else the node refuses it
			list.names = append(list.names, name)
		}
	}
	return list
}

const maxComplaints = 20

// Write takes one line of zerolog's.
func (c *nodeLog) Write(line []byte) (int, error) {
	var l struct {
		Message, Interface, To, Error string
		Call                          string // of package beacon, whose failures are facts
		Problem, About, Reason        string
		Name                          string // of SRV records
	}
	err := json.Unmarshal(line, &l)
	switch {
	case err != nil || l.Call != "", slices.Contains(c.names, l.Name), slices.Contains(c.names, l.About), l.Problem == zre.ProblemDNS.String() && strings.HasPrefix(l.About, "tcp://"), l.Problem == zre.ProblemUnreachable.String(), l.Problem == zre.ProblemConflict.String(),
		slices.Contains(securityProblems, l.Problem):
		return len(line), nil // nothing a person can use, or about names, named peers and twins, which are looked for
	case l.Problem != "":
		l.Error = l.Reason
	}
	text := strings.TrimPrefix(l.Message, "beacon: ")
	if l.Interface != "" {
		text += " on " + l.Interface
	}
	switch {
	case l.Problem != "":
		text += " (" + l.About + ")"
	case l.To != "":
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

func (c *nodeLog) list() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.lines...)
}

// count returns "one node" or "7 nodes".
func count(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// seconds returns "3 s" or "2.5 s".
func seconds(ms int64) string { return fmt.Sprint(math.Round(float64(ms)/100)/10, " s") }
