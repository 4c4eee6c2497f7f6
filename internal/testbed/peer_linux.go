package testbed

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience is how long a Wait waits: far more than anything needs on a busy machine.
const Patience = 30 * time.Second

// Options says how to start a node. Empty fields leave the implementation's own defaults.
type Options struct {
	Name                       string
	UUID                       string // Zre only
	Groups                     []string
	Headers                    map[string]string
	Port                       int // UDP, of the beacons
	Interval, Evasive, Expired time.Duration
	Args                       []string // further arguments that only one implementation has

	// Errors says that error events, and the node's death, are part of the test. Otherwise they fail it.
	Errors bool
	// Expected tells, if Errors is false, which error events are part of the test all the same.
	Expected func(Event) bool
}

// Peer is a node of any implementation, in its own process, driven by JSON lines.
type Peer struct {
	Kind                 Kind
	Host                 *Host
	UUID, Name, Endpoint string // as reported when ready; C zyre does not report its endpoint

	cmd    *exec.Cmd
	began  time.Time
	stdin  *os.File
	stderr tail
	exited chan struct{} // closed when the process has ended

	mu          sync.Mutex
	paused      chan struct{} // closed when the output may be read again; nil while it may
	log         []Event
	changed     chan struct{} // closed and replaced with each event, closed when no more will come
	over        bool
	endExpected bool // the test itself ended it
	shown       bool // its log is in the test's output
}

// Start runs a node on a host and waits until it is ready. It ends with the test, which fails if the node died by itself before or reported
// an error.
func Start(t testing.TB, host *Host, kind Kind, options Options) *Peer {
	t.Helper()
	args, env := kind.command(t)
	args = append(args, options.args()...)
	args = append(args, "--interface", host.Interface)

	p := &Peer{Kind: kind, Host: host, began: time.Now(), exited: make(chan struct{}), changed: make(chan struct{})}
	p.cmd = host.Command(args[0], args[1:]...)
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("testbed: %v", err)
	}
	r, w, err := os.Pipe() // not StdinPipe, which has no deadlines
	if err != nil {
		t.Fatalf("testbed: %v", err)
	}
	p.cmd.Stdin, p.stdin = r, w
	err = p.cmd.Start()
	r.Close()
	if err != nil {
		t.Fatalf("testbed: starting %s: %v", kind, err)
	}
	go p.read(stdout)
	t.Cleanup(func() { p.end(t, options) })

	ready := p.Wait(t, "ready", func(e Event) bool { return e.Event == "ready" })
	if ready.index != 1 || ready.UUID == "" {
		t.Fatalf("testbed: %s: ready must come first and tell the UUID%s", p, p.report())
	}
	p.UUID, p.Name, p.Endpoint = ready.UUID, ready.Name, ready.Endpoint
	return p
}

// args are the command line arguments that all kinds understand.
func (o Options) args() []string {
	var args []string
	add := func(flag, value string) {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	milliseconds := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	}
	add("--name", o.Name)
	add("--uuid", o.UUID)
	for _, group := range o.Groups {
		add("--group", group)
	}
	for key, value := range o.Headers {
		add("--header", key+"="+value)
	}
	if o.Port != 0 {
		add("--port", strconv.Itoa(o.Port))
	}
	add("--interval", milliseconds(o.Interval))
	add("--evasive", milliseconds(o.Evasive))
	add("--expired", milliseconds(o.Expired))
	return append(args, o.Args...)
}

// read gathers the process's events until it ends.
func (p *Peer) read(stdout io.Reader) {
	lines := bufio.NewReaderSize(stdout, 1<<16)
	for {
		p.waitWhilePaused()
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 && (err == nil || !p.isEndExpected()) { // a killed process may leave half a line
			var e Event
			if err := json.Unmarshal(line, &e); err != nil {
				e = Event{Event: "error", Error: fmt.Sprintf("a line that is not an event: %v: %.300q", err, line)}
			}
			p.add(e)
		}
		if err != nil {
			break
		}
	}
	_ = p.cmd.Wait() // the state shows how it ended
	close(p.exited)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	close(p.changed)
}

