//go:build linux

package routed

import (
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// wired makes two hosts of one network, the first of which has a cable that can be bad.
func wired(t *testing.T) (a, b *testbed.Host, wire *testbed.Wire) {
	t.Helper()
	lan := testbed.NewLAN(t, "")
	a, wire = lan.WiredHost("a", 1)
	return a, lan.Host("b"), wire
}

// Large packets get lost, as in a tunnel whose router sends no ICMP: a large message never arrives, and the peer is heard all the time. It
// exits, and is back for small ones.
func TestLargePacketsGetLost(t *testing.T) {
	t.Parallel()
	for _, kind := range []testbed.Kind{testbed.Zre, testbed.Zyre} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			hostA, hostB, wire := wired(t)
			patient := options("b")
			patient.Expired = 15 * time.Second // it hears nothing meanwhile, and would sometimes be the first to give up
			a, b := start(t, hostA, testbed.Zre, options("a")), start(t, hostB, kind, patient)
			meet(t, a, b)
			wire.Set(testbed.Trouble{Largest: 1_400})
			last, began := lastOf(a), time.Now()
			a.Whisper(t, b, make([]byte, 100_000))
			exit := a.WaitAfter(t, last, "the EXIT", testbed.Is("exit", b))
			if took := time.Since(began); exit.Reason != "unreachable" || took < 4*time.Second || took > 10*time.Second {
				t.Errorf("%s after %v, want unreachable after 5 s\n%s", exit.Reason, took, life(a))
			}
			enter := a.WaitAfter(t, exit, "its return", testbed.Is("enter", b))
			heard := lastOf(b)
			a.Whisper(t, b, []byte("small"))
			b.WaitAfter(t, heard, "a small whisper", testbed.Whisper(a, []byte("small")))
			if e, ok := a.Try(enter, calmTime, testbed.Is("exit", b)); ok {
				t.Errorf("it exits again, for small messages: %v", e)
			}
		})
	}
}

// An application that reads nothing is not mistaken for a path that carries nothing: the peer's system acknowledges what it has room for.
func TestHungApplicationIsReachable(t *testing.T) {
	t.Parallel()
	hostA, hostB, _ := wired(t)
	a, b := start(t, hostA, testbed.Zre, options("a")), start(t, hostB, testbed.Zre, options("b"))
	meet(t, a, b)
	last := lastOf(a)
	b.Pause()
	for range 3_000 { // more than wait for the application
		a.Whisper(t, b, make([]byte, 1_000))
	}
	for range 8 { // and for the system
		a.Whisper(t, b, make([]byte, 1<<20))
	}
	if e, ok := a.Try(last, 3*5*time.Second, testbed.Is("exit", b)); ok {
		t.Errorf("%v", e)
	}
	peers := a.Peers(t)
	if len(peers) != 1 || peers[0].QueuedBytes < 1<<20 {
		t.Errorf("%+v: nothing waits, so this shows nothing", peers)
	}
	b.Resume()
	settles(t, a)
}
