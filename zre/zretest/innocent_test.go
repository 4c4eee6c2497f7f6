package zretest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// Of two members whose queues are full, the one that soon takes its messages is served; only the other is dropped.
func TestShoutSparesTheInnocent(t *testing.T) {
	zretest.Run(t, 20, func(t *testing.T, lan *zretest.LAN) {
		h, q := lan.Host("10.0.0.2"), lan.Host("10.0.0.3")
		sender := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("sender"))
		hung := zretest.Start(t, h, zre.WithName("hung"))
		quick := zretest.Start(t, q, zre.WithName("quick"))
		for _, n := range []*zretest.Watched{hung, quick} {
			if err := n.Join("G"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		h.Freeze()
		q.Freeze()
		time.AfterFunc(time.Second, q.Thaw)
		payload := make([]byte, 1000)
		var err error
		for n := 0; err == nil; n++ { // until both queues are full: this call waits, a second for quick, five for hung
			err = sender.Shout(t.Context(), "G", payload)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for _, e := range sender.Seen() {
			if exit, ok := e.(zre.Exit); ok && exit.Peer.Name == "quick" {
				t.Errorf("quick was dropped: %v (%v)", exit.Reason, err)
			}
		}
		h.Thaw()
	})
}
