package node

import (
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/discovery"
)

// nameOf returns the name of an action; empty for an empty cell.
func nameOf(a action) string {
	if a == nil {
		return ""
	}
	name := runtime.FuncForPC(reflect.ValueOf(a).Pointer()).Name()
	return name[strings.LastIndexByte(name, '.')+1:]
}

// tablesOf reads the Markdown tables of a text: rows of cells, with the header first.
func tablesOf(text string) (tables [][][]string) {
	in := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		is := strings.HasPrefix(line, "|")
		if is && !in {
			tables = append(tables, nil)
		}
		if in = is; !is || strings.Trim(line, "|-") == "" {
			continue
		}
		row := strings.Split(strings.Trim(line, "|"), "|")
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		last := len(tables) - 1
		tables[last] = append(tables[last], row)
	}
	return tables
}

func architecture(t *testing.T) [][][]string {
	text, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	return tablesOf(string(text))
}

// The table of sessions equals that of docs/architecture.md, which may split it into parts.
func TestArchitecture(t *testing.T) {
	type place struct {
		event event
		state state
	}
	documented := make(map[place]string)
	for _, rows := range architecture(t) {
		if rows[0][0] != "event" || slices.Index(stateNames[:], rows[0][1]) < 0 {
			continue
		}
		for _, row := range rows[1:] {
			e := slices.Index(eventNames[:], row[0])
			if e < 0 || len(row) != len(rows[0]) {
				t.Errorf("docs/architecture.md has a row without an event, or without a cell for each state: %q", row)
				continue
			}
			for i, action := range row[1:] {
				s := slices.Index(stateNames[:], rows[0][i+1])
				if s < 0 {
					t.Fatalf("docs/architecture.md has a column for an unknown state: %q", rows[0][i+1])
				}
				at := place{event(e), state(s)}
				if _, twice := documented[at]; twice {
					t.Errorf("%v, %v: docs/architecture.md has the cell twice", at.event, at.state)
				}
				documented[at] = action
			}
		}
	}
	for e := range eventCount {
		for s := range stateCount {
			action, found := documented[place{e, s}]
			if want := nameOf(table[e][s]); !found || action != want {
				t.Errorf("%v, %v: the code has %q, docs/architecture.md has %q", e, s, want, action)
			}
		}
	}
}

// The graces equal those of docs/architecture.md.
func TestArchitectureGraces(t *testing.T) {
	graces := map[string]time.Duration{
		"greetGrace": greetGrace, "confirmGrace": confirmGrace, "awaitGrace": awaitGrace, "backGrace": backGrace, "promptGrace": promptGrace, "endingGrace": endingGrace, "ourEndingGrace": ourEndingGrace,
		"refusalGrace": refusalGrace, "farewellGrace": farewellGrace, "redialGrace": redialGrace, "occupantGrace": occupantGrace,
		"shortestRivalGrace": shortestRivalGrace, "longestRivalGrace": longestRivalGrace, "helloGrace": helloGrace, "answerGrace": answerGrace,
		"discovery.AnswerTime": discovery.AnswerTime, "askGrace": askGrace, "unknownGrace": unknownGrace, "pathGrace": pathGrace, "shortSession": shortSession,
		"formerFor": formerFor, "unreachableFor": unreachableFor, "droppedFor": droppedFor, "unreadCheckPause": unreadCheckPause, "answerTime": answerTime, "hintTime": hintTime, "refusedFor": refusedFor, "askAgainAfter": askAgainAfter, "authorizeTimeout": authorizeTimeout,
	}
	for _, rows := range architecture(t) {
		if rows[0][0] != "name" || rows[0][1] != "how long" {
			continue
		}
		for _, row := range rows[1:] {
			name := strings.Trim(row[0], "`")
			want, known := graces[name]
			got, err := time.ParseDuration(strings.ReplaceAll(strings.ReplaceAll(row[1], " ", ""), "min", "m"))
			if !known || err != nil || got != want {
				t.Errorf("%s: the code has %v, docs/architecture.md %q %v", name, want, row[1], err)
			}
			delete(graces, name)
		}
	}
	for name := range graces {
		t.Errorf("%s is not in docs/architecture.md", name)
	}
}
