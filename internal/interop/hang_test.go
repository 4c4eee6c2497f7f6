//go:build linux

package interop

import (
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// allowErrors adds that error events are expected: messages to a peer that is lost at the moment.
func allowErrors(o testbed.Options) testbed.Options {
	o.Errors = true
	return o
}

// waitForReentry waits until a node, after some event, has lost a peer and met it again. It returns that ENTER.
func waitForReentry(t *testing.T, node, peer *testbed.Peer, after testbed.Event) testbed.Event {
	t.Helper()
	exit := node.WaitAfter(t, after, "EXIT of "+peer.String(), testbed.Is("exit", peer))
	enter := node.WaitAfter(t, exit, "another ENTER of "+peer.String(), testbed.Is("enter", peer))
	node.WaitAfter(t, exit, "another JOIN of "+peer.String(), testbed.InGroup("join", peer, "CHAT"))
	return enter
}

// exchange waits until messages pass both ways. After a hang, messages still under way can break sessions a few more times.
func exchange(t *testing.T, a, b *testbed.Peer) {
	t.Helper()
	for _, pair := range [][2]*testbed.Peer{{a, b}, {b, a}} {
		speaker, listener := pair[0], pair[1]
		begun, deadline := last(listener), time.Now().Add(testbed.Patience)
		for heard := false; !heard; {
			if time.Now().After(deadline) {
				t.Fatalf("%s receives nothing from %s any more", listener, speaker)
			}
			speaker.Whisper(t, listener, []byte("are you there?"))
			_, heard = listener.Try(begun, 200*time.Millisecond, testbed.Is("whisper", speaker))
		}
	}
}

// Theirs hangs for longer than we wait, then continues: it is EVASIVE, expires, and comes back.
func TestTheirsHangs(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		lan := testbed.NewLAN(t, "")
		a := testbed.Start(t, lan.Host("a"), ours, allowErrors(shortTimeouts("ours")))
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
		waitForReentry(t, a, b, testbed.Event{})
		waitForReentry(t, b, a, testbed.Event{})
		exchange(t, a, b)
		converse(t, a, b)
	})
}

// Ours hangs for longer than they wait, then continues: they lose it and meet it again.
func TestOursHangs(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		lan := testbed.NewLAN(t, "")
		a := testbed.Start(t, lan.Host("a"), ours, allowErrors(options("ours")))
		b := testbed.Start(t, lan.Host("b"), kind, shortTimeouts("theirs"))
		meet(t, a, b)
		a.Stop()
		b.Wait(t, "EXIT", testbed.Is("exit", a))
		a.Continue()
		waitForReentry(t, b, a, testbed.Event{})
		waitForReentry(t, a, b, testbed.Event{})
		exchange(t, a, b)
		converse(t, a, b)
	})
}
