//go:build linux

package harness

import (
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/bench"
	"github.com/go-zre/go-zre/zre"
)

// latencies compares round trips of messages of 16 bytes, one at a time, by tcp.
func latencies(t testing.TB, r *run) {
	z := newLibzmq(t, "tcp")
	port := freePort()
	serve(t, port, 1, "tcp")
	client, _ := meet(t, port, 1, "tcp")
	count := r.count(8000, 100)
	ours := func() sample {
		took := echoes(t, client, bench.Load{Size: 16, Count: count})
		return sample{figures: []float64{microseconds(bench.Percentile(took, 50)), microseconds(bench.Percentile(took, 99))}}
	}
	r.compare([]string{"latency/16B/p50/libzmq", "latency/16B/p99/libzmq"}, 11, ours, func() sample { return z.echo(16, count) })
}

func echoes(t testing.TB, client *bench.Client, load bench.Load) []time.Duration {
	t.Helper()
	took, err := client.Latency(t.Context(), load)
	if err != nil {
		t.Fatal(err)
	}
	return took
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// floods measures round trips of small messages while the answering node is flooded with whispers of 16 bytes by tcp: of a peer other than
// the flooding one, and of the flooding one, whose messages wait behind the flood. It also measures the round trip of PING and PING-OK
// between those two, for whispers of each size.
func floods(t testing.TB, r *run) {
	port := freePort()
	serve(t, port, 1, "tcp")
	flooder, node := meet(t, port, 1, "tcp")
	server := node.PeersIn(bench.Group)[0]
	load := bench.Load{Size: 16, Time: r.time(time.Second)}
	p99 := func(client *bench.Client) float64 {
		return microseconds(bench.Percentile(echoes(t, client, load), 99)) / 1000
	}
	var samePeer, otherPeer samples
	for range r.rounds(5) {
		stop := flood(t, node, server, 16)
		samePeer = append(samePeer, p99(flooder))
		stop()
		// The other peer floods from another process, or it would use the time of this one, which measures.
		flood := tool(t, port, "whisper", "--transport", "tcp", "--time", "10m")
		echoes(t, flooder, load) // until it has begun
		otherPeer = append(otherPeer, p99(flooder))
		flood.end()
	}
	r.row("flood/p99/other peer").set(otherPeer, nil)
	r.row("flood/p99/same peer").set(samePeer, nil)
	for _, size := range sizes {
		var answers samples
		for range r.rounds(5) {
			stop := flood(t, node, server, size.bytes)
			answers = append(answers, microseconds(bench.Percentile(pings(t, node, server, load.Time), 99))/1000)
			stop()
		}
		r.row("flood/p99/PING-OK/"+size.name).set(answers, nil)
	}
}

// pings measures the round trips of PINGs, one each millisecond or as soon as the one before is answered.
func pings(t testing.TB, node *zre.Node, peer *zre.Peer, during time.Duration) (took []time.Duration) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < during; <-tick.C {
		answer, err := node.Ping(t.Context(), peer.UUID)
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, answer)
	}
	return took
}

// flood whispers messages of size bytes as fast as the peer takes them, until stop.
func flood(t testing.TB, node *zre.Node, peer *zre.Peer, size int) (stop func()) {
	done, ended := make(chan struct{}), make(chan error, 1)
	frame := make([]byte, size)
	go func() {
		for {
			select {
			case <-done:
				ended <- nil
				return
			default:
			}
			if err := node.Whisper(t.Context(), peer.UUID, frame); err != nil {
				ended <- err
				return
			}
		}
	}()
	return func() {
		t.Helper()
		close(done)
		if err := <-ended; err != nil {
			t.Fatalf("flood: %v", err)
		}
	}
}
