package zretest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A node that moves several times within one session is found at its last address.
func TestManyMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		a := lan.Host("10.0.0.1/16")
		alice := zretest.Start(t, a, zre.WithName("alice"))
		bob := zretest.Start(t, lan.Host("10.0.0.2/16"), zre.WithName("bob"))
		zretest.Next[zre.Enter](alice)
		for i := range 4 {
			a.SetAddresses("eth0", fmt.Sprintf("10.0.1.%d/16", i+1))
			time.Sleep(4 * time.Second)
		}
		time.Sleep(30 * time.Minute)
		if _, ok := bob.Peer(alice.UUID()); !ok {
			t.Error("bob does not see alice half an hour after her last move")
		}
		if _, ok := alice.Peer(bob.UUID()); !ok {
			t.Error("alice does not see bob half an hour after her last move")
		}
	})
}
