package zretest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// newCertificate makes a certificate.
func newCertificate(t testing.TB) *zre.Certificate {
	t.Helper()
	c, err := zre.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// startSecure starts a secure node with that name.
func startSecure(t testing.TB, host *zretest.Host, name string, options ...zre.Option) (*zretest.Watched, zre.PublicKey) {
	t.Helper()
	c := newCertificate(t)
	return zretest.Start(t, host, append([]zre.Option{zre.WithName(name), zre.WithCertificate(c)}, options...)...), c.PublicKey()
}

// expectExchange checks that each node knows all others by their keys and receives their whispers and shouts.
func expectExchange(t *testing.T, nodes []*zretest.Watched, keys []zre.PublicKey) {
	t.Helper()
	for i, w := range nodes {
		if got := presenceEvents(w.Seen()); len(got) != len(nodes)-1 {
			t.Errorf("%s saw %v", w.Name(), got)
		}
		for j, o := range nodes {
			if i == j {
				continue
			}
			p, ok := w.Peer(o.UUID())
			if !ok || p.PublicKey != keys[j] || p.Headers["X-PUBLICKEY"] != keys[j].String() {
				t.Errorf("%s knows %s as %+v, want the key %v", w.Name(), o.Name(), p, keys[j])
			}
			if err := w.Whisper(t.Context(), o.UUID(), []byte(w.Name())); err != nil {
				t.Errorf("%s to %s: %v", w.Name(), o.Name(), err)
			}
		}
	}
	advance(2 * time.Second)
	for _, w := range nodes {
		for j, o := range nodes {
			if got := textsOf(w.Seen(), o.UUID()); o != w && !slices.Equal(got, []string{o.Name()}) {
				t.Errorf("%s got %q of %s, with the key %v", w.Name(), got, o.Name(), keys[j])
			}
		}
		if list := w.Problems(); len(list) > 0 {
			t.Errorf("%s has problems: %v", w.Name(), list)
		}
	}
}

// Secure nodes meet, wherever they are and however they find each other.
func TestSecureNodes(t *testing.T) {
	static := func(certificates []*zre.Certificate, i int) (options []zre.Option) {
		options = append(options, zre.WithoutBeacons(), zre.WithListen("tcp://*:5671"))
		for j, c := range certificates {
			if j < i {
				options = append(options, zre.WithPeers(fmt.Sprintf("tcp://10.0.0.%d:5671|%s", j+1, c.PublicKey())))
			}
		}
		return options
	}
	gossip := func(certificates []*zre.Certificate, i int) []zre.Option {
		if i == 0 {
			return []zre.Option{zre.WithoutBeacons(), zre.WithGossipBind("tcp://*:5672")}
		}
		return []zre.Option{zre.WithoutBeacons(), zre.WithGossipConnect("tcp://10.0.0.1:5672|" + certificates[0].PublicKey().String())}
	}
	for _, test := range []struct {
		name    string
		count   int
		host    func(lan *zretest.LAN, i int) *zretest.Host
		options func(certificates []*zre.Certificate, i int) []zre.Option
	}{
		{"two by beacons", 2, nil, nil},
		{"ten by beacons", 10, nil, nil},
		{"two by an endpoint", 2, nil, static},
		{"ten by endpoints", 10, nil, static},
		{"two by gossip", 2, nil, gossip},
		{"ten by gossip", 10, nil, gossip},
		{"four of one process", 4, func(lan *zretest.LAN, i int) *zretest.Host {
			if i == 0 {
				only = lan.Host("10.0.0.1")
			}
			return only
		}, nil},
		{"four processes of one host", 4, func(lan *zretest.LAN, i int) *zretest.Host {
			if i == 0 {
				only = lan.Host("10.0.0.1")
				return only
			}
			return only.Process()
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				var nodes []*zretest.Watched
				var certificates []*zre.Certificate
				var keys []zre.PublicKey
				for range test.count {
					c := newCertificate(t)
					certificates, keys = append(certificates, c), append(keys, c.PublicKey())
				}
				for i, c := range certificates {
					var host *zretest.Host
					if test.host != nil {
						host = test.host(lan, i)
					} else {
						host = lan.Host(fmt.Sprintf("10.0.0.%d", i+1))
					}
					options := []zre.Option{zre.WithName(fmt.Sprint(i)), zre.WithCertificate(c)}
					if test.options != nil {
						options = append(options, test.options(certificates, i)...)
					}
					nodes = append(nodes, zretest.Start(t, host, options...))
				}
				advance(time.Minute)
				expectExchange(t, nodes, keys)
			})
		})
	}
}

