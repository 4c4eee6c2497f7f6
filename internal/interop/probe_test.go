//go:build linux

package interop

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// A node does not notice that its mailbox is probed: there is no event, and its sessions continue. Our nodes give their UUID.
func TestProbe(t *testing.T) {
	for _, kind := range append([]testbed.Kind{testbed.Zre}, theirs...) {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			lan := testbed.NewLAN(t, "")
			a := testbed.Start(t, lan.Host("a"), ours, options("a"))
			b := testbed.Start(t, lan.Host("b"), kind, options("b"))
			meet(t, a, b)
			address := strings.TrimPrefix(a.Wait(t, "ENTER", testbed.Is("enter", b)).Endpoint, "tcp://")
			before := b.Peers(t)
			for range 5 {
				var nc net.Conn
				err := a.Host.Do(func() (err error) {
					nc, err = net.Dial("tcp", address)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				var want []byte
				if kind == testbed.Zre {
					id := uuid.MustParse(b.UUID)
					want = append([]byte{1}, id[:]...)
				}
				got, err := zmtp.Probe(t.Context(), nc, zmtp.Config{Identity: []byte("never told")})
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s has the identity %x, %v; want %x", b, got, err, want)
				}
			}
			if after := b.Peers(t); len(after) != len(before) {
				t.Errorf("%s knows %v, before the probes %v", b, after, before)
			}
			for _, node := range []*testbed.Peer{a, b} {
				for _, e := range node.Events() {
					if e.Event == "exit" {
						t.Errorf("%s saw %v", node, e)
					}
				}
			}
			converse(t, a, b)
		})
	}
}
