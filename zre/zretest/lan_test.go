package zretest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A fakeTB is a test that may fail without failing the enclosing test.
type fakeTB struct {
	testing.TB
	failed   bool
	text     strings.Builder
	cleanups []func()
}

func (w *fakeTB) Errorf(format string, args ...any) {
	w.failed = true
	w.Logf(format, args...)
}
func (w *fakeTB) Logf(format string, args ...any) { fmt.Fprintf(&w.text, format+"\n", args...) }
func (w *fakeTB) Failed() bool                    { return w.failed }
func (w *fakeTB) Cleanup(f func())                { w.cleanups = append(w.cleanups, f) }

// end runs the cleanups and returns the output of the test.
func (w *fakeTB) end() string {
	for i := len(w.cleanups) - 1; i >= 0; i-- {
		w.cleanups[i]()
	}
	return w.text.String()
}

func TestFailure(t *testing.T) {
	inFakeTime(t, func(t *testing.T, _ *zretest.LAN) {
		w := &fakeTB{TB: t}
		lan := zretest.NewLAN(w, zretest.Seed(7))
		h := lan.Host(addrA)
		socket, err := h.ListenPacket("udp4", 9)
		if err != nil {
			t.Fatal(err)
		}
		listener, err := h.Listen(t.Context(), "tcp", ":7")
		if err != nil {
			t.Fatal(err)
		}
		text := w.end()
		for _, want := range []string{
			"10.0.0.1 still has UDP port 9 open",
			"10.0.0.1 still listens on tcp 0.0.0.0:7",
			"go test github.com/go-zre/go-zre/zre/zretest -run '^TestFailure$' -zretest.seed=" + fmt.Sprint(lan.Seed()) + "\n",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the failure does not say %q:\n%s", want, text)
			}
		}
		socket.Close()
		listener.Close()
		w = &fakeTB{TB: t}
		zretest.NewLAN(w)
		if text := w.end(); text != "" {
			t.Errorf("a good test says %q", text)
		}
	})
}

// A watched node whose events break the rules fails the test.
func TestWatchNotices(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		w := &fakeTB{TB: t}
		a := zretest.Start(w, lan.Host(addrA), zre.WithName("a"))
		b := zretest.Start(t, lan.Host(addrB), zre.WithName("b"))
		zretest.Next[zre.Enter](b)
		for _, n := range []uint64{0, 1, 3} {
			if err := b.Whisper(t.Context(), a.UUID(), zretest.Number(n)); err != nil {
				t.Error(err)
			}
		}
		for range 3 {
			zretest.Next[zre.Whisper](a)
		}
		text := w.end()
		if want := "a: zretest: whisper number 3 of b came where 2 was due; its events: Enter(b"; !strings.Contains(text, want) {
			t.Errorf("the failure does not say %q:\n%s", want, text)
		}
	})
}
