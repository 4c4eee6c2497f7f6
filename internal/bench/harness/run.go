//go:build linux

package harness

import (
	"fmt"
	"io"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// Config says how to run.
type Config struct {
	Match *regexp.Regexp // names of the rows to measure; nil means all
	Smoke bool           // everything in a tiny form, to check that it works: the figures mean nothing
	Long  bool           // watch the largest mesh for 60 s, not 15 s

	Progress io.Writer // gets a line for each row as it is measured
}

// measurement fills the rows that it names.
type measurement struct {
	rows    []string
	measure func(t testing.TB, r *run)
}

// measurements are all measurements, in the order in which they run.
func measurements() []measurement {
	var all []measurement
	add := func(measure func(t testing.TB, r *run), rows ...string) {
		all = append(all, measurement{rows, measure})
	}
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		for _, size := range sizes {
			row := fmt.Sprintf("whisper/%s/%s/libzmq", transport, size.name)
			rows := []string{row}
			if transport == "tcp" && size.bytes == 16 {
				rows = append(rows, "processor/tcp/16B/libzmq")
			}
			add(func(t testing.TB, r *run) { whispersAndLibzmq(t, r, transport, size, false, rows) }, rows...)
		}
	}
	given := sizes[2]
	row := fmt.Sprintf("given/inproc/%s/libzmq", given.name)
	add(func(t testing.TB, r *run) { whispersAndLibzmq(t, r, "inproc", given, true, []string{row}) }, row)
	for _, size := range sizes {
		row := fmt.Sprintf("whisper/tcp/%s/zmq4", size.name)
		add(func(t testing.TB, r *run) { whispersAndZmq4(t, r, size, row) }, row)
	}
	for _, kind := range foreignKinds {
		row := fmt.Sprintf("whisper/tcp/16B/%s", kind)
		add(func(t testing.TB, r *run) { whispersAndForeign(t, r, kind, row) }, row)
	}
	add(latencies, "latency/16B/p50/libzmq", "latency/16B/p99/libzmq")
	for _, members := range []int{8, 64} {
		var rows []string
		for _, size := range sizes[:2] {
			rows = append(rows, fmt.Sprintf("shout/%s/%d/whispers", size.name, members))
		}
		add(func(t testing.TB, r *run) { shouts(t, r, members, rows) }, rows...)
	}
	for _, size := range sizes {
		sending, receiving := "allocations/sending/"+size.name, "allocations/receiving/"+size.name
		add(func(t testing.TB, r *run) { allocations(t, r, size, sending, receiving) }, sending, receiving)
	}
	for _, size := range sizes {
		row := fmt.Sprintf("whisper/CURVE/%s/libzmq", size.name)
		add(func(t testing.TB, r *run) { curveWhispers(t, r, size, row) }, row)
	}
	add(curveHandshakes, "handshake/CURVE")
	add(curveMesh, "mesh/10/CURVE/time")
	add(copies, "large/20MiB/copies")
	add(floods, "flood/p99/other peer", "flood/p99/same peer",
		"flood/p99/PING-OK/16B", "flood/p99/PING-OK/1KiB", "flood/p99/PING-OK/64KiB")
	add(mesh10, "mesh/10/time")
	add(mesh100, "mesh/100/time", "mesh/100/resident", "mesh/100/idle")
	add(mesh300, "mesh/300/time", "mesh/300/lost")
	add(growth, "peer/memory", "peer/goroutines", "peer/idle", "peer/idle allocations")
	return all
}

// run is a run of the harness.
type run struct {
	config Config
	rows   []*Row
}

// Run measures, and returns all rows that were asked for, measured or not. Each measurement is a subtest; if one fails or lacks something
// its rows get the reason.
func Run(t *testing.T, config Config) []*Row {
	r := &run{config: config}
	for _, row := range newRows() {
		if config.Match == nil || config.Match.MatchString(row.Name) {
			r.rows = append(r.rows, row)
		}
	}
	for _, m := range measurements() {
		if !r.wants(m.rows) {
			continue
		}
		witness := new(reasonRecorder)
		began := time.Now()
		t.Run(strings.ReplaceAll(m.rows[0], "/", ","), func(t *testing.T) {
			witness.TB = t
			m.measure(witness, r)
		})
		for _, name := range m.rows {
			row := r.row(name)
			row.missing(witness.reason)
			if row.Name != "" {
				fmt.Fprintf(config.Progress, "%5.1f s  %-28s %s %s %s\n", time.Since(began).Seconds(), name, number(row.Ours), row.Unit, row.Note)
			}
		}
		debug.FreeOSMemory() // no measurement pays for the one before
	}
	return r.rows
}

func (r *run) wants(rows []string) bool {
	for _, row := range r.rows {
		for _, name := range rows {
			if row.Name == name {
				return true
			}
		}
	}
	return false
}

// row returns a row to fill; one that was not asked for is filled in vain.
func (r *run) row(name string) *Row {
	for _, row := range r.rows {
		if row.Name == name {
			return row
		}
	}
	return new(Row)
}

// rounds returns how often a measurement is repeated.
func (r *run) rounds(standard int) int {
	if r.config.Smoke {
		return 1
	}
	return standard
}

// count returns a number of messages or nodes, much smaller in a smoke test.
func (r *run) count(standard, smoke int) int {
	if r.config.Smoke {
		return smoke
	}
	return standard
}

func (r *run) time(standard time.Duration) time.Duration {
	if r.config.Smoke {
		return 200 * time.Millisecond
	}
	return standard
}

// sample is the result of a round: figures, one for each row of the measurement, and the processor time of a message in microseconds.
type sample struct {
	figures []float64
	cpu     float64
}

// compare lets ours and the reference take turns, and fills rows.
func (r *run) compare(rows []string, rounds int, ours, reference func() sample) {
	ours() // sockets, buffers, clocks of the processor: neither must pay for being first
	reference()
	figures, theirs := make([]samples, len(rows)), make([]samples, len(rows))
	var cpu, theirCPU samples
	for range r.rounds(rounds) {
		a, b := ours(), reference()
		for i := range rows {
			figures[i] = append(figures[i], a.figures[i])
			theirs[i] = append(theirs[i], b.figures[i])
		}
		cpu, theirCPU = append(cpu, a.cpu), append(theirCPU, b.cpu)
	}
	for i, name := range rows {
		row := r.row(name)
		row.set(figures[i], theirs[i])
		if cpu.max()[0] > 0 && theirCPU.max()[0] > 0 {
			row.setCPU(cpu, theirCPU)
		}
	}
}

// reasonRecorder is a test that remembers why it failed or was skipped.
type reasonRecorder struct {
	testing.TB
	reason string
}

func (w *reasonRecorder) note(text string) {
	if w.reason == "" {
		w.reason = text
	}
}

func (w *reasonRecorder) Fatalf(format string, args ...any) {
	w.Helper()
	w.note(fmt.Sprintf(format, args...))
	w.TB.Fatalf(format, args...)
}

func (w *reasonRecorder) Fatal(args ...any) {
	w.Helper()
	w.note(fmt.Sprint(args...))
	w.TB.Fatal(args...)
}

func (w *reasonRecorder) Skipf(format string, args ...any) {
	w.Helper()
	w.note(fmt.Sprintf(format, args...))
	w.TB.Skipf(format, args...)
}
