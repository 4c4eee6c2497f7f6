package zretest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// Two members have full queues. The one that soon reads its messages is served; only the other is dropped.
func TestShoutKeepsQuickMember(t *testing.T) {
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

// A member on a slow link, which takes longer than the send timeout for each message, is served as long as it makes progress, whether or not
// another member hangs.
func TestShoutKeepsSlowMember(t *testing.T) {
	for _, beside := range []bool{false, true} {
		t.Run(fmt.Sprint("beside a hung one ", beside), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				const messages, size = 12, 3 << 20
				from, far, stopped := lan.Host("10.0.0.1"), lan.Host("10.0.0.2"), lan.Host("10.0.0.3")
				sender := zretest.Start(t, from, zre.WithLimits(zre.Limits{QueueBytes: 4 << 20}))
				join := func(n *zretest.Watched) {
					if err := n.Join("G"); err != nil {
						t.Fatal(err)
					}
					zretest.Next[zre.Join](sender)
				}
				if beside { // the first of the members
					join(zretest.Start(t, stopped, zre.WithName("hung")))
				}
				slow := zretest.Start(t, far, zre.WithName("slow"))
				join(slow)
				lan.SetLinkBetween(from, far, zretest.Link{Latency: time.Millisecond, Bandwidth: 200_000})
				if beside {
					stopped.Freeze()
					defer stopped.Thaw()
				}
				for range messages {
					if err := sender.Shout(t.Context(), "G", make([]byte, size)); err != nil && !beside {
						t.Error(err)
					}
				}
				advance(2 * time.Minute)
				for _, e := range sender.Seen() {
					if exit, ok := e.(zre.Exit); ok && exit.Peer.Name == "slow" {
						t.Errorf("slow was dropped: %v", exit.Reason)
					}
				}
				got := 0
				for _, e := range slow.Seen() {
					if shout, ok := e.(zre.Shout); ok && len(shout.Frames[0]) == size {
						got++
					}
				}
				if got != messages {
					t.Errorf("slow got %d of %d messages", got, messages)
				}
			})
		})
	}
}
