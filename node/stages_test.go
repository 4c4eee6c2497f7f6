//go:build linux

package node

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/msg"
)

// stages are what a connection may have sent when it stops. All are before the node knows a peer.
var stages = []struct {
	name   string
	octets func(id uuid.UUID) []byte
}{
	{"silent", func(uuid.UUID) []byte { return nil }},
	{"part of the greeting", func(uuid.UUID) []byte { return zmtpGreeting()[:11] }},
	{"greeting, no READY", func(uuid.UUID) []byte { return zmtpGreeting() }},
	{"part of READY", func(id uuid.UUID) []byte { return append(zmtpGreeting(), zmtpReady(id)[:20]...) }},
	{"READY, no HELLO", func(id uuid.UUID) []byte { return append(zmtpGreeting(), zmtpReady(id)...) }},
	{"part of a frame's header", func(id uuid.UUID) []byte { return append(handshake(id), 2, 0, 0, 0) }},
	{"part of a frame's body", func(id uuid.UUID) []byte { return append(handshake(id), zmtpMessage(make([]byte, 1000))[:500]...) }},
	{"another message than HELLO", func(id uuid.UUID) []byte { return append(handshake(id), zmtpMessage(msg.AppendPing(nil, 1))...) }},
}

func handshake(id uuid.UUID) []byte { return append(zmtpGreeting(), zmtpReady(id)...) }

// Thousands of connections never reach HELLO. They stop at every stage before it; some send a byte now and then. Good peers are served
// meanwhile. After their time the connections, and all that they cost, are gone.
// On a slow machine the first ones end before the last ones begin.
func TestUnfinishedHandshakes(t *testing.T) {
	const count, hosts = 5_000, 50
	for _, test := range []struct {
		name   string
		limits Limits
		time   time.Duration // for a handshake
		most   int           // the limit of open connections
		heap   int64
	}{
		{"default limits", Limits{}, 2 * time.Second, 512, 32 << 20},
		{"room for all", Limits{Handshakes: 2 * count}, 4 * time.Second, count, 128 << 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			if need := uint64(2*count + 200); descriptors(t) < need {
				testbed.Missing(t, "%d file descriptors, of which the system allows %d", need, descriptors(t))
			}
			node, err := New(onLoopback(beaconPort(), Config{Limits: test.limits}))
			if err != nil {
				t.Fatal(err)
			}
			node.zmtp.HandshakeTimeout = test.time
			n := record(t, node)
			b := newBystander(t, n)
			before, goroutines := heap(), runtime.NumGoroutine()
			a := attackers(t, n.port)
			began := time.Now()
			for i := range count {
				a.connect(byte(9+i%hosts), stages[i%len(stages)].octets(uuid.New()))
				if i == count/2 {
					b.served()
				}
			}
			b.served()
			eventually(t, "the places are taken, and no more", func() bool { return a.open() <= test.most })
			if grown := heap() - before; grown > test.heap {
				t.Errorf("the heap grew by %d bytes, want %d at most", grown, test.heap)
			}
			t.Logf("%d connections in %v; %d open; heap +%d KiB", count, time.Since(began), a.open(), (heap()-before)>>10)
			drip := time.NewTicker(100 * time.Millisecond)
			defer drip.Stop()
			for deadline := time.After(patience); a.open() > 0; {
				select {
				case <-drip.C:
					for i, p := range a.all {
						if i%3 == 0 {
							_, _ = p.Write([]byte{0})
						}
					}
				case <-deadline:
					t.Fatalf("%d connections are still open", a.open())
				}
			}
			b.served()
			a.close()
			eventually(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= goroutines+10 })
			a.all = nil
			if grown := heap() - before; grown > heapBound {
				t.Errorf("after the end of all connections the heap is %d bytes larger", grown)
			}
		})
	}
}

// Connections that are reset at every stage leave nothing behind.
func TestResets(t *testing.T) {
	n := start(t, onLoopback(beaconPort(), Config{}))
	b := newBystander(t, n)
	before, goroutines := heap(), runtime.NumGoroutine()
	a := attackers(t, n.port)
	for round := range 40 {
		for _, stage := range stages {
			a.connect(byte(9+round), stage.octets(uuid.New())).reset()
		}
		// A peer that has entered is reset, too.
		f := newFakePeer(t, n)
		f.router.Close()
		p := a.connect(byte(9+round), append(handshake(f.uuid), zmtpMessage(f.hello(1, nil))...))
		n.waitKind(Enter, f.uuid)
		p.reset()
		n.waitKind(Exit, f.uuid)
	}
	b.served()
	a.close()
	eventually(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= goroutines+10 })
	if grown := heap() - before; grown > 8<<20 {
		t.Errorf("after the end of all connections the heap is %d bytes larger", grown)
	}
}

// descriptors raises the limit of file descriptors as far as the system allows, and returns it.
func descriptors(t *testing.T) uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(fmt.Errorf("getrlimit: %w", err))
	}
	return limit.Max // package os has raised the limit to that at the start
}
