package zmtp

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/internal/curve"
)

// keys returns the same key pair for the same name.
func keys(t testing.TB, name string) *curve.KeyPair {
	t.Helper()
	p, err := curve.NewKeyPair(sha256.Sum256([]byte(name)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// secure returns the Curve of a node that knows the other node's key.
func secure(t testing.TB, name, server string) *Curve {
	t.Helper()
	return &Curve{Keys: keys(t, name), Server: keys(t, server).Public()}
}

// securePair makes a connection in a bubble, and returns our side, our recorder, and the Router's.
func securePair(t testing.TB, router, dealer Config) (*Conn, *recorder, *recorder) {
	t.Helper()
	in, l := newInbox(), newMemListener()
	if router.Curve == nil {
		router.Curve = secure(t, "server", "server")
	}
	if dealer.Curve == nil {
		dealer.Curve = secure(t, "client", "server")
	}
	serve(t, NewRouter(router, in.accept), l)
	c, recv := dialMem(t, l, dealer)
	return c, recv, wait(t, in.conns, "the connection")
}

func TestCurve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dealer := Config{Identity: ourID, Properties: map[string]string{"X-Colour": "red"}, Expect: []byte("router")}
		c, recv, there := securePair(t, Config{Identity: []byte("router"), Properties: map[string]string{"X-Size": "L"}}, dealer)
		if !bytes.Equal(there.conn.Identity(), ourID) || there.conn.Property("x-colour") != "red" {
			t.Errorf("the ROUTER knows %q, %q", there.conn.Identity(), there.conn.Property("x-colour"))
		}
		if string(c.Identity()) != "router" || c.Property("X-Size") != "L" {
			t.Errorf("the DEALER knows %q, %q", c.Identity(), c.Property("X-Size"))
		}
		for _, side := range []struct {
			conn *Conn
			want string
		}{{c, "server"}, {there.conn, "client"}} {
			if key, ok := side.conn.PublicKey(); !ok || key != keys(t, side.want).Public() {
				t.Errorf("the key of the %s is %x, %v", side.want, key, ok)
			}
		}
		all := bodies()
		for i, body := range all {
			if err := push(c.Queue(), body...); err != nil {
				t.Fatal(err)
			}
			if got := there.next(t); !equal(got, body) {
				t.Fatalf("message %d arrived changed", i)
			}
			if err := push(there.conn.Queue(), body...); err != nil {
				t.Fatal(err)
			}
			if got := recv.next(t); !equal(got, body) {
				t.Fatalf("message %d came back changed", i)
			}
		}
		synctest.Wait()
		for _, q := range []*Queue{c.Queue(), there.conn.Queue()} {
			if messages, octets := q.Depth(); messages != 0 || octets != 0 || q.Idle() != nil {
				t.Errorf("%d messages, %d bytes are left in a queue", messages, octets)
			}
			var want int64
			for _, body := range all {
				want += wireSize(body)
			}
			if got, _ := q.Position(); got != want {
				t.Errorf("%d bytes were counted, which are %d in plain", got, want)
			}
		}
		if err := errors.Join(c.Err(), there.conn.Err()); err != nil {
			t.Error(err)
		}
		if n := largeBuffersInUse.Load(); n != 0 {
			t.Errorf("%d buffers were not given back", n)
		}
		elapse(time.Hour)
		_ = push(c.Queue(), []byte("later"))
		if got := strs(there.next(t)); !slices.Equal(got, []string{"later"}) {
			t.Errorf("message after the handshake: got %q, want later", got)
		}
	})
}
