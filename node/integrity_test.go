package node

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/memory"
)

// summed fills frames with random octets, and the first one with their sum.
func summed(frames [][]byte) [][]byte {
	sum := crc32.NewIEEE()
	for _, f := range frames[1:] {
		for i := 0; i+8 <= len(f); i += 509 {
			binary.LittleEndian.PutUint64(f[i:], rand.Uint64())
		}
		_, _ = sum.Write(f)
	}
	binary.LittleEndian.PutUint32(frames[0], sum.Sum32())
	return frames
}

func isWhole(frames [][]byte) bool {
	sum := crc32.NewIEEE()
	for _, f := range frames[1:] {
		_, _ = sum.Write(f)
	}
	return len(frames[0]) == 4 && binary.LittleEndian.Uint32(frames[0]) == sum.Sum32()
}

// Messages of all sizes stay as they were sent, on every transport at once, while applications keep, give back, forward and overwrite memory as they
// may.
func TestContentStaysWhole(t *testing.T) {
	const each = 400
	sizes := []int{0, 1, 8, 100, 1000, 4000, 8 << 10, 8<<10 + 1, 16<<10 - 1, 16 << 10, 64 << 10, 250 << 10, 1 << 20, 1<<20 + 1}
	port, open := beaconPort(), new(atomic.Int32)
	var sent, got atomic.Int64
	nodes := make([]*testNode, 4) // two of one process, one of another, and one that is reached by tcp alone
	for i := range nodes {
		cfg := onLoopback(port, Config{})
		if i >= 2 {
			cfg.Network = &countingNetwork{System, open}
		}
		if i == 3 {
			cfg.Transports = []string{TCP}
		}
		n, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		nodes[i] = startDeaf(t, n)
	}
	eventually(t, "all are present", func() bool {
		for _, n := range nodes {
			if len(n.Peers()) != len(nodes)-1 {
				return false
			}
		}
		return true
	})
	give := func(n *testNode, to uuid.UUID, frames [][]byte) {
		if err := n.WhisperNoCopy(t.Context(), to, frames...); err != nil {
			t.Error(err)
		} else {
			sent.Add(1)
		}
	}
	// use does with a message what an application may do.
	use := func(n *testNode, e Event) {
		if !isWhole(e.Frames) {
			t.Errorf("by %s: %d frames are not as they were sent", e.Peer.Transport, len(e.Frames))
		}
		switch rand.IntN(4) {
		case 0: // it is forgotten
		case 1:
			if to := nodes[rand.IntN(len(nodes))].UUID(); to != n.UUID() {
				give(n, to, e.Frames)
			}
		default:
			memory.Recycle(e.Frames, e.Origin)
		}
	}
	done := make(chan struct{})
	var receivers, senders sync.WaitGroup
	for _, n := range nodes {
		receivers.Go(func() {
			var batch, kept []Event
			for ok := true; ok; {
				if batch, ok = n.Take(batch, done); !ok {
					break
				}
				for _, e := range batch {
					if e.Kind == Whisper {
						got.Add(1)
						kept = append(kept, e)
					}
				}
				for len(kept) > 20 {
					i := rand.IntN(len(kept))
					use(n, kept[i])
					kept = append(kept[:i], kept[i+1:]...)
				}
			}
			for _, e := range kept {
				if !isWhole(e.Frames) {
					t.Errorf("by %s: %d frames that were kept are not as they were sent", e.Peer.Transport, len(e.Frames))
				}
			}
		})
		senders.Go(func() {
			for range each {
				frames := [][]byte{memory.New(4)}
				for range rand.IntN(4) {
					frames = append(frames, memory.New(sizes[rand.IntN(len(sizes)-rand.IntN(8))]))
				}
				to := nodes[rand.IntN(len(nodes))].UUID()
				if to == n.UUID() {
					continue
				}
				summed(frames)
				if rand.IntN(2) == 0 {
					give(n, to, frames)
					continue
				}
				if err := n.Whisper(t.Context(), to, frames...); err != nil {
					t.Error(err)
					continue
				}
				sent.Add(1)
				for _, f := range frames { // they are ours again
					clear(f)
				}
			}
		})
	}
	senders.Wait()
	eventually(t, "all that was sent is here", func() bool { return got.Load() == sent.Load() })
	close(done)
	receivers.Wait()
	t.Logf("%d messages", got.Load())
}
