//go:build linux

package harness

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/bench"
	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/zre"
)

// allocations counts the allocations of a whisper by tcp, in the sending and in the receiving process.
func allocations(t testing.TB, r *run, size size, sending, receiving string) {
	port := freePort()
	serve(t, port, 1, "tcp")
	client, _ := meet(t, port, 1, "tcp")
	var sent, received samples
	count := r.count(5*size.count, 200) // so many that what the queue holds in the end hardly counts
	for range r.rounds(5) {
		rate := send(t, client, bench.Load{Size: size.bytes, Count: count})
		sent = append(sent, float64(rate.Here.Allocations)/float64(count))
		received = append(received, float64(rate.There.Allocations)/float64(count))
	}
	r.row(sending).set(sent, nil)
	r.row(receiving).set(received, nil)
}

// copies counts how often the bytes of a large message are copied in memory on the way by tcp, from the memory that both processes allocate
// for it: the memory that the receiving application gets is no copy, all other memory is.
func copies(t testing.TB, r *run) {
	const size = 20 << 20
	port := freePort()
	serve(t, port, 1, "tcp")
	client, _ := meet(t, port, 1, "tcp")
	var here, there samples
	for range r.rounds(5) {
		count := r.count(10, 1)
		rate := send(t, client, bench.Load{Size: size, Count: count})
		here = append(here, float64(rate.Here.Allocated)/size/float64(count))
		there = append(there, float64(rate.There.Allocated)/size/float64(count)-1)
	}
	total := make(samples, len(here))
	for i := range total {
		total[i] = here[i] + there[i]
	}
	row := r.row("large/20MiB/copies")
	row.set(total, nil)
	row.Note = fmt.Sprintf("sending %.2f, receiving %.2f", bench.Median(here), bench.Median(there))
}

// growth measures what a node's process takes for each peer that it has by tcp, once nothing happens: heap and stacks, goroutines, and the
// processor time of an idle peer.
func growth(t testing.TB, r *run) {
	peers := r.count(50, 3)
	var memory, goroutines, idle, allocations samples
	for range r.rounds(5) {
		port := freePort()
		node := node(t, port, "tcp")
		met := make(chan struct{})
		go func() {
			count := 0
			for event := range node.AllEvents(context.Background()) { // until the node closes
				if _, ok := event.(zre.Enter); ok {
					if count++; count == peers {
						close(met)
					}
				}
			}
		}()
		time.Sleep(r.time(time.Second)) // the first beacons
		alone, spent := inUse(), idleFor(r.time(2*time.Second))
		before := runtime.NumGoroutine()
		end := serve(t, port, peers, "tcp")
		select {
		case <-met:
		case <-time.After(testbed.Patience):
			t.Fatalf("%d peers were to come, %d are there", peers, len(node.Peers()))
		}
		time.Sleep(r.time(2 * time.Second)) // buffers of the first messages shrink
		memory = append(memory, float64(inUse()-alone)/1024/float64(peers))
		goroutines = append(goroutines, float64(runtime.NumGoroutine()-before)/float64(peers))
		spentNow := idleFor(r.time(2 * time.Second))
		idle = append(idle, (spentNow.processor-spent.processor)/float64(peers))
		allocations = append(allocations, (spentNow.allocations-spent.allocations)/float64(peers))
		node.Close()
		end()
	}
	r.row("peer/memory").set(memory, nil)
	r.row("peer/goroutines").set(goroutines, nil)
	r.row("peer/idle").set(idle, nil)
	r.row("peer/idle allocations").set(allocations, nil)
}

func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// idleCost is what this process spends per second: microseconds of the processor, and allocations.
type idleCost struct{ processor, allocations float64 }

// idleFor measures what is spent while the process has nothing to do.
func idleFor(d time.Duration) idleCost {
	before := bench.Spent()
	time.Sleep(d)
	now := bench.Spent()
	return idleCost{
		microseconds(now.Processor-before.Processor) / d.Seconds(),
		float64(now.Allocations-before.Allocations) / d.Seconds(),
	}
}
