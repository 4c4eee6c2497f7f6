//go:build linux

package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/bench"
	"github.com/go-zre/go-zre/internal/testbed"
)

// libzmq is the program testdata/bench/zmq.c: a DEALER that sends to a ROUTER what a node would send.
type libzmq struct {
	t         testing.TB
	dealer    *program
	router    *program // the same if they are in one process
	spent     int64    // by the DEALER, in nanoseconds, so far
	spentThey int64    // by the ROUTER
}

// buildLibzmq builds the program, once.
var buildLibzmq = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "zre-bench")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "zmq")
	out, err := exec.Command(filepath.Join(testbed.Root(), "testdata", "bench", "build.sh"), path).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// newLibzmq starts it. With the word curve it speaks CURVE.
func newLibzmq(t testing.TB, transport string, words ...string) *libzmq {
	t.Helper()
	program, err := buildLibzmq()
	if err != nil {
		testbed.Missing(t, "libzmq: %v", err)
	}
	z := &libzmq{t: t}
	if transport == "inproc" {
		z.router = start(t, program, "both")
		z.dealer = z.router
		z.router.next(t) // that it is ready
		return z
	}
	endpoint := "tcp://127.0.0.1:*"
	if transport == "ipc" {
		endpoint = "ipc://" + filepath.Join(t.TempDir(), "zmq")
	}
	z.router = start(t, program, append([]string{"receive", endpoint}, words...)...)
	endpoint, _ = strings.CutPrefix(z.router.next(t), "ready ")
	z.dealer = start(t, program, append([]string{"send", endpoint}, words...)...)
	return z
}

func (z *libzmq) send(format string, args ...any) {
	z.t.Helper()
	if _, err := fmt.Fprintf(z.dealer.in, format+"\n", args...); err != nil {
		z.t.Fatalf("libzmq: %v", err)
	}
}

func (z *libzmq) expect(p *program, format string, values ...any) {
	z.t.Helper()
	line := p.next(z.t)
	if _, err := fmt.Sscanf(line, format, values...); err != nil {
		z.t.Fatalf("libzmq says %q: %v", line, err)
	}
}

// flood is one round.
func (z *libzmq) flood(load bench.Load) sample {
	z.t.Helper()
	count, size, mode := load.Count, load.Size, "flood"
	if load.Given {
		mode = "give"
	}
	var got int
	var spent, spentThey int64
	began := time.Now()
	z.send("%s %d %d", mode, count, size)
	z.expect(z.router, "got %d %d", &got, &spentThey)
	elapsed := time.Since(began)
	if got != count {
		z.t.Fatalf("libzmq: %d messages were sent, %d arrived", count, got)
	}
	if z.dealer != z.router {
		z.send("cpu")
		z.expect(z.dealer, "cpu %d", &spent)
	}
	cpu := float64(spent-z.spent+spentThey-z.spentThey) / 1000 / float64(count)
	z.spent, z.spentThey = spent, spentThey
	return sample{[]float64{float64(count) / elapsed.Seconds(), cpu}, cpu}
}

// echo is one round of round trips: microseconds, p50 and p99.
func (z *libzmq) echo(size, count int) sample {
	z.t.Helper()
	var p50, p99 float64
	z.send("echo %d %d", count, size)
	z.expect(z.dealer, "echo %f %f", &p50, &p99)
	return sample{figures: []float64{p50 / 1000, p99 / 1000}}
}

func whispersAndLibzmq(t testing.TB, r *run, transport string, size size, given bool, rows []string) {
	z := newLibzmq(t, transport)
	load := bench.Load{Given: given, Size: size.bytes, Count: r.count(size.count, 200)}
	if transport == "inproc" {
		load.Count = r.count(size.within, 200)
	}
	if given {
		load.Count *= 10
	}
	r.compare(rows, 11, whispers(t, transport, load), func() sample { return z.flood(load) })
}
