package zmtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/internal/curve"
)

// Plain and secure never mix, on any transport, and the error says what is wrong.
func TestNoDowngrade(t *testing.T) {
	for _, c := range []struct {
		name           string
		router, dealer bool
		want           string
	}{
		{"secure router", true, false, `the peer speaks the mechanism "CURVE", this node requires NULL`},
		{"secure dealer", false, true, `the peer speaks the mechanism "NULL", this node requires CURVE`},
	} {
		for _, transport := range []string{"socket", "inproc"} {
			t.Run(c.name+" by "+transport, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var router, dealer Config
					if c.router {
						router.Curve = secure(t, "server", "")
					}
					if c.dealer {
						dealer.Curve = secure(t, "client", "server")
					}
					in, l := newInbox(), newMemListener()
					r := NewRouter(router, in.accept)
					serve(t, r, l)
					var err error
					if transport == "inproc" {
						_, err = r.Link(dealer, NewInprocQueue(1, 1), nil, newRecorder(1))
					} else {
						_, err = Open(t.Context(), l.dial(), dealer, NewQueue(1, 1), nil, newRecorder(1))
					}
					if _, ok := errors.AsType[*MechanismError](err); !ok || !isViolation(err) || !strings.Contains(err.Error(), c.want) {
						t.Errorf("got %v, want a MechanismError with %q", err, c.want)
					}
					if len(in.conns) != 0 {
						t.Error("the connection was accepted")
					}
				})
			})
		}
	}
}

// An authorizer judges a proven key, an address, an identity and properties, in both roles; we send nothing about us before that.
func TestAuthorize(t *testing.T) {
	for _, transport := range []string{"socket", "inproc"} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				no := errors.New("not on the list")
				server, client := secure(t, "server", ""), secure(t, "client", "server")
				var judged []Candidate
				var verdict error
				server.Authorize = func(ctx context.Context, c Candidate) error {
					if _, ok := ctx.Deadline(); !ok || c.PublicKey != client.Keys.Public() {
						t.Errorf("asked about %x, deadline %v", c.PublicKey, ok)
					}
					judged = append(judged, c)
					return verdict
				}
				in, l := newInbox(), newMemListener()
				r := NewRouter(Config{Curve: server}, in.accept)
				serve(t, r, l)
				cfg := Config{Identity: ourID, Curve: client, Properties: map[string]string{"X-Colour": "red"}}
				connect := func() (*Conn, error) {
					if transport == "inproc" {
						return r.Link(cfg, NewInprocQueue(1, 1), nil, newRecorder(1))
					}
					return Open(t.Context(), l.dial(), cfg, NewQueue(1, 1), nil, newRecorder(1))
				}
				c, err := connect()
				if err != nil {
					t.Fatal(err)
				}
				first := wait(t, in.conns, "the connection")
				if len(judged) != 1 || !bytes.Equal(judged[0].Identity, ourID) || judged[0].Property("x-colour") != "red" || judged[0].RemoteAddr == nil {
					t.Errorf("judged %+v", judged)
				}

				verdict = no // the earlier connection continues
				again, err := connect()
				switch transport {
				case "inproc":
					if err != nil || again == nil {
						t.Fatal(err)
					}
					<-again.finished
				default:
					if refused, ok := errors.AsType[*PeerError](err); !ok || refused.Reason != "400" {
						t.Errorf("refused with %v", err)
					}
				}
				synctest.Wait()
				if len(judged) != 2 || c.Err() != nil || first.conn.Err() != nil || len(in.conns) != 0 {
					t.Errorf("judged %d times; from before: %v, %v; new ones: %d", len(judged), c.Err(), first.conn.Err(), len(in.conns))
				}

				verdict = nil
				client.Authorize = func(_ context.Context, c Candidate) error {
					if c.PublicKey != server.Keys.Public() || c.Identity != nil || c.RemoteAddr == nil {
						t.Errorf("asked about %+v", c)
					}
					return no
				}
				_, err = connect()
				if refused, ok := errors.AsType[*RefusedError](err); !ok || !errors.Is(err, no) || refused.PublicKey != server.Keys.Public() {
					t.Errorf("refusing the server gave %v", err)
				}
				synctest.Wait()
				if len(judged) != 2 {
					t.Error("the server was told who we are")
				}
				c.Close(nil)
				r.Close()
			})
		})
	}
}

