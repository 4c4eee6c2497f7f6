//go:build linux

package interop

import (
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// shortTimeouts are options with short timers: a crash that only time shows is noticed within the test.
func shortTimeouts(name string) testbed.Options {
	o := options(name)
	o.Evasive, o.Expired = time.Second, 3*time.Second
	return o
}

// A crash of theirs breaks its connection. Ours notices that, long before its timers would, and meets the successor.
func TestTheirsCrashesAndRestarts(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		lan := testbed.NewLAN(t, "")
		a := testbed.Start(t, lan.Host("a"), ours, options("ours")) // expires peers after 30 s
		host := lan.Host("b")
		b := testbed.Start(t, host, kind, options("theirs"))
		meet(t, a, b)
		b.Kill()
		killed := time.Now()
		expectExit(t, a, b, "crashed")
		if took := time.Since(killed); took > 10*time.Second {
			t.Errorf("%s took %v to notice the crash", a, took)
		}
		successor := testbed.Start(t, host, kind, options("successor"))
		meet(t, a, successor)
		converse(t, a, successor)
	})
}

// The successor may come before the crash was noticed, on the same endpoint as its predecessor: zyre.js always takes the same port.
func TestTheirsRestartsAtOnce(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		lan := testbed.NewLAN(t, "")
		a := testbed.Start(t, lan.Host("a"), ours, options("ours"))
		host := lan.Host("b")
		b := testbed.Start(t, host, kind, options("theirs"))
		meet(t, a, b)
		b.Kill()
		successor := testbed.Start(t, host, kind, options("successor"))
		meet(t, a, successor)
		expectExit(t, a, b, "crashed")
		converse(t, a, successor)
	})
}

// A crash of ours: theirs notice only by their timers, and meet the successor.
func TestOursCrashesAndRestarts(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		lan := testbed.NewLAN(t, "")
		host := lan.Host("a")
		a := testbed.Start(t, host, ours, options("ours"))
		b := testbed.Start(t, lan.Host("b"), kind, shortTimeouts("theirs"))
		meet(t, a, b)
		a.Kill()
		successor := testbed.Start(t, host, ours, options("successor"))
		meet(t, successor, b)
		expectExit(t, b, a, "crashed")
		converse(t, successor, b)
	})
}
