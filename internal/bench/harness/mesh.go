//go:build linux

package harness

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/bench"
	"github.com/go-zre/go-zre/internal/testbed"
)

// meshResult is the output of "zre bench mesh".
type meshResult struct {
	Milliseconds float64 `json:"milliseconds"`
	When         int64   `json:"unix_ms"` // of the first line
	Lost         []struct {
		Reason  string
		Seconds float64 // since that
	}
	IdlePercent float64 `json:"idle_percent"`
	Resident    float64 `json:"resident_mib"`
	Peak        float64 `json:"resident_peak_mib"`
	Goroutines  int     `json:"goroutines"`
}

// mesh10 starts ten nodes in this process, with every transport there is.
func mesh10(t testing.TB, r *run) {
	var took samples
	for range r.rounds(15) {
		ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
		mesh, err := bench.NewMesh(ctx, 10, 9, loopback(freePort(), "inproc")...)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		mesh.Close()
		took = append(took, microseconds(mesh.Took)/1000)
	}
	row := r.row("mesh/10/time")
	row.set(took.max(), nil)
	row.Note = fmt.Sprintf("median of %d runs: %.1f", len(took), bench.Median(took))
}

// mesh100 starts a hundred nodes in a separate process.
func mesh100(t testing.TB, r *run) {
	nodes := strconv.Itoa(r.count(100, 5))
	var took, resident, peak, idle, goroutines samples
	for range r.rounds(5) {
		var m meshResult
		p := tool(t, freePort(), "mesh", "--nodes", nodes, "--time", r.time(3*time.Second).String())
		p.decode(t, &m) // that they have met
		p.decode(t, &m)
		took, idle = append(took, m.Milliseconds), append(idle, m.IdlePercent)
		resident, peak = append(resident, m.Resident), append(peak, m.Peak)
		goroutines = append(goroutines, float64(m.Goroutines))
	}
	row := r.row("mesh/100/time")
	row.set(took.max(), nil)
	row.Note = fmt.Sprintf("median of %d runs: %.0f", len(took), bench.Median(took))
	row = r.row("mesh/100/resident")
	row.set(resident, nil)
	row.Note = fmt.Sprintf("%.0f at most; %.0f goroutines", peak.max()[0], bench.Median(goroutines))
	r.row("mesh/100/idle").set(idle, nil)
}

// mesh300 starts 300 nodes in four processes, and watches whether any is taken for lost.
func mesh300(t testing.TB, r *run) {
	total := r.count(300, 12)
	processes, reason := processesFor(t, total)
	nodes := total / processes
	watch := r.time(15 * time.Second)
	if r.config.Long {
		watch = r.time(time.Minute)
	}
	port := freePort()
	began := time.Now()
	var all []*program
	for range processes {
		all = append(all, tool(t, port, "mesh", "--nodes", strconv.Itoa(nodes), "--peers", strconv.Itoa(total-1), "--time", watch.String(), "--stay"))
	}
	met, last := make([]int64, processes), int64(0)
	for i, p := range all {
		var m meshResult
		p.decode(t, &m)
		met[i] = m.When
		last = max(last, m.When)
	}
	took := time.UnixMilli(last).Sub(began)
	before, after, resident, reasons := 0, 0, 0.0, make(map[string]int)
	for i, p := range all {
		var m meshResult
		p.decode(t, &m)
		for _, loss := range m.Lost {
			if met[i]+int64(1000*loss.Seconds) <= last {
				before++
			} else {
				after++
				reasons[loss.Reason]++
			}
		}
		resident += m.Resident
	}
	row := r.row("mesh/300/time")
	row.set(samples{microseconds(took) / 1000}, nil)
	row.Note = fmt.Sprintf("one run, with the start of the processes%s; %.0f MiB resident in all", reason, resident)
	row = r.row("mesh/300/lost")
	row.set(samples{float64(after)}, nil)
	row.Note = fmt.Sprintf("watched for %v%s; while they met there were %d", watch, reason, before)
	if after > 0 {
		row.Note += fmt.Sprintf("; by reason: %v", reasons)
	}
}

// processesFor returns in how many processes that many nodes run. That is four, unless the system does not let a process open as many files
// as its nodes have connections, one to each peer in another process; then it is as few as possible, and the reason is returned.
func processesFor(t testing.TB, nodes int) (processes int, reason string) {
	t.Helper()
	const more = 1000 // other open files, with a margin
	files := func(processes int) uint64 {
		here := nodes / processes
		return uint64(here*(nodes-here) + more)
	}
	want := files(4)
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: want, Max: want}) // not every user may
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for processes = 4; processes < nodes; processes++ {
		if nodes%processes == 0 && files(processes) <= limit.Max {
			if processes > 4 {
				reason = fmt.Sprintf("; in %d processes, as each of 4 needs %d files and may open %d", processes, want, limit.Max)
			}
			return processes, reason
		}
	}
	t.Fatalf("%d nodes need more files than the %d that a process may open", nodes, limit.Max)
	return 0, ""
}
