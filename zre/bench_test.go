package zre_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// The other process of a benchmark is the test binary again; this variable tells it the beacon port and how many nodes to run.
const crowdVariable = "ZRE_BENCH_CROWD"

func TestMain(m *testing.M) {
	if crowd := os.Getenv(crowdVariable); crowd != "" {
		runCrowd(crowd)
		return
	}
	if mesh := os.Getenv(meshVariable); mesh != "" {
		runMesh(mesh)
		return
	}
	os.Exit(m.Run())
}

// runCrowd runs nodes until standard input ends. The first counts whispers, and answers the last one with a line on standard output.
func runCrowd(crowd string) {
	var port, count int
	var transport string
	if _, err := fmt.Sscan(crowd, &port, &count, &transport); err != nil {
		panic(err)
	}
	var first *zre.Node
	for range count {
		node, err := zre.NewNode(append(onLoopback(port), zre.WithTransports("tcp", transport))...)
		if err != nil {
			panic(err)
		}
		defer node.Close()
		if err := node.Start(context.Background()); err != nil {
			panic(err)
		}
		if first == nil {
			first = node
			continue
		}
		go func() {
			for range node.All(context.Background()) {
			}
		}()
	}
	go countWhispers(first, func(whispers int) { fmt.Println(whispers, int64(processorTime())) })
	fmt.Println(first.UUID())
	io.Copy(io.Discard, os.Stdin)
}

// countWhispers tells how many whispers came whenever one has more than one frame, which is the last one of a run.
func countWhispers(node *zre.Node, tell func(whispers int)) {
	whispers := 0
	for event := range node.All(context.Background()) {
		if whisper, ok := event.(zre.Whisper); ok {
			whispers++
			if len(whisper.Frames) > 1 {
				tell(whispers)
				whispers = 0
			}
		}
	}
}

// startCrowd starts the other process. lines is its standard output.
func startCrowd(b *testing.B, port, count int, transport string) (lines *bufio.Scanner) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %s", crowdVariable, port, count, transport))
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
	lines = bufio.NewScanner(out)
	if !lines.Scan() {
		b.Fatal("the other process did not start")
	}
	return lines
}

func benchNode(b *testing.B, port int, transport string) *zre.Node {
	b.Helper()
	node, err := zre.NewNode(append(onLoopback(port), zre.WithTransports("tcp", transport))...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { node.Close() })
	if err := node.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	return node
}

// enters waits until a node has seen so many peers enter, and returns the last.
func enters(b *testing.B, node *zre.Node, count int) *zre.Peer {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	for event := range node.All(ctx) {
		if enter, ok := event.(zre.Enter); ok {
			if count--; count == 0 {
				return enter.Peer
			}
		}
	}
	b.Fatalf("%d peers are missing", count)
	return nil
}

// A course is a node and a peer to whisper to, by one transport.
type course struct {
	transport string
	node      *zre.Node
	peer      *zre.Peer
	arrived   func() int           // waits for the last one of a run
	elsewhere func() time.Duration // processor time of the other process, as of then
}

func newCourse(b *testing.B, transport string) *course {
	b.Helper()
	port := port()
	c := &course{transport: transport}
	if transport == "inproc" {
		counts := make(chan int, 1)
		go countWhispers(benchNode(b, port, transport), func(whispers int) { counts <- whispers })
		c.arrived = func() int { return <-counts }
		c.elsewhere = func() time.Duration { return 0 }
	} else {
		lines := startCrowd(b, port, 1, transport)
		var spent time.Duration
		c.arrived = func() (whispers int) {
			if lines.Scan() {
				fmt.Sscan(lines.Text(), &whispers, &spent)
			}
			return whispers
		}
		c.elsewhere = func() time.Duration { return spent }
	}
	c.node = benchNode(b, port, transport)
	c.peer = enters(b, c.node, 1)
	for {
		p, _ := c.node.Peer(c.peer.UUID)
		if p != nil && p.Transport == transport {
			return c
		}
		runtime.Gosched()
	}
}

