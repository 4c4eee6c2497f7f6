//go:build linux

package zre_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// The processes of a mesh are the test binary again; this variable tells them the beacon port, how many nodes to run, how many
// there are in all, and the transport.
const meshVariable = "ZRE_BENCH_MESH"

// meshReport is what a process of a mesh tells when it is asked, and in the end.
type meshReport struct {
	enters, exits    int64
	processor        time.Duration
	resident, memory int64 // octets: of the process, and of heap and stacks in use
	goroutines       int
}

// runMesh runs nodes until standard input ends. It tells when each knows all others, and reports for each line that it reads.
func runMesh(task string) {
	var port, count, total int
	var transport string
	if _, err := fmt.Sscan(task, &port, &count, &total, &transport); err != nil {
		panic(err)
	}
	var enters, exits atomic.Int64
	meshed := make(chan struct{})
	for range count {
		node, err := zre.NewNode(append(onLoopback(port), zre.WithTransports("tcp", transport))...)
		if err != nil {
			panic(err)
		}
		if err := node.Start(context.Background()); err != nil {
			panic(err)
		}
		go func() {
			for event := range node.All(context.Background()) {
				switch event.(type) {
				case zre.Enter:
					if enters.Add(1) == int64(count*(total-1)) {
						close(meshed)
					}
				case zre.Exit:
					exits.Add(1)
				}
			}
		}()
	}
	fmt.Println("started")
	<-meshed
	fmt.Println("meshed")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		r := meshReport{enters: enters.Load(), exits: exits.Load(), processor: processorTime(), goroutines: runtime.NumGoroutine()}
		if lines.Text() == "memory" {
			r.resident, r.memory = resident(), memoryInUse()
		}
		fmt.Println(r.enters, r.exits, int64(r.processor), r.resident, r.memory, r.goroutines)
	}
}

// resident is how much of the process is in memory, in octets.
func resident() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kib int64
	fmt.Sscan(rest, &kib)
	return kib << 10
}

// A meshProcess is one of the processes, seen from the benchmark.
type meshProcess struct {
	in    io.WriteCloser
	lines *bufio.Scanner
}

func startMesh(b *testing.B, task string) *meshProcess {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), meshVariable+"="+task)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	return &meshProcess{in, bufio.NewScanner(out)}
}

// next returns the next line.
func (p *meshProcess) next(b *testing.B) string {
	b.Helper()
	if !p.lines.Scan() {
		b.Fatal("a process ended")
	}
	return p.lines.Text()
}

// ask returns a report; about "memory" too if that is the question, which takes processor time.
func (p *meshProcess) ask(b *testing.B, question string) (r meshReport) {
	b.Helper()
	fmt.Fprintln(p.in, question)
	fmt.Sscan(p.next(b), &r.enters, &r.exits, (*int64)(&r.processor), &r.resident, &r.memory, &r.goroutines)
	return r
}

// BenchmarkMesh starts many nodes, and reports how long they need to know each other, and what they need when they do and are
// idle: processor time, in percent of one core, and memory, of all processes together.
func BenchmarkMesh(b *testing.B) {
	for _, bench := range []struct {
		processes, nodes int
		transport        string
		idle             time.Duration
	}{
		{1, 100, "inproc", 10 * time.Second},
		{1, 100, "tcp", 10 * time.Second},
		{4, 75, "inproc", time.Minute},
	} {
		b.Run(fmt.Sprintf("%dx%d/%s", bench.processes, bench.nodes, bench.transport), func(b *testing.B) {
			for b.Loop() {
				port := port()
				began := time.Now()
				var all []*meshProcess
				for range bench.processes {
					all = append(all, startMesh(b, fmt.Sprint(port, bench.nodes, bench.processes*bench.nodes, " ", bench.transport)))
				}
				for _, p := range all {
					p.next(b)
				}
				started := time.Now()
				for _, p := range all {
					p.next(b)
				}
				b.ReportMetric(time.Since(began).Seconds(), "s-from-first-start")
				b.ReportMetric(time.Since(started).Seconds(), "s-from-last-start")
				b.ReportMetric(processorTimeOf(b, all).Seconds(), "s-of-processor")
				time.Sleep(3 * time.Second) // the buffers of the first messages shrink
				spent := processorTimeOf(b, all)
				time.Sleep(bench.idle)
				spent = processorTimeOf(b, all) - spent
				b.ReportMetric(100*spent.Seconds()/bench.idle.Seconds(), "%-of-a-core")
				var sum meshReport
				for _, p := range all {
					r := p.ask(b, "memory")
					sum.exits += r.exits
					sum.resident += r.resident
					sum.memory += r.memory
					sum.goroutines += r.goroutines
				}
				b.ReportMetric(float64(sum.exits), "exits")
				b.ReportMetric(float64(sum.resident)/(1<<20), "MiB-resident")
				b.ReportMetric(float64(sum.memory)/(1<<20), "MiB-in-use")
				b.ReportMetric(float64(sum.goroutines), "goroutines")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// processorTimeOf adds up what all have used.
func processorTimeOf(b *testing.B, all []*meshProcess) (sum time.Duration) {
	for _, p := range all {
		sum += p.ask(b, "processor").processor
	}
	return sum
}