// The context of a slow authorizer ends with the handshake's time.
func TestAuthorizeSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := secure(t, "server", "")
		ended := make(chan error, 1)
		server.Authorize = func(ctx context.Context, _ Candidate) error {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil
		}
		in, l := newInbox(), newMemListener()
		serve(t, NewRouter(Config{Curve: server, HandshakeTimeout: time.Second}, in.accept), l)
		begin := time.Now()
		if _, err := Open(t.Context(), l.dial(), Config{Curve: secure(t, "client", "server")}, NewQueue(1, 1), nil, newRecorder(1)); err == nil {
			t.Error("the peer was let in")
		}
		if err := <-ended; err == nil || time.Since(begin) > 2*time.Second {
			t.Errorf("ended by %v after %v", err, time.Since(begin))
		}
	})
}

// A connection with another key does not take an identity from its owner, nor is Rival asked; the owner itself may connect again.
func TestClaimedIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, l := newInbox(), newMemListener()
		r := NewRouter(Config{Curve: secure(t, "server", "")}, in.accept)
		asked := 0
		r.Rival = func(_, _ *Conn) bool { asked++; return true }
		serve(t, r, l)
		owner, _ := dialMem(t, l, Config{Identity: ourID, Curve: secure(t, "owner", "server")})
		synctest.Wait() // the ROUTER has it
		thief, _ := dialMem(t, l, Config{Identity: ourID, Curve: secure(t, "thief", "server")})
		<-thief.Done()
		synctest.Wait()
		if owner.Err() != nil || asked != 0 {
			t.Errorf("the owner: %v; asked %d times", owner.Err(), asked)
		}
		again, _ := dialMem(t, l, Config{Identity: ourID, Curve: secure(t, "owner", "server")})
		<-owner.Done()
		if again.Err() != nil || asked != 1 {
			t.Errorf("the owner's new connection: %v; asked %d times", again.Err(), asked)
		}
		again.Close(nil)
		<-again.finished
		synctest.Wait()
		if other, _ := dialMem(t, l, Config{Identity: ourID, Curve: secure(t, "thief", "server")}); other.Err() != nil {
			t.Errorf("nobody had the identity: %v", other.Err())
		}
	})
}

// Keys that do not match, or that no node can have.
func TestWrongKeys(t *testing.T) {
	for name, c := range map[string]struct {
		server curve.PublicKey
		want   string
	}{
		"another":   {keys(t, "another").Public(), "another public key than expected"},
		"zero":      {curve.PublicKey{}, "no valid public key"},
		"low order": {curve.PublicKey{1}, "no valid public key"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in, l := newInbox(), newMemListener()
				serve(t, NewRouter(Config{Curve: secure(t, "server", "")}, in.accept), l)
				_, err := Open(t.Context(), l.dial(), Config{Curve: &Curve{Keys: keys(t, "client"), Server: c.server}}, NewQueue(1, 1), nil, newRecorder(1))
				if err == nil || !strings.Contains(err.Error(), c.want) || len(in.conns) != 0 {
					t.Errorf("Open with a wrong key: got %v, want %q", err, c.want)
				}
			})
		})
	}
}

// Without a key pair nothing starts.
func TestNoKeys(t *testing.T) {
	bare := Config{Curve: &Curve{}}
	r := NewRouter(bare, newInbox().accept)
	if err := r.Serve(newMemListener()); err != errNoKeys {
		t.Errorf("Serve: %v", err)
	}
	if _, err := r.Link(bare, NewInprocQueue(1, 1), nil, newRecorder(1)); err != errNoKeys {
		t.Errorf("Link: %v", err)
	}
	ours, _ := memPair(1)
	if _, err := Open(t.Context(), ours, bare, NewQueue(1, 1), nil, newRecorder(1)); err != errNoKeys {
		t.Errorf("Open: %v", err)
	}
}

// Probe tells a CURVE ROUTER from others, and does not introduce itself.
func TestProbeCurve(t *testing.T) {
	probe := func(t *testing.T, router, prober Config) ([]byte, error) {
		in, l := newInbox(), newMemListener()
		if router.Curve != nil {
			router.Curve.Authorize = func(context.Context, Candidate) error { t.Error("the probe was introduced"); return nil }
		}
		serve(t, NewRouter(router, in.accept), l)
		id, err := Probe(t.Context(), l.dial(), prober)
		if _, large := ProbeLarge(t.Context(), l.dial(), prober, 4000); (large == nil) != (err == nil) {
			t.Errorf("Probe: %v, ProbeLarge: %v", err, large)
		}
		synctest.Wait()
		if len(in.conns) != 0 {
			t.Error("the probe was accepted")
		}
		return id, err
	}
	synctest.Test(t, func(t *testing.T) {
		_, err := probe(t, Config{Identity: ourID, Curve: secure(t, "server", "")}, Config{})
		if other, ok := errors.AsType[*MechanismError](err); !ok || other.Theirs != "CURVE" {
			t.Errorf("plain at secure: %v", err)
		}
		_, err = probe(t, Config{Identity: ourID}, Config{Curve: secure(t, "client", "server")})
		if other, ok := errors.AsType[*MechanismError](err); !ok || other.Theirs != "NULL" {
			t.Errorf("secure at plain: %v", err)
		}
		id, err := probe(t, Config{Identity: ourID, Curve: secure(t, "server", "")}, Config{Curve: secure(t, "client", "server")})
		if err != nil || len(id) != 0 {
			t.Errorf("secure at secure: %q, %v", id, err)
		}
		if _, err = probe(t, Config{Curve: secure(t, "server", "")}, Config{Curve: secure(t, "client", "other")}); !errors.Is(err, io.EOF) {
			t.Errorf("another key: %v", err)
		}
	})
}