func (p *Peer) add(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.index, e.age = len(p.log)+1, time.Since(p.began)
	p.log = append(p.log, e)
	close(p.changed)
	p.changed = make(chan struct{})
}

// end runs at the end of the test: it checks what the node reported, and ends it.
func (p *Peer) end(t testing.TB, options Options) {
	if p.ended() && !p.endExpected && !options.Errors {
		t.Errorf("%s died: %v", p, p.cmd.ProcessState)
	}
	p.Kill()
	for _, e := range p.Events() {
		if e.Event == "error" && !options.Errors && (options.Expected == nil || !options.Expected(e)) {
			t.Errorf("%s reported an error: %s", p, e.Error)
		}
	}
	if t.Failed() {
		if report := p.report(); report != "" {
			t.Logf("%s%s", p, report)
		}
	}
}

// String names the peer in messages.
func (p *Peer) String() string {
	return fmt.Sprintf("%s %q on %s", p.Kind, p.Name, p.Host.Name)
}

// Events returns what the node reported so far.
func (p *Peer) Events() []Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.log)
}

// Wait returns the first event, of all that the node ever reported, that matches. It waits for one as long as Patience; then, or if the
// node ends first, the test fails with what did happen.
func (p *Peer) Wait(t testing.TB, what string, match Match) Event {
	t.Helper()
	return p.WaitAfter(t, Event{}, what, match)
}

// WaitAfter is Wait for an event that comes after another one.
func (p *Peer) WaitAfter(t testing.TB, after Event, what string, match Match) Event {
	t.Helper()
	e, ok := p.Try(after, Patience, match)
	if !ok {
		if p.ended() {
			t.Fatalf("%s ended (%v) and never saw: %s%s", p, p.cmd.ProcessState, what, p.report())
		}
		t.Fatalf("%s did not see in %v: %s%s", p, Patience, what, p.report())
	}
	return e
}

// Watch reads the peer's events for a while, in which a test checks that something does not happen.
func (p *Peer) Watch(d time.Duration) {
	p.Try(Event{}, d, func(Event) bool { return false })
}

// Try returns the first event after another one that matches, and true, or false if none came within the given time or the node ended.
func (p *Peer) Try(after Event, within time.Duration, match Match) (Event, bool) {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	next := after.index
	for {
		p.mu.Lock()
		news, changed, over := p.log[next:], p.changed, p.over
		p.mu.Unlock()
		for _, e := range news {
			if match(e) {
				return e, true
			}
		}
		next += len(news)
		if over {
			return Event{}, false
		}
		select {
		case <-changed:
		case <-deadline.C:
			return Event{}, false
		}
	}
}

// ended tells whether the process is over and all its events are in the log.
func (p *Peer) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// Never fails the test if an event between two others matches. The zero Event as the first one means from the start. The second one should
// be an event that must come later than what must not happen.
func (p *Peer) Never(t testing.TB, from, until Event, what string, match Match) {
	t.Helper()
	if !from.Before(until) {
		t.Fatalf("testbed: Never was asked to look from event %d until event %d", from.index, until.index)
	}
	for _, e := range p.Events()[from.index : until.index-1] {
		if match(e) {
			t.Errorf("%s must not see: %s, but: %v%s", p, what, e, p.report())
			return
		}
	}
}

// report shows the end of the event log and of the standard error, the first time.
func (p *Peer) report() string {
	var s strings.Builder
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		return ""
	}
	p.shown = true
	log := p.log
	shown := log[max(0, len(log)-25):]
	fmt.Fprintf(&s, "\n  its last %d of %d events:\n", len(shown), len(log))
	for _, e := range shown {
		fmt.Fprintf(&s, "    %6.3fs %v\n", e.age.Seconds(), e)
	}
	fmt.Fprintf(&s, "  its standard error:\n%s", p.stderr.String())
	return s.String()
}

// tail is a writer that keeps the last few kilobytes.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (w *tail) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = append(w.kept, b...)
	w.kept = w.kept[max(0, len(w.kept)-8<<10):]
	return len(b), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.kept)
}
