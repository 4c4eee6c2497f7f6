package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/msg"
)

// hang adds a peer that reads nothing, and sends it messages of the given size until there is no room.
func hang(t *testing.T, n *testNode, size int) *fakePeer {
	t.Helper()
	f := newFakePeer(t, n)
	f.enter()
	f.freeze()
	message := make([]byte, size)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := n.Whisper(ctx, f.uuid, message)
		cancel()
		if errors.Is(err, ErrPeerBusy) {
			return f
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) { // on a busy machine time may be up before there is an attempt
			t.Fatal(err)
		}
	}
}

// Any number of hung peers hold no more than the budget together; one alone holds at most its queue and half as much again.
func TestHungPeersHoldTheBudget(t *testing.T) {
	for _, test := range []struct {
		peers, size   int
		heap, process int64 // MiB added
	}{
		{1, 8_000, 72, 96},
		{1, 20_000, 72, 96},
		{100, 8_000, 144, 300},
		{100, 20_000, 144, 300},
	} {
		t.Run(fmt.Sprintf("%d of %d", test.peers, test.size), func(t *testing.T) {
			n := start(t, onLoopback(beaconPort(), Config{Linger: -1, SendTimeout: time.Hour, Limits: Limits{QueueMessages: 60_000}}))
			debug.FreeOSMemory()
			before, resident := heapInUse(), residentBytes()
			for range test.peers {
				hang(t, n, test.size)
			}
			if process := residentBytes() - resident; !raceDetector && process>>20 > test.process {
				t.Errorf("the process holds %d MiB more, want %d at most", process>>20, test.process)
			}
			if heap := heapInUse() - before; heap>>20 > test.heap {
				t.Errorf("the heap holds %d MiB more, want %d at most", heap>>20, test.heap)
			}
			most := n.cfg.Limits.TotalQueueBytes + int64(test.peers)*16<<10 // each stops within one chunk
			if used := n.queues.Used(); used > most || used < n.cfg.Limits.TotalQueueBytes/3 {
				t.Errorf("the budget counts %d bytes, want a third of it at least and %d at most", used, most)
			}
			good := newBystander(t, n)
			good.servedOld()
		})
	}
}

// heapInUse returns the bytes in use on the heap.
func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// residentBytes returns the resident memory of the process in bytes; 0 if the system does not say.
func residentBytes() (octets int64) {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if kib, is := strings.CutPrefix(line, "VmRSS:"); is {
			_, _ = fmt.Sscan(kib, &octets)
		}
	}
	return octets << 10
}

// If a message finds no room because of other peers, its error names the peer that holds most. If that one has read nothing for the send
// timeout, it is dropped, and not the peer that the message is for.
func TestHungPeerMakesRoomForOthers(t *testing.T) {
	const budget = 12 << 20
	n := start(t, onLoopback(beaconPort(), Config{Linger: -1, SendTimeout: time.Second, Limits: Limits{TotalQueueBytes: budget}}))
	hung := []*fakePeer{hang(t, n, 20_000), hang(t, n, 20_000)}
	good := newFakePeer(t, n)
	good.enter()
	message := make([]byte, budget/2)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := n.Whisper(ctx, good.uuid, message)
	if !errors.Is(err, ErrPeerBusy) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("whisper: %v", err)
	}
	named := false
	for _, f := range hung {
		named = named || strings.Contains(err.Error(), f.uuid.String())
	}
	if !named || !strings.Contains(err.Error(), "TotalQueueBytes") {
		t.Errorf("%q does not name the peer whose messages use up the budget", err)
	}
	if err := n.Whisper(t.Context(), good.uuid, message); err != nil {
		t.Errorf("whisper: %v", err)
	}
	exit := n.wait("exit of a peer that hangs", func(e Event) bool { return e.Kind == Exit })
	if exit.Peer.UUID == good.uuid || exit.Reason != NotResponding {
		t.Errorf("got events %s, want the exit of a hung peer as not responding", n.log())
	}
}

// The same, while the message's peer reads answers to its PINGs: these say nothing about the room that others hold.
func TestHungPeerMakesRoomBesidePings(t *testing.T) {
	const budget = 12 << 20
	n := start(t, onLoopback(beaconPort(), Config{Linger: -1, SendTimeout: time.Second, Limits: Limits{TotalQueueBytes: budget}}))
	hang(t, n, 20_000)
	hang(t, n, 20_000)
	good := newFakePeer(t, n)
	good.enter()
	sent := make(chan error, 1)
	go func() { sent <- n.Whisper(t.Context(), good.uuid, make([]byte, budget/2)) }()
	ticker, deadline := time.NewTicker(50*time.Millisecond), time.After(patience)
	defer ticker.Stop()
	for sequence := uint16(2); ; sequence++ {
		select {
		case err := <-sent:
			if err != nil {
				t.Errorf("whisper: %v", err)
			}
			return
		case <-ticker.C:
			good.send(msg.AppendPing(nil, sequence))
		case <-deadline:
			t.Fatal("the whisper waits forever")
		}
	}
}
