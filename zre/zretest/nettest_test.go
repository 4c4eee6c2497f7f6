package zretest_test

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/go-zre/go-zre/zre/zretest"
)

// The connections pass the net.Conn tests of package nettest. These run in real time.
func TestConnections(t *testing.T) {
	for _, network := range []struct{ name, address string }{{"tcp", "10.0.0.2:7"}, {"unix", "/run/echo"}} {
		t.Run(network.name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				lan := zretest.NewLAN(t)
				b := lan.Host("10.0.0.2")
				a := lan.Host("10.0.0.1")
				if network.name == "unix" {
					a = b.Process()
				}
				l, err := b.Listen(t.Context(), network.name, network.address)
				if err != nil {
					return nil, nil, nil, err
				}
				if c1, err = a.Dial(t.Context(), network.name, network.address); err != nil {
					return nil, nil, nil, err
				}
				if c2, err = l.Accept(); err != nil {
					return nil, nil, nil, err
				}
				return c1, c2, func() { c1.Close(); c2.Close(); l.Close() }, nil
			})
		})
	}
}
