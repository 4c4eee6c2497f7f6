package zretest_test

import (
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// The location of nodes decides their transport. A crash of another process on the host is seen at once. A process that comes back is met
// again, on the same transport.
func TestSameHost(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		here := lan.Host("10.0.0.1")
		process := here.Process()
		a := zretest.Start(t, here, zre.WithName("a"))
		for name, host := range map[string]*zretest.Host{"inproc": here, "ipc": process, "tcp": lan.Host("10.0.0.2")} {
			zretest.Start(t, host, zre.WithName(name))
		}
		advance(time.Second)
		for _, p := range a.Peers() {
			if p.Transport != p.Name {
				t.Errorf("%s is reached by %s", p.Name, p.Transport)
			}
		}
		if got := len(a.Peers()); got != 3 {
			t.Fatalf("the node sees %d peers", got)
		}
		advance(time.Minute)
		began := time.Now()
		process.Kill()
		e := zretest.Next[zre.Exit](a)
		if took := time.Since(began); e.Peer.Name != "ipc" || e.Reason != zre.ReasonCrashed || took > 100*time.Millisecond {
			t.Errorf("after %v: %s exits, %v", took, e.Peer.Name, e.Reason)
		}
		again := zretest.Start(t, here.Process(), zre.WithName("again"))
		zretest.Next[zre.Enter](a)
		advance(time.Second)
		if p, _ := a.Peer(again.UUID()); p == nil || p.Transport != "ipc" {
			t.Errorf("%+v", p)
		}
	})
}
