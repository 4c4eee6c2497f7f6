//go:build linux

package interop

import (
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// again waits until who has lost whom and met it anew, and returns the EXIT.
func again(t *testing.T, who, whom *testbed.Peer) testbed.Event {
	t.Helper()
	exit := who.Wait(t, "EXIT of "+whom.String(), testbed.Is("exit", whom))
	enter := who.WaitAfter(t, exit, "ENTER anew of "+whom.String(), testbed.Is("enter", whom))
	who.WaitAfter(t, enter, "JOIN anew of "+whom.String(), testbed.InGroup("join", whom, "CHAT"))
	return exit
}

// Theirs hangs for longer than we wait, then goes on: it is EVASIVE, expires, and comes back.
func TestTheirsHangs(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		lan := testbed.NewLAN(t, "")
		a := testbed.Start(t, lan.Host("a"), ours, impatient("ours"))
		b := testbed.Start(t, lan.Host("b"), kind, options("theirs"))
		meet(t, a, b)
		b.Stop()
		exit := a.Wait(t, "EXIT", testbed.Is("exit", b))
		if exit.Reason != "expired" {
			t.Errorf("%s lost a hanging peer with the reason %q, want expired", a, exit.Reason)
		}
		evasive := a.Wait(t, "EVASIVE", testbed.Is("evasive", b))
		if !evasive.Before(exit) {
			t.Errorf("%s reported EVASIVE after EXIT", a)
		}
		b.Continue()
		again(t, a, b)
		if traitsOf[kind].ignoresSecondHello {
			b.Wait(t, "EXIT", testbed.Is("exit", a))
			a.Whisper(t, b, []byte("are you there?"))
		}
		again(t, b, a)
		t.Error("xx")
		converse(t, a, b)
	})
}

// Ours hangs for longer than they wait, then goes on: they lose it and meet it again.
func TestOursHangs(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		lan := testbed.NewLAN(t, "")
		a := testbed.Start(t, lan.Host("a"), ours, options("ours"))
		b := testbed.Start(t, lan.Host("b"), kind, impatient("theirs"))
		meet(t, a, b)
		a.Stop()
		b.Wait(t, "EXIT", testbed.Is("exit", a))
		a.Continue()
		again(t, b, a)
		again(t, a, b)
		converse(t, a, b)
	})
}
