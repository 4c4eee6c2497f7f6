package zretest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A peer's groups are listed in the order of joining, in events and in the result of Peer. Those of its HELLO come first.
func TestGroupsAreInTheOrderOfJoining(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := zretest.Start(t, lan.Host("10.0.0.1"))
		f := zretest.NewForeign(t, lan.Host("10.0.0.2"), zretest.Zyre, zretest.ForeignGroups("m", "k"))
		zretest.Next[zre.Enter](a)
		b := zretest.Start(t, lan.Host("10.0.0.3"))
		zretest.Next[zre.Enter](b)
		advance(time.Second)
		f.Join("z")
		f.Join("a")
		f.Leave("k")
		f.Join("k")
		if err := errors.Join(b.Join("z"), b.Join("a"), b.Join("m")); err != nil {
			t.Fatal(err)
		}
		advance(time.Second)
		p, _ := a.Peer(f.UUID())
		expectEqual(t, "groups of a foreign peer", p.Groups, []string{"m", "z", "a", "k"})
		p, _ = a.Peer(b.UUID())
		expectEqual(t, "groups of a peer", p.Groups, []string{"z", "a", "m"})
		var last *zre.Peer
		for _, event := range a.Seen() {
			if e, ok := event.(zre.Join); ok && e.Peer.UUID == b.UUID() {
				last = e.Peer
			}
		}
		expectEqual(t, "groups of the peer of the last event", last.Groups, p.Groups)
	})
}
