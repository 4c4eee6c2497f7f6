package zretest_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// An authorizer that changes its mind ends connections of gossip too: a client of the hub no longer learns of others, and a hub that is no longer
// trusted no longer tells of any. One refusal alone, of a folder that is replaced, ends nothing.
func TestRevokedGossip(t *testing.T) {
	for _, c := range []struct {
		name    string
		revokes string // which side does
	}{{"by the hub", "hub"}, {"by its client", "client"}} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				var refuses atomic.Bool
				newer := savedCertificate(t, "")
				fickle := zre.WithAuthorizer(func(_ context.Context, peer zre.Identity) error {
					if peer.Gossip && refuses.Load() && peer.PublicKey != newer.PublicKey() {
						return errors.New("no longer on the list")
					}
					return nil
				})
				certificate := savedCertificate(t, "")
				hubOptions := []zre.Option{zre.WithCertificate(certificate), zre.WithoutBeacons(), zre.WithGossipBind("tcp://*:5672")}
				options := []zre.Option{zre.WithoutBeacons(), zre.WithGossipConnect("tcp://10.0.0.1:5672|" + certificate.PublicKey().String())}
				if c.revokes == "hub" {
					hubOptions = append(hubOptions, fickle)
				} else {
					options = append(options, fickle)
				}
				hub := zretest.Start(t, lan.Host("10.0.0.1"), hubOptions...)
				a, key := startSecure(t, lan.Host("10.0.0.2"), "a", options...)
				advance(10 * time.Second)
				if got := peerNames(a); got == "" || len(problemKinds(a))+len(problemKinds(hub)) > 0 {
					t.Fatalf("a meets %q by gossip, with the problems %v and %v", got, a.Problems(), hub.Problems())
				}
				for range 3 { // for a moment, which is less than two questions
					refuses.Store(true)
					advance(2500 * time.Millisecond)
					refuses.Store(false)
					advance(5500 * time.Millisecond)
				}
				for _, w := range []*zretest.Watched{a, hub} {
					if seen := w.Seen(); slices.ContainsFunc(seen, func(e zre.Event) bool { _, is := e.(zre.Problem); return is }) {
						t.Errorf("a refusal for a moment ended something: %s saw %v", w.Name(), seen)
					}
				}

				refuses.Store(true)
				advance(8 * time.Second)
				refusing, about := hub, key
				if c.revokes == "client" {
					refusing, about = a, certificate.PublicKey()
				}
				if list := refusing.Problems(); !slices.ContainsFunc(list, func(p zre.Problem) bool {
					return p.Kind == zre.ProblemRefused && p.About == about.String()
				}) {
					t.Errorf("8 s after the key was revoked: the problems %v, want that %v is refused", list, about)
				}
				if !slices.Contains(problemKinds(a), "gossip") {
					t.Errorf("8 s after the key was revoked: the client has the problems %v, want its connection to the hub to be lost", a.Problems())
				}
				advance(5 * time.Minute) // a's own endpoint is forgotten, or the newer node would connect to it
				late := zretest.Start(t, lan.Host("10.0.0.3"), zre.WithCertificate(newer), zre.WithoutBeacons(),
					zre.WithGossipConnect("tcp://10.0.0.1:5672|"+certificate.PublicKey().String()))
				advance(time.Minute)
				if _, knows := hub.Peer(late.UUID()); !knows {
					t.Errorf("the hub has not met the newer node, which has the problems %v", late.Problems())
				}
				if _, knows := a.Peer(late.UUID()); knows {
					t.Error("a revoked connection of gossip still tells of new nodes")
				}

				refuses.Store(false)
				advance(time.Minute)
				if _, knows := a.Peer(late.UUID()); !knows || len(problemKinds(a))+len(problemKinds(hub)) > 0 {
					t.Errorf("after the key was let in again: it meets the newer node: %v; the problems %v and %v", knows, a.Problems(), hub.Problems())
				}
			})
		})
	}
}
