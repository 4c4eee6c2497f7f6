package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// recorder is a test that may fail: its failures are recorded, and do not fail the real test.
type recorder struct {
	testing.TB
	wrong    []string
	cleanups []func()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
func (r *recorder) Logf(string, ...any) {}
func (r *recorder) Failed() bool        { return len(r.wrong) > 0 }
func (r *recorder) Cleanup(f func())    { r.cleanups = append(r.cleanups, f) }

// record runs a test that may fail and returns what went wrong.
func record(t *testing.T, test func(t testing.TB)) string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for i := len(r.cleanups) - 1; i >= 0; i-- {
				r.cleanups[i]()
			}
		}()
		test(r)
	}()
	<-done
	return strings.Join(r.wrong, "\n")
}

// node makes a shell script the node that Start runs as Zre.
func node(t *testing.T, script string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "node")
	ready := `echo '{"event":"ready","uuid":"00000000-0000-0000-0000-000000000001","name":"n"}'` + "\n"
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+ready+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ZRE_TOOL", path)
}

// A failure of a node must fail the test that runs it.
func TestPeerFailures(t *testing.T) {
	host := NewLAN(t, "").Host("a")
	anything := func(Event) bool { return true }
	never := func(Event) bool { return false }
	for _, test := range []struct {
		name, script string
		use          func(t testing.TB, p *Peer)
		want         string // what goes wrong, "" for nothing
	}{
		{"all is well", "cat", func(t testing.TB, p *Peer) { p.Wait(t, "ready", anything) }, ""},
		{"quits", "read line", func(t testing.TB, p *Peer) { p.Quit(t) }, ""},
		{"quits with a failure", "read line; exit 3", func(t testing.TB, p *Peer) { p.Quit(t) }, "did not quit well: exit status 3"},
		{"dies", "exit 0", func(t testing.TB, p *Peer) { <-p.exited }, "died: exit status 0"},
		{"dies while waited for", "echo why >&2; exit 0",
			func(t testing.TB, p *Peer) { p.Wait(t, "a miracle", never) }, "never saw: a miracle"},
		{"shows its standard error", "echo why >&2; exit 0",
			func(t testing.TB, p *Peer) { p.Wait(t, "a miracle", never) }, "standard error:\nwhy"},
		{"reports an error", `echo '{"event":"error","error":"no luck"}'; cat`,
			func(t testing.TB, p *Peer) { p.Wait(t, "error", func(e Event) bool { return e.Event == "error" }) }, "no luck"},
		{"talks nonsense", `echo hello; cat`,
			func(t testing.TB, p *Peer) { p.Wait(t, "error", func(e Event) bool { return e.Event == "error" }) }, "not an event"},
		{"does what it must not", `echo '{"event":"enter","peer":"x"}'; echo '{"event":"exit","peer":"x"}'; cat`,
			func(t testing.TB, p *Peer) {
				exit := p.Wait(t, "exit", func(e Event) bool { return e.Event == "exit" })
				p.Never(t, Event{}, exit, "a peer", func(e Event) bool { return e.Peer == "x" })
			}, "must not see: a peer, but: enter peer=x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			node(t, test.script)
			wrong := record(t, func(t testing.TB) { test.use(t, Start(t, host, Zre, Options{Name: "n"})) })
			if test.want == "" && wrong != "" {
				t.Errorf("it failed: %s", wrong)
			}
			if !strings.Contains(wrong, test.want) {
				t.Errorf("it should fail with %q, but: %q", test.want, wrong)
			}
		})
	}
}

// A stopped process does nothing, and continues where it was.
func TestPeerStopAndContinue(t *testing.T) {
	node(t, `read line; echo '{"event":"first"}'; read line; echo '{"event":"second"}'; cat`)
	p := Start(t, NewLAN(t, "").Host("a"), Zre, Options{})
	next := func(after Event, event string) Event {
		p.Join(t, "G")
		return p.WaitAfter(t, after, event, func(e Event) bool { return e.Event == event })
	}
	first := next(Event{}, "first")
	p.Stop()
	stat := filepath.Join("/proc", fmt.Sprint(p.cmd.Process.Pid), "stat")
	for state := ""; state != "T"; { // the signal takes a moment
		text, err := os.ReadFile(stat)
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), ") ")
		state = after[:1]
	}
	p.Continue()
	next(first, "second")
}
