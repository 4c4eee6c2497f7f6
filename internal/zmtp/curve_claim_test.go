package zmtp

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// A connection that claims an identity but sends no greeting does not keep out the owner of the identity.
func TestSilentClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, conns := newMemListener(), make(chan *greeter, 10)
		r := NewRouter(Config{Curve: secure(t, "server", "")}, func(c *Conn) (Receiver, error) {
			g := &greeter{recorder: newRecorder(10)}
			g.conn = c
			conns <- g
			return g, nil
		})
		r.Rival = func(_, _ *Conn) bool { t.Error("the rivals have two keys, and Rival is asked"); return true }
		serve(t, r, l)
		thief, _ := dialMem(t, l, Config{Identity: ourID, Curve: secure(t, "thief", "server")})
		<-conns
		owner, _ := dialMem(t, l, Config{Identity: ourID, Curve: secure(t, "owner", "server")})
		<-thief.Done()
		in := <-conns
		if err := owner.Queue().Push([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		in.next(t)
		again, _ := dialMem(t, l, Config{Identity: ourID, Curve: secure(t, "thief", "server")})
		<-again.Done()
		synctest.Wait()
		if key, _ := in.conn.PublicKey(); owner.Err() != nil || key != keys(t, "owner").Public() || len(conns) != 0 {
			t.Errorf("the owner: %v, %x; %d more connections", owner.Err(), key, len(conns))
		}
	})
}

// Identify gives a ROUTER only our key, and gets its identity; both authorise each other.
func TestIdentify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		no := errors.New("no")
		var verdict error
		server, client := secure(t, "server", ""), secure(t, "client", "server")
		server.Authorize = func(_ context.Context, c Candidate) error {
			if c.PublicKey != client.Keys.Public() || len(c.Identity) != 0 || c.Property("X-Colour") != "" {
				t.Errorf("the ROUTER is told %+v", c)
			}
			return verdict
		}
		in, l := newInbox(), newMemListener()
		serve(t, NewRouter(Config{Identity: ourID, Curve: server}, in.accept), l)
		cfg := Config{Identity: []byte("us"), Expect: []byte("it"), Properties: map[string]string{"X-Colour": "red"}, Curve: client}
		if id, err := Identify(t.Context(), l.dial(), cfg); err != nil || string(id) != string(ourID) {
			t.Errorf("identity %x, %v", id, err)
		}
		verdict = no
		_, err := Identify(t.Context(), l.dial(), cfg)
		if refused, ok := errors.AsType[*PeerError](err); !ok || refused.Reason != "400" {
			t.Errorf("refused with %v", err)
		}
		client.Authorize = func(context.Context, Candidate) error { return no }
		if _, err = Identify(t.Context(), l.dial(), cfg); !errors.Is(err, no) {
			t.Errorf("refusing gave %v", err)
		}
		client.Authorize, client.Server = nil, keys(t, "another").Public()
		if _, err = Identify(t.Context(), l.dial(), cfg); !errors.Is(err, ErrNoWelcome) {
			t.Errorf("another key gave %v", err)
		}
	})
}