// send sends n whispers, the last of which says so, and waits until they are there.
func (c *course) send(b *testing.B, n int, frame []byte) {
	for i := range n {
		var err error
		if i < n-1 {
			err = c.node.Whisper(b.Context(), c.peer.UUID, frame)
		} else {
			err = c.node.Whisper(b.Context(), c.peer.UUID, frame, nil)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if got := c.arrived(); got != n {
		b.Fatalf("%s: sent %d messages, %d arrived", c.transport, n, got)
	}
}

var transports = []string{"tcp", "ipc", "inproc"}

// Whispers to another process, or for inproc to another node of this one, on loopback.
func BenchmarkWhisper(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		for _, transport := range transports {
			b.Run(fmt.Sprintf("%d/%s", size, transport), func(b *testing.B) {
				c := newCourse(b, transport)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				c.send(b, b.N, make([]byte, size))
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
			})
		}
	}
}

// BenchmarkTransports compares the transports in one run: rounds take turns, and the median of each counts.
func BenchmarkTransports(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			const rounds = 7
			var courses []*course
			for _, transport := range transports {
				courses = append(courses, newCourse(b, transport))
			}
			frame, count := make([]byte, size), min(400_000, 400<<20/size)
			for b.Loop() {
				for _, c := range courses {
					c.send(b, 1_000, frame) // what the processes spent until now is known after this
				}
				rates, costs := make(map[string][]float64), make(map[string][]float64)
				for range rounds {
					for _, c := range courses {
						began, spent := time.Now(), processorTime()+c.elsewhere()
						c.send(b, count, frame)
						rates[c.transport] = append(rates[c.transport], float64(count)/time.Since(began).Seconds())
						spent = processorTime() + c.elsewhere() - spent
						costs[c.transport] = append(costs[c.transport], float64(spent)/float64(count))
					}
				}
				median := func(m map[string][]float64, transport string) float64 {
					slices.Sort(m[transport])
					return m[transport][rounds/2]
				}
				for _, transport := range transports {
					b.ReportMetric(median(rates, transport), transport+"-msg/s")
					b.ReportMetric(median(costs, transport), transport+"-cpu-ns/msg")
					if transport != "tcp" {
						b.ReportMetric(median(rates, transport)/median(rates, "tcp"), transport+"/tcp")
						b.ReportMetric(median(costs, "tcp")/median(costs, transport), transport+"/tcp-by-cpu")
					}
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// Ten nodes in one process: from the last start until all know each other.
func BenchmarkTenNodesMeet(b *testing.B) {
	var total, longest time.Duration
	runs := 0
	for b.Loop() {
		port := port()
		var nodes []*zre.Node
		for range 10 {
			nodes = append(nodes, benchNode(b, port, "inproc"))
		}
		began := time.Now()
		for _, node := range nodes {
			enters(b, node, 9)
		}
		took := time.Since(began)
		total, longest = total+took, max(longest, took)
		runs++
		b.StopTimer()
		for _, node := range nodes {
			node.Close()
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(total.Microseconds())/1000/float64(runs), "ms-to-meet")
	b.ReportMetric(float64(longest.Microseconds())/1000, "ms-at-most")
}

// An idle node with ten peers: what it allocates, and what a node without peers does, which is its beacons.
func BenchmarkIdle(b *testing.B) {
	for _, peers := range []int{0, 10} {
		b.Run(fmt.Sprintf("%d-peers", peers), func(b *testing.B) {
			port := port()
			if peers > 0 {
				startCrowd(b, port, peers, "tcp")
			}
			node := benchNode(b, port, "tcp")
			if peers > 0 {
				enters(b, node, peers)
			}
			time.Sleep(500 * time.Millisecond) // the first beacons
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			seconds := 0
			for b.Loop() {
				time.Sleep(time.Second)
				seconds++
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(seconds), "allocs/s")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(seconds), "octets/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// The growth of a process per peer that it meets: heap and stacks, and goroutines.
func BenchmarkMemoryPerPeer(b *testing.B) {
	const peers = 100
	port := port()
	node := benchNode(b, port, "tcp")
	before, goroutines := memoryInUse(), runtime.NumGoroutine()
	startCrowd(b, port, peers, "tcp")
	enters(b, node, peers)
	for b.Loop() {
		time.Sleep(time.Second) // the buffers of the first messages shrink
	}
	b.ReportMetric(float64(memoryInUse()-before)/1024/peers, "KiB/peer")
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/peers, "goroutines/peer")
	b.ReportMetric(0, "ns/op")
}

func memoryInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
