//go:build linux

package interop

import (
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// tolerant adds that error events are expected: messages to a peer that is lost at the moment.
func tolerant(o testbed.Options) testbed.Options {
	o.Errors = true
	return o
}

// again waits until who, after some event, has lost whom and met it again. It returns that ENTER.
func again(t *testing.T, who, whom *testbed.Peer, after testbed.Event) testbed.Event {
	t.Helper()
	exit := who.WaitAfter(t, after, "EXIT of "+whom.String(), testbed.Is("exit", whom))
	enter := who.WaitAfter(t, exit, "ENTER anew of "+whom.String(), testbed.Is("enter", whom))
	who.WaitAfter(t, exit, "JOIN anew of "+whom.String(), testbed.InGroup("join", whom, "CHAT"))
	return enter
}

// settle waits until messages pass both ways. After a hang, messages still under way can break sessions a few more times.
func settle(t *testing.T, a, b *testbed.Peer) {
	t.Helper()
	for _, pair := range [][2]*testbed.Peer{{a, b}, {b, a}} {
		speaker, listener := pair[0], pair[1]
		begun, deadline := last(listener), time.Now().Add(testbed.Patience)
		for heard := false; !heard; {
			if time.Now().After(deadline) {
				t.Fatalf("%s does not hear %s any more", listener, speaker)
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
		a := testbed.Start(t, lan.Host("a"), ours, tolerant(impatient("ours")))
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
		again(t, a, b, testbed.Event{})
		again(t, b, a, testbed.Event{})
		settle(t, a, b)
		converse(t, a, b)
	})
}

// Ours hangs for longer than they wait, then continues: they lose it and meet it again.
func TestOursHangs(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		lan := testbed.NewLAN(t, "")
		a := testbed.Start(t, lan.Host("a"), ours, tolerant(options("ours")))
		b := testbed.Start(t, lan.Host("b"), kind, impatient("theirs"))
		meet(t, a, b)
		a.Stop()
		b.Wait(t, "EXIT", testbed.Is("exit", a))
		a.Continue()
		again(t, b, a, testbed.Event{})
		again(t, a, b, testbed.Event{})
		settle(t, a, b)
		converse(t, a, b)
	})
}
