//go:build linux

package harness

import (
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/bench"
	"github.com/go-zre/go-zre/internal/testbed"
)

// foreignKinds are the other implementations. Each is measured against itself, by its bot, which neither reads nor writes JSON while it
// floods and counts.
var foreignKinds = []testbed.Kind{testbed.Zyre, testbed.ZyreJS, testbed.Pyre}

// windows are the thousands of messages in a round: pyre drops a peer that is 3,000 behind.
var windows = map[testbed.Kind]int{testbed.Zyre: 20, testbed.ZyreJS: 10, testbed.Pyre: 3}

func whispersAndForeign(t testing.TB, r *run, kind testbed.Kind, row string) {
	host := testbed.NewLAN(t, "").Host("host") // pyre does not use lo
	a := testbed.Start(t, host, kind, testbed.Options{Name: "a"})
	b := testbed.Start(t, host, kind, testbed.Options{Name: "b"})
	a.Wait(t, "ENTER", testbed.Is("enter", b))
	b.Wait(t, "ENTER", testbed.Is("enter", a))

	send := func(p *testbed.Peer, c testbed.Command) {
		t.Helper()
		if err := p.Send(c); err != nil {
			t.Fatal(err)
		}
	}
	window, times := r.count(1000, 100), r.count(windows[kind], 1)
	var last testbed.Event
	theirs := func() sample {
		began, before := time.Now(), processorOf(t, a.Pid(), b.Pid())
		for range times {
			send(b, testbed.Command{Cmd: "count", Count: window})
			last = b.WaitAfter(t, last, "counting", func(e testbed.Event) bool { return e.Event == "counting" })
			send(a, testbed.Command{Cmd: "flood", Peer: b.UUID, Size: 16, Count: window})
			last = b.WaitAfter(t, last, "counted", func(e testbed.Event) bool { return e.Event == "counted" })
		}
		count := window * times
		return sample{[]float64{float64(count) / time.Since(began).Seconds()}, perMessage(t, before, count, a.Pid(), b.Pid())}
	}
	r.compare([]string{row}, 5, whispers(t, "tcp", bench.Load{Size: 16, Count: r.count(sizes[0].count, 200)}), theirs)
}
