//go:build linux

package harness

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

func TestMain(m *testing.M) {
	if !ReceiveZmq4() {
		testbed.Main(m)
	}
}

var (
	all  = flag.Bool("harness.all", false, "measure, which takes minutes; see make bench")
	rows = flag.String("harness.rows", "", "measure only the rows whose names match this regular expression, and write no file")
)

// TestBench is make bench.
func TestBench(t *testing.T) {
	if !*all {
		t.Skip("make bench runs it")
	}
	config := Config{Long: os.Getenv("BENCH_LONG") != "", Progress: os.Stderr}
	if *rows != "" {
		match, err := regexp.Compile(*rows)
		if err != nil {
			t.Fatal(err)
		}
		config.Match = match
	}
	result := Run(t, config)
	if len(result) == 0 {
		t.Fatalf("no row matches %q; docs/performance.md has their names", *rows)
	}
	fmt.Printf("\n%s\n\n%s", machine(), Table(result))
	if config.Match != nil {
		return
	}
	docs := filepath.Join(testbed.Root(), "docs")
	if err := WriteJSON(filepath.Join(docs, "performance.json"), result); err != nil {
		t.Error(err)
	}
	if err := WriteMarkdown(filepath.Join(docs, "performance.md"), result); err != nil {
		t.Error(err)
	}
}

// Every measurement works, in a tiny form: each row has a figure, and the output has every row.
func TestSmoke(t *testing.T) {
	if *all {
		t.Skip("make bench needs the machine for itself")
	}
	result := Run(t, Config{Smoke: true, Progress: io.Discard})
	if len(result) != len(specs) {
		t.Fatalf("%d rows, want %d", len(result), len(specs))
	}
	for _, r := range result {
		if r.Ours == nil && !strings.HasPrefix(r.Note, "MISSING") {
			t.Errorf("%s: no figure, note %q", r.Name, r.Note)
		}
		if (r.Target != "") != (r.Met != nil) && r.Ours != nil {
			t.Errorf("%s: target %q, but it is not told whether it is met", r.Name, r.Target)
		}
	}

	dir := t.TempDir()
	path := filepath.Join(dir, "performance.json")
	if err := WriteJSON(path, result); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var read []map[string]any
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	for i, s := range specs {
		if read[i]["name"] != s.name || read[i]["unit"] != s.unit {
			t.Errorf("row %d of the JSON is %v, want %s", i, read[i], s.name)
		}
		for _, key := range []string{"ours", "reference", "ratio", "target", "met"} {
			if _, ok := read[i][key]; !ok {
				t.Errorf("%s has no %q in the JSON", s.name, key)
			}
		}
	}
	document := filepath.Join(dir, "performance.md")
	if err := os.WriteFile(document, []byte("prose\n"+begin+"old\n"+end+"more prose\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time over the first
		if err := WriteMarkdown(document, result); err != nil {
			t.Fatal(err)
		}
	}
	text, err = os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	md := string(text)
	if !strings.HasPrefix(md, "prose\n"+begin) || !strings.HasSuffix(md, end+"more prose\n") || strings.Contains(md, "old") ||
		strings.Count(md, "| whisper/tcp/16B/libzmq ") != 1 {
		t.Errorf("the document became:\n%s", md)
	}
}

// Each row belongs to one measurement.
func TestMeasurementsAndRows(t *testing.T) {
	count := make(map[string]int)
	for _, m := range measurements() {
		for _, row := range m.rows {
			count[row]++
		}
	}
	for _, s := range specs {
		if count[s.name] != 1 {
			t.Errorf("%s is measured by %d measurements", s.name, count[s.name])
		}
		delete(count, s.name)
	}
	for name := range count {
		t.Errorf("%s is measured, but is no row", name)
	}
}

// If a measurement fails its rows get the reason.
func TestReasons(t *testing.T) {
	for _, test := range []struct{ name, script, says string }{
		{"it says why", "echo no luck today >&2; exit 1", "no luck today"},
		{"it does not", "exit 0", "does not say why"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var reason string
			done := make(chan struct{})
			go func() { // Fatal ends a goroutine
				defer close(done)
				w := &reasonRecorder{TB: new(failed)}
				defer func() { reason = w.reason }()
				start(w, "sh", "-c", test.script).next(w)
			}()
			<-done
			row := new(Row)
			row.missing(reason)
			if !strings.Contains(row.Note, test.says) {
				t.Errorf("the note is %q, want it to say %q", row.Note, test.says)
			}
		})
	}
}

// failed is a test whose failure stays its own.
type failed struct{ testing.TB }

func (*failed) Helper()               {}
func (*failed) Cleanup(func())        {}
func (*failed) Fatalf(string, ...any) { runtime.Goexit() }

func TestTargets(t *testing.T) {
	for _, test := range []struct {
		target     target
		ours, refs samples
		says, met  string
	}{
		{ratioAtLeast(1), samples{3, 1, 2}, samples{2}, "ratio at least 1", "yes"},
		{ratioAtLeast(0.9), samples{89}, samples{100}, "ratio at least 0.9", "NO"},
		{ratioAtMost(1), samples{101}, samples{100}, "ratio at most 1", "NO"},
		{atMost(20), samples{20}, nil, "at most 20", "yes"},
		{below(5), samples{5}, nil, "below 5", "NO"},
		{target{}, samples{5}, samples{1}, "", ""},
		{ratioAtLeast(1), samples{5}, samples{0}, "ratio at least 1", ""},
	} {
		r := &Row{goal: test.target}
		r.set(test.ours, test.refs)
		if got := metText(r.Met); got != test.met || test.target.String() != test.says {
			t.Errorf("%v, %v beside %v: %q, met %q; want %q, %q", test.target, test.ours, test.refs, test.target.String(), got, test.says, test.met)
		}
	}
}

func TestNumber(t *testing.T) {
	for f, want := range map[float64]string{0: "0", 1234567.8: "1,235,000", 0.123456: "0.1235", 12.3: "12.3", 999: "999", -1234: "-1,234", 1e-9: "0"} {
		if got := number(rounded(f)); got != want {
			t.Errorf("%v: %q, want %q", f, got, want)
		}
	}
}
