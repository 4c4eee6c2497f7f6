//go:build linux

package interop

import (
	"bytes"
	"context"
	"net"
	"strconv"
	"testing"

	"github.com/google/uuid"

	beacons "github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/node"
	"github.com/go-zre/go-zre/zre"
)

// hostNetwork is the network of a host, for a node in this process.
type hostNetwork struct{ *testbed.Host }

func (h hostNetwork) Interfaces() (all []beacons.Interface, err error) {
	err = h.Do(func() (err error) { all, err = beacons.System.Interfaces(); return err })
	return all, err
}

func (h hostNetwork) ListenPacket(network string, port int) (c beacons.PacketConn, err error) {
	err = h.Do(func() (err error) { c, err = beacons.System.ListenPacket(network, port); return err })
	return c, err
}

func (h hostNetwork) Listen(ctx context.Context, network, address string) (l net.Listener, err error) {
	err = h.Do(func() (err error) { l, err = node.System.Listen(ctx, network, address); return err })
	return l, err
}

func (h hostNetwork) Dial(ctx context.Context, network, address string) (nc net.Conn, err error) {
	err = h.Do(func() (err error) { nc, err = node.System.Dial(ctx, network, address); return err })
	return nc, err
}

// meetOurs makes a node of this process, a, and a peer, b, on two hosts, that know each other.
func meetOurs(t *testing.T, kind testbed.Kind) (ctx context.Context, a *zre.Node, b *testbed.Peer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	t.Cleanup(cancel)
	lan := testbed.NewLAN(t, "")
	b = testbed.Start(t, lan.Host("b"), kind, options("b"))
	id := uuid.MustParse(b.UUID)
	a, err := zre.NewNode(zre.WithName("a"), zre.WithNetwork(hostNetwork{lan.Host("a")}), zre.WithTransports("tcp"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	if err := a.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for event := range a.AllEvents(ctx) {
		if enter, ok := event.(zre.Enter); ok && enter.Peer.UUID == id {
			break
		}
	}
	b.Wait(t, "ENTER of a", func(e testbed.Event) bool { return e.Event == "enter" && e.Peer == a.UUID().String() })
	return ctx, a, b
}

// All implementations answer PINGs, and see nothing strange in the numbers when PINGs overtake messages.
func TestPing(t *testing.T) {
	for _, kind := range append([]testbed.Kind{testbed.Zre}, theirs...) {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx, a, b := meetOurs(t, kind)
			id := uuid.MustParse(b.UUID)
			answered := make(chan error, 1)
			go func() {
				var err error
				for i := 0; i < 20 && err == nil; i++ {
					_, err = a.Ping(ctx, id)
				}
				answered <- err
			}()
			for i := range window {
				if err := a.Whisper(ctx, id, []byte(strconv.Itoa(i)), bytes.Repeat([]byte("x"), 1000)); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-answered; err != nil {
				t.Error(err)
			}
			next := 0
			b.Wait(t, "the last message", func(e testbed.Event) bool {
				if e.Event == "whisper" && e.Text[0] == strconv.Itoa(next) {
					next++
				}
				return next == window
			})
			if _, err := a.Ping(ctx, id); err != nil {
				t.Error(err)
			}
		})
	}
}

// All implementations answer a PING behind messages when they have read those.
func TestFlush(t *testing.T) {
	for _, kind := range append([]testbed.Kind{testbed.Zre}, theirs...) {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx, a, b := meetOurs(t, kind)
			id := uuid.MustParse(b.UUID)
			for i := range window {
				if err := a.Whisper(ctx, id, []byte(strconv.Itoa(i)), bytes.Repeat([]byte("x"), 10_000)); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.Flush(ctx, id); err != nil {
				t.Fatal(err)
			}
			next := 0
			b.Wait(t, "the last message", func(e testbed.Event) bool {
				if e.Event == "whisper" && e.Text[0] == strconv.Itoa(next) {
					next++
				}
				return next == window
			})
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			b.Wait(t, "EXIT of a", func(e testbed.Event) bool { return e.Event == "exit" && e.Peer == a.UUID().String() })
		})
	}
}