// only is the one host of a test.
var only *zretest.Host

// One certificate on all nodes is simply a group secret: the nodes meet like those with their own keys.
func TestOneCertificateForAll(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		c := newCertificate(t)
		us := func(_ context.Context, peer zre.Identity) error {
			if peer.PublicKey != c.PublicKey() {
				return errors.New("not of the group")
			}
			return nil
		}
		var nodes []*zretest.Watched
		var keys []zre.PublicKey
		for i := range 4 {
			nodes = append(nodes, zretest.Start(t, lan.Host(fmt.Sprintf("10.0.0.%d", i+1)), zre.WithName(fmt.Sprint(i)), zre.WithCertificate(c), zre.WithAuthorizer(us)))
			keys = append(keys, c.PublicKey())
		}
		advance(time.Minute)
		expectExchange(t, nodes, keys)
	})
}

// Plain and secure nodes side by side do not meet, on any transport and by any discovery. Each kind meets its own.
func TestPlainBesideSecure(t *testing.T) {
	for _, where := range []string{"hosts", "processes", "a process"} {
		t.Run(where, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				home := lan.Host("10.0.0.1")
				place := func(i int) *zretest.Host {
					switch {
					case where == "hosts" && i > 1:
						return lan.Host(fmt.Sprintf("10.0.0.%d", i))
					case where == "processes":
						return home.Process()
					}
					return home
				}
				secure, key := startSecure(t, place(1), "secure", zre.WithListen("tcp://*:5671"), zre.WithGossipBind("tcp://*:5672"))
				other, otherKey := startSecure(t, place(2), "other")
				at := "tcp://10.0.0.1:5671"
				plain := zretest.Start(t, place(3), zre.WithName("plain"), zre.WithPeers(at), zre.WithGossipConnect("tcp://10.0.0.1:5672"), zre.WithListen("tcp://*:5673"))
				second := zretest.Start(t, place(4), zre.WithName("second plain"))
				third, _ := startSecure(t, place(5), "third", zre.WithPeers("tcp://10.0.0."+map[bool]string{true: "3", false: "1"}[where == "hosts"]+":5673"))
				advance(5 * time.Minute)
				expectCounts(t, secure, map[string]int{"zre.Enter": 2})
				expectCounts(t, other, map[string]int{"zre.Enter": 2})
				expectCounts(t, third, map[string]int{"zre.Enter": 2})
				expectCounts(t, plain, map[string]int{"zre.Enter": 1})
				expectCounts(t, second, map[string]int{"zre.Enter": 1})
				if p, _ := secure.Peer(other.UUID()); p == nil || p.PublicKey != otherKey {
					t.Errorf("the secure node knows %+v", p)
				}
				if p, _ := plain.Peer(second.UUID()); p == nil || !p.PublicKey.IsZero() || p.Headers["X-PUBLICKEY"] != "" {
					t.Errorf("the plain node knows %+v", p)
				}
				if list := problemKinds(third); !slices.Equal(list, []string{"no key"}) {
					t.Errorf("the endpoint without a key: %v", list)
				}
				if list := problemKinds(plain); !slices.Equal(list, []string{"unreachable", "gossip"}) {
					t.Errorf("the plain node: %v", plain.Problems())
				}
				_ = key
			})
		})
	}
}

// problemKinds lists the standing problems of a node.
func problemKinds(w *zretest.Watched) (list []string) {
	for _, p := range w.Problems() {
		list = append(list, p.Kind.String())
	}
	return list
}

