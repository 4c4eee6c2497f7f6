//go:build linux

package interop

import (
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// A firewall lets theirs connect to ours, but not ours to theirs. It exits as unreachable, and is back when the firewall is open.
func TestFirewallOneWay(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		lan := testbed.NewLAN(t, "")
		ha, hb := lan.Host("a"), lan.Host("b")
		ha.BlockDials(hb)
		o := options("ours")
		o.Evasive, o.Expired = 2*time.Second, 6*time.Second
		o.Expected = func(e testbed.Event) bool { return strings.Contains(e.Error, "no such peer") } // the whisper below
		a := testbed.Start(t, ha, ours, o)
		b := testbed.Start(t, hb, kind, options("theirs"))
		enter := a.Wait(t, "ENTER", testbed.Is("enter", b))
		exit := a.WaitAfter(t, enter, "EXIT", testbed.Is("exit", b))
		if exit.Reason != "unreachable" || exit.Error == "" {
			t.Errorf("it exited for the reason %q with the error %q, want unreachable, and that of the dial", exit.Reason, exit.Error)
		}
		if e, ok := a.Try(exit, 15*time.Second, testbed.Is("enter", b)); ok {
			t.Errorf("it entered again behind the firewall: %v", e)
		}
		before := last(a)
		if err := a.Send(testbed.Command{Cmd: "whisper", Peer: b.UUID, Text: []string{"in vain"}}); err != nil {
			t.Fatal(err)
		}
		a.WaitAfter(t, before, "the error of the whisper", func(e testbed.Event) bool {
			return e.Event == "error" && strings.Contains(e.Error, "no such peer")
		})

		ha.AllowDials()
		back := a.WaitAfter(t, exit, "ENTER", testbed.Is("enter", b))
		a.Whisper(t, b, []byte("x"))
		b.Wait(t, "the whisper", testbed.Whisper(a, []byte("x")))
		b.Whisper(t, a, []byte("y"))
		a.Wait(t, "the whisper", testbed.Whisper(b, []byte("y")))
		if e, ok := a.Try(back, 5*time.Second, testbed.Is("exit", b)); ok {
			t.Errorf("it exits once more: %v", e)
		}
	})
}
