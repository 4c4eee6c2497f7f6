package zre

import (
	"errors"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"alice":             "alice",
		"Zoë 日本":            "Zoë 日本",
		`a "quoted" \ name`: `a "quoted" \\ name`,
		"bell\a\x7f":        `bell\a\x7f`,
		"csi\u009b2J":       `csi\u009b2J`,
		"a\u202egnp.exe":    `a\u202egnp.exe`,
		"a\u2066b\u200bc":   `a\u2066b\u200bc`,
		"two\nlines\r":      `two\nlines\r`,
		"\xff\xfe":          `\xff\xfe`,
		"a\u00a0b":          `a\u00a0b`,
		"tag\U000e0041":     `tag\U000e0041`,
	} {
		if got := clean(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, test := range []struct {
		text    string
		columns int
		want    string
	}{
		{"alice", 5, "alice"}, {"alices", 5, "ali…"}, {"日本", 4, "日本"}, {"日本語", 5, "日…"}, {"日本語", 4, "日…"}, {"", 0, ""}, {"ab", 2, "ab"}, {"abc", 2, "…"},
	} {
		if got := fit(test.text, test.columns); got != test.want || width(got) > test.columns {
			t.Errorf("%q in %d columns: %q, want %q", test.text, test.columns, got, test.want)
		}
	}
}

func TestUnits(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 64 << 20: "64.0 MiB", 1<<63 - 1: "8.0 EiB"} {
		if got := size(bytes); got != want {
			t.Errorf("%d: %s, want %s", bytes, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		312_456 * time.Nanosecond: "312µs", 1_234_567 * time.Nanosecond: "1.23ms", 61*time.Second + time.Millisecond: "1m1s",
		3*time.Hour + 2*time.Minute + time.Second: "3h2m", 720 * time.Hour: "30d",
	} {
		if got := rounded(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// refusing is a writer that always fails.
type refusing struct{}

var errRefused = errors.New("no")

func (refusing) Write([]byte) (int, error) { return 0, errRefused }

func TestDumpBeforeStart(t *testing.T) {
	node, err := NewNode(WithName("evil\x1b[2J\u202e"))
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if err := node.Join("CHAT"); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := node.Dump(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`node evil\x1b[2J\u202e`, node.UUID().String(), "not started", "groups: ", "peers: 0", "problems: 0"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if err := node.Dump(refusing{}); err != errRefused {
		t.Errorf("the writer's error comes as %v", err)
	}
}

func TestVersion(t *testing.T) {
	of := func(main, dep debug.Module) *debug.BuildInfo {
		return &debug.BuildInfo{Main: main, Deps: []*debug.Module{{Path: "example.org/x", Version: "v9"}, &dep}}
	}
	app := debug.Module{Path: "example.org/app", Version: "v7.0.0"}
	for _, test := range []struct {
		name string
		info *debug.BuildInfo
		want string
	}{
		{"none", nil, ""},
		{"a command of ours", of(debug.Module{Path: modulePath, Version: "v1.2.3"}, app), "v1.2.3"},
		{"a program that uses us", of(app, debug.Module{Path: modulePath, Version: "v1.2.3"}), "v1.2.3"},
		{"a fork of it", of(app, debug.Module{Path: modulePath, Version: "v1.2.3", Replace: &debug.Module{Path: "example.org/fork", Version: "v1.2.4"}}), "v1.2.4"},
		{"another program", of(app, debug.Module{Path: "example.org/y"}), ""},
	} {
		if got := recordedVersion(test.info); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	if Version() == "" {
		t.Error("no version")
	}
}
