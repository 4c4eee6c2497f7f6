package zmtp

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// A dialer that finds another peer than expected has not given its identity: its connection to that Router continues.
func TestExpect(t *testing.T) {
	for _, c := range []struct {
		name         string
		router, want string
		err          error
	}{
		{"the right one", "x", "x", nil},
		{"one without a name, as libzmq's", "", "x", nil},
		{"any", "x", "", nil},
		{"another", "y", "x", ErrWrongPeer},
	} {
		for _, link := range []bool{false, true} {
			t.Run(map[bool]string{false: "socket/", true: "inproc/"}[link]+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					in := newInbox()
					r := NewRouter(Config{Identity: []byte(c.router)}, in.accept)
					l := newMemListener()
					serve(t, r, l)
					cfg := Config{Identity: []byte("me")}
					good, _ := dialMem(t, l, cfg)
					synctest.Wait()
					cfg.Expect = []byte(c.want)
					var err error
					if link {
						_, err = r.Link(cfg, NewInprocQueue(1, 1), nil, newRecorder(1))
					} else {
						_, err = Open(context.Background(), l.dial(), cfg, NewQueue(1, 1), nil, newRecorder(1))
					}
					if !errors.Is(err, c.err) {
						t.Fatalf("error %v, want %v", err, c.err)
					}
					synctest.Wait()
					if replaced := good.Err() != nil; replaced != (c.err == nil) {
						t.Errorf("the connection from before: %v", good.Err())
					}
					r.Close()
				})
			})
		}
	}
}
