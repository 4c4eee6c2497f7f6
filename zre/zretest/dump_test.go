package zretest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// The page of a node lists its peers. Names of peers cannot break out of their line or widen it.
func TestDump(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("a"), zre.WithPeers("tcp://10.0.0.99:5671"))
		if err := a.Contest("CHAT"); err != nil {
			t.Fatal(err)
		}
		host := lan.Host("10.0.0.2")
		names := []string{"bob", "evil\x1b[2J\nnode\u202e\u0085", strings.Repeat("日", 80), strings.Repeat("\x01", 255)}
		for _, name := range names {
			zretest.Start(t, host, zre.WithName(name), zre.WithContest("CHAT"), zre.WithContest(strings.Repeat("g", 255)))
		}
		for i := range 120 {
			if err := a.Join(fmt.Sprintf("group-%03d-%s", i, strings.Repeat("x", 200))); err != nil {
				t.Fatal(err)
			}
		}
		advance(5 * time.Second)
		for _, p := range a.Peers() {
			if p.Name == "bob" {
				if _, err := a.Ping(t.Context(), p.UUID); err != nil {
					t.Fatal(err)
				}
			}
		}
		var out strings.Builder
		if err := a.Dump(&out); err != nil {
			t.Fatal(err)
		}
		page := out.String()
		t.Log(page)
		lines := strings.Split(strings.TrimSuffix(page, "\n"), "\n")
		if len(lines) > 150 {
			t.Errorf("the dump has %d lines", len(lines))
		}
		for _, line := range lines {
			if n := len([]rune(line)); n > 120 {
				t.Errorf("a line of the dump has %d characters: %s", n, line)
			}
			if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("a line of the dump is not printable: %q", line)
			}
		}
		for _, want := range []string{"  bob ", "2ms  tcp://10.0.0.2:", `evil\x1b[2J\nn…`, "peers: 4", "led by ", "groups: 121", "  and 21 more", "problems: 1",
			"unreachable tcp://10.0.0.99:5671", "enters     4; exits: none"} {
			if !strings.Contains(page, want) {
				t.Errorf("the dump does not contain %q", want)
			}
		}
	})
}
