package zre_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
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
	os.Exit(m.Run())
}

// runCrowd runs nodes until standard input ends. The first counts whispers, and answers one that is not empty of digits with
// a line on standard output once it has had as many.
func runCrowd(crowd string) {
	var port, count int
	if _, err := fmt.Sscan(crowd, &port, &count); err != nil {
		panic(err)
	}
	var first *zre.Node
	for range count {
		node, err := zre.NewNode(onLoopback(port)...)
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
	go func() {
		whispers := 0
		for event := range first.All(context.Background()) {
			whisper, ok := event.(zre.Whisper)
			if !ok {
				continue
			}
			whispers++
			if len(whisper.Frames) > 1 { // the last one
				fmt.Println(whispers)
				whispers = 0
			}
		}
	}()
	fmt.Println(first.UUID())
	io.Copy(io.Discard, os.Stdin)
}

// startCrowd starts the other process. lines is its standard output.
func startCrowd(b *testing.B, port, count int) (lines *bufio.Scanner) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", crowdVariable, port, count))
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

func benchNode(b *testing.B, port int) *zre.Node {
	b.Helper()
	node, err := zre.NewNode(onLoopback(port)...)
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

// Whispers from this process to another over tcp on loopback.
func BenchmarkWhisper(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			port := port()
			lines := startCrowd(b, port, 1)
			node := benchNode(b, port)
			peer := enters(b, node, 1)
			frame := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			sent := 0
			for b.Loop() {
				if err := node.Whisper(b.Context(), peer.UUID, frame); err != nil {
					b.Fatal(err)
				}
				sent++
			}
			if err := node.Whisper(b.Context(), peer.UUID, frame, nil); err != nil {
				b.Fatal(err)
			}
			if !lines.Scan() || lines.Text() != strconv.Itoa(sent+1) {
				b.Fatalf("sent %d messages, %q arrived", sent+1, lines.Text())
			}
			b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// Ten nodes in one process: from the last start until all know each other.
func BenchmarkTenNodesMeet(b *testing.B) {
	var total time.Duration
	runs := 0
	for b.Loop() {
		port := port()
		var nodes []*zre.Node
		for range 10 {
			nodes = append(nodes, benchNode(b, port))
		}
		began := time.Now()
		for _, node := range nodes {
			enters(b, node, 9)
		}
		total += time.Since(began)
		runs++
		b.StopTimer()
		for _, node := range nodes {
			node.Close()
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(total.Microseconds())/1000/float64(runs), "ms-to-meet")
}

// An idle node with ten peers: what it allocates, and what a node without peers does, which is its beacons.
func BenchmarkIdle(b *testing.B) {
	for _, peers := range []int{0, 10} {
		b.Run(fmt.Sprintf("%d-peers", peers), func(b *testing.B) {
			port := port()
			if peers > 0 {
				startCrowd(b, port, peers)
			}
			node := benchNode(b, port)
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
	const peers = 50
	port := port()
	node := benchNode(b, port)
	before, goroutines := memoryInUse(), runtime.NumGoroutine()
	startCrowd(b, port, peers)
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
