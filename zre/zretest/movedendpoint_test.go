package zretest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A node that changes its address is seen at the new address.
func TestEndpointOfMovedNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		a, b := lan.Host("10.0.0.1/16"), lan.Host("10.0.0.2/16")
		alice := zretest.Start(t, a, zre.WithName("alice"))
		bob := zretest.Start(t, b, zre.WithName("bob"))
		zretest.Next[zre.Enter](alice)
		a.SetAddresses("eth0", "10.0.9.9/16")
		time.Sleep(5 * time.Minute)
		p, ok := bob.Peer(alice.UUID())
		if !ok || !strings.HasPrefix(p.Endpoint, "tcp://10.0.9.9:") {
			t.Errorf("bob sees alice as %+v", p)
		}
	})
}