// libzmq closes as soon as it sees another mechanism than its own. A probe shows none before it has seen the peer's.
func TestProbeWaitsForMechanism(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := memPair(64 << 10)
		go func() {
			b := make([]byte, mechanismAt)
			_, _ = io.ReadFull(theirs, b)
			synctest.Wait()
			theirs.in.mu.Lock()
			if n := len(theirs.in.data); n != 0 {
				t.Errorf("%d bytes too many are shown", n)
			}
			theirs.in.mu.Unlock()
			curved := greet()
			copy(curved[mechanismAt:], "CURVE")
			_, _ = theirs.Write(curved)
		}()
		_, err := Probe(t.Context(), ours, Config{})
		if other, ok := errors.AsType[*MechanismError](err); !ok || other.Theirs != "CURVE" {
			t.Errorf("Probe of a CURVE ROUTER: got %v, want a MechanismError", err)
		}
	})
}

// The CPU that one address can use for handshakes is limited; other addresses are not affected.
func TestHelloLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, l := newInbox(), newMemListener()
		serve(t, NewRouter(Config{Curve: secure(t, "server", ""), Limits: Limits{CurvePerAddress: 5}}, in.accept), l)
		try := func(ip string) error {
			nc := l.dialFrom(&net.TCPAddr{IP: net.ParseIP(ip), Port: 1})
			c, err := Open(t.Context(), nc, Config{Curve: secure(t, "client", "server")}, NewQueue(1, 1), nil, newRecorder(1))
			if err == nil {
				(<-in.conns).conn.Close(nil)
				c.Close(nil)
			}
			return err
		}
		many := func(ip string) (ok int) {
			for range 30 {
				if try(ip) == nil {
					ok++
				}
			}
			return ok
		}
		if n := many("10.0.0.1"); n != 10 {
			t.Errorf("%d handshakes at once, want 10", n)
		}
		if n := many("10.0.0.2"); n != 10 {
			t.Errorf("%d handshakes of another address, want 10", n)
		}
		elapse(time.Second)
		if n := many("10.0.0.1"); n != 5 {
			t.Errorf("%d handshakes a second later, want 5", n)
		}
	})
}

// The table of buckets is bounded, and drops full buckets.
func TestBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b buckets
		refused := 0
		for i := range 3 * maxBuckets {
			if b.take(ipOf(memAddr(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))), 10) != nil {
				refused++
			}
		}
		if len(b.byNetwork) > maxBuckets+1 || refused != 2*maxBuckets-20 {
			t.Errorf("%d buckets, %d refused", len(b.byNetwork), refused)
		}
		want := "zmtp: more than 10 CURVE handshakes per second from 10.99.0.1 and other networks that share one limit"
		if err := b.take(ipOf(memAddr("10.99.0.1:1")), 10); err == nil || err.Error() != want {
			t.Errorf("error of a shared bucket that others emptied: got %v, want %s", err, want)
		}
		elapse(2 * burstTime)
		if err := b.take(ipOf(memAddr("10.200.0.1:1")), 10); err != nil || len(b.byNetwork) > 2 {
			t.Errorf("%v; %d buckets later", err, len(b.byNetwork))
		}
	})
}

// The error of an empty bucket names the network that has it: an address of IPv4, a /64 of IPv6.
func TestBucketError(t *testing.T) {
	for _, c := range []struct{ first, second, network string }{
		{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1"},
		{"[fd00::1]:1", "[fd00::2]:1", "fd00::/64"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var b buckets
			for range 2 { // the burst of two seconds
				if err := b.take(ipOf(memAddr(c.first)), 1); err != nil {
					t.Fatal(err)
				}
			}
			want := "zmtp: more than 1 CURVE handshakes per second from " + c.network
			if err := b.take(ipOf(memAddr(c.second)), 1); err == nil || err.Error() != want {
				t.Errorf("error after two handshakes of %s and one of %s: got %v, want %s", c.first, c.second, err, want)
			}
		})
	}
}
