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

// meshed is what "zre bench mesh" says.
type meshed struct {
	Milliseconds float64 `json:"milliseconds"`
	Lost         int     `json:"lost"`
	IdlePercent  float64 `json:"idle_percent"`
	Resident     float64 `json:"resident_mib"`
	Peak         float64 `json:"resident_peak_mib"`
	Goroutines   int     `json:"goroutines"`
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

// mesh100 starts a hundred nodes in a process of their own.
func mesh100(t testing.TB, r *run) {
	nodes := strconv.Itoa(r.count(100, 5))
	var took, resident, peak, idle, goroutines samples
	for range r.rounds(5) {
		var m meshed
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
	const processes = 4
	moreFiles()
	nodes := r.count(75, 2)
	watch := r.time(15 * time.Second)
	if r.config.Long {
		watch = r.time(time.Minute)
	}
	port := freePort()
	began := time.Now()
	var all []*program
	for range processes {
		all = append(all, tool(t, port, "mesh", "--nodes", strconv.Itoa(nodes), "--peers", strconv.Itoa(processes*nodes-1), "--time", watch.String()))
	}
	var m meshed
	for _, p := range all {
		p.decode(t, &m)
	}
	took := time.Since(began)
	lost, resident := 0.0, 0.0
	for _, p := range all {
		p.decode(t, &m)
		lost += float64(m.Lost)
		resident += m.Resident
	}
	row := r.row("mesh/300/time")
	row.set(samples{microseconds(took) / 1000}, nil)
	row.Note = fmt.Sprintf("one run, with the start of the processes; %.0f MiB resident in all", resident)
	row = r.row("mesh/300/lost")
	row.set(samples{lost}, nil)
	row.Note = fmt.Sprintf("watched for %v", watch)
}

// moreFiles lets the processes to come open as many files as the system allows, if this one may decide that: a node has two
// connections to each peer in another process.
func moreFiles() {
	const many = 200_000
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: many, Max: many}) // if not, the mesh says what it lacks
}