// A node that one side's authorizer refuses is not met. The problem names its key, once, and there is no storm of attempts. When it is
// authorized they meet.
func TestAuthorizer(t *testing.T) {
	for _, found := range []string{"beacons", "an endpoint", "gossip"} {
		t.Run(found, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				allowed := make(chan bool, 1)
				allowed <- false
				asked := make(chan zre.Identity, 10_000)
				judge := zre.WithAuthorizer(func(ctx context.Context, peer zre.Identity) error {
					asked <- peer
					yes := <-allowed
					allowed <- yes
					if _, ok := ctx.Deadline(); !ok {
						t.Error("an authorizer may wait for ever")
					}
					if !yes {
						return errors.New("not on the list")
					}
					return nil
				})
				options := []zre.Option{judge, zre.WithListen("tcp://*:5671"), zre.WithHeader("secret", "of the first")}
				var more []zre.Option
				first := newCertificate(t)
				if found != "beacons" {
					options, more = append(options, zre.WithoutBeacons(), zre.WithGossipBind("tcp://*:5672")), append(more, zre.WithoutBeacons())
				}
				switch found {
				case "an endpoint":
					more = append(more, zre.WithPeers("tcp://10.0.0.1:5671|"+first.PublicKey().String()))
				case "gossip":
					more = append(more, zre.WithGossipConnect("tcp://10.0.0.1:5672|"+first.PublicKey().String()))
				}
				a := zretest.Start(t, lan.Host("10.0.0.1"), append(options, zre.WithName("a"), zre.WithCertificate(first))...)
				b, key := startSecure(t, lan.Host("10.0.0.2"), "b", more...)
				advance(time.Minute)
				if len(a.Peers())+len(b.Peers()) > 0 || len(presenceEvents(a.Seen()))+len(presenceEvents(b.Seen())) > 0 {
					t.Errorf("a refused node is met: %v, %v", a.Seen(), b.Seen())
				}
				var refused []zre.Problem
				for _, e := range a.Seen() {
					if p, ok := e.(zre.Problem); ok && p.Kind == zre.ProblemRefused {
						refused = append(refused, p)
					}
				}
				if len(refused) != 1 || refused[0].About != key.String() || refused[0].Peer.PublicKey != key {
					t.Errorf("a reported %v", refused)
				}
				if n := len(asked); n < 2 || n > 60 {
					t.Errorf("the authorizer was asked %d times in a minute", n)
				}
				if found == "an endpoint" && !slices.Equal(problemKinds(b), []string{"refused by"}) {
					t.Errorf("b has the problems %v", b.Problems())
				}
				<-allowed
				allowed <- true
				advance(time.Minute)
				if _, ok := a.Peer(b.UUID()); !ok {
					t.Errorf("a knows %v, %v", a.Peers(), a.Problems())
				}
				if _, ok := b.Peer(a.UUID()); !ok || len(b.Problems()) > 0 {
					t.Errorf("b knows %v, %v", b.Peers(), b.Problems())
				}
				if len(a.Problems()) > 0 {
					t.Errorf("a has %v", a.Problems())
				}
				for len(asked) > 0 {
					p := <-asked
					if p.PublicKey != key || p.Transport != "tcp" || !p.Addr.IsValid() || p.UUID != b.UUID() && p.UUID != uuid.Nil {
						t.Errorf("asked about %+v", p)
					}
				}
			})
		})
	}
}

// The authorizer is also asked within one process and on one host, on both sides. A refused peer is met by no other path.
func TestAuthorizerOnOneHost(t *testing.T) {
	for _, c := range []struct {
		name, transport string
		refuses         int // which of the two refuses; 2: neither
	}{
		{"one process", "inproc", 2}, {"one process, the first refuses", "inproc", 0}, {"one process, the second refuses", "inproc", 1},
		{"two processes", "ipc", 2}, {"two processes, the first refuses", "ipc", 0}, {"two processes, the second refuses", "ipc", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				home := lan.Host("10.0.0.1")
				var nodes [2]*zretest.Watched
				var keys [2]zre.PublicKey
				var asked [2]chan zre.Identity
				for i := range nodes {
					asked[i] = make(chan zre.Identity, 1000)
					place := home
					if i == 1 && c.transport == "ipc" {
						place = home.Process()
					}
					nodes[i], keys[i] = startSecure(t, place, fmt.Sprint(i), zre.WithAuthorizer(func(_ context.Context, peer zre.Identity) error {
						asked[i] <- peer
						if c.refuses == i {
							return errors.New("no")
						}
						return nil
					}))
				}
				advance(time.Minute)
				for i, w := range nodes {
					transports := make(map[string]int)
					for len(asked[i]) > 0 {
						p := <-asked[i]
						transports[p.Transport]++
						if p.UUID != nodes[1-i].UUID() || p.PublicKey != keys[1-i] || p.Addr.IsValid() != (p.Transport == "tcp") || p.Gossip {
							t.Errorf("%d is asked about %+v", i, p)
						}
					}
					switch p, ok := w.Peer(nodes[1-i].UUID()); {
					case ok != (c.refuses == 2):
						t.Errorf("%d knows %+v", i, p)
					case ok && (p.Transport != c.transport || transports[c.transport] == 0 || len(transports) > 1):
						t.Errorf("%d reaches it by %s, and judged %v", i, p.Transport, transports)
					}
					if len(presenceEvents(w.Seen())) > 0 != (c.refuses == 2) {
						t.Errorf("%d saw %v", i, w.Seen())
					}
					if c.refuses == i && !slices.Equal(problemKinds(w), []string{"refused"}) {
						t.Errorf("%d has %v", i, w.Problems())
					}
				}
			})
		})
	}
}
