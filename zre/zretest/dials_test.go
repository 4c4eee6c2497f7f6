package zretest_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A dialCounter is a host that counts its TCP dials to an address.
type dialCounter struct {
	*zretest.Host
	to    string // the address, without the port
	dials *atomic.Int32
}

func newDialCounter(h *zretest.Host, to string) dialCounter {
	return dialCounter{h, to, new(atomic.Int32)}
}

func (c dialCounter) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if strings.HasPrefix(address, c.to+":") {
		c.dials.Add(1)
	}
	return c.Host.Dial(ctx, network, address)
}

// during counts the dials during d.
func (c dialCounter) during(d time.Duration) int {
	before := c.dials.Load()
	time.Sleep(d)
	synctest.Wait()
	return int(c.dials.Load() - before)
}

// Gossip lists a dead node for another minute. After that no node dials it. When it is back, the nodes meet.
func TestGossipForgetsDeadPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		a, b, c := newDialCounter(lan.Host("10.0.1.1/16"), "10.0.2.1"), lan.Host("10.0.2.1/16"), newDialCounter(lan.Host("10.0.3.1/16"), "10.0.2.1")
		// Beacons use different ports, so nodes meet only by gossip.
		hub := zretest.Start(t, a, zre.WithName("hub"), zre.WithGossipBind("tcp://*:5672"), zre.WithBeaconPort(1001))
		bob := zretest.Start(t, b, zre.WithName("bob"), zre.WithGossipConnect("tcp://10.0.1.1:5672"), zre.WithBeaconPort(1002))
		carol := zretest.Start(t, c, zre.WithName("carol"), zre.WithGossipConnect("tcp://10.0.1.1:5672"), zre.WithBeaconPort(1003))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for _, n := range []*zretest.Watched{hub, bob, carol} {
			if got := len(n.Peers()); got != 2 {
				t.Fatalf("%s knows %d peers, want 2", n.Name(), got)
			}
		}
		b.Kill()
		for _, h := range []dialCounter{a, c} {
			if n := h.during(30 * time.Second); n > 20 {
				t.Errorf("the dead peer was dialled %d times in 30 s", n)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, h := range []dialCounter{a, c} {
			if n := h.during(time.Hour); n > 0 {
				t.Errorf("the dead peer was dialled %d times in an hour, long after its end", n)
			}
		}
		zretest.Start(t, b.Process(), zre.WithName("bob again"), zre.WithGossipConnect("tcp://10.0.1.1:5672"), zre.WithBeaconPort(1002))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for _, n := range []*zretest.Watched{hub, carol} {
			if got := len(n.Peers()); got != 2 {
				t.Errorf("%s knows %d peers, want 2", n.Name(), got)
			}
		}
	})
}

// A node need not dial what gossip lists until the hub forgets it: ForgetGossip ends that here and at the hub's clients. A live node is
// listed again.
func TestForgetGossip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		a, b, c := newDialCounter(lan.Host("10.0.1.1/16"), "10.0.2.1"), lan.Host("10.0.2.1/16"), newDialCounter(lan.Host("10.0.3.1/16"), "10.0.2.1")
		hub := zretest.Start(t, a, zre.WithName("hub"), zre.WithGossipBind("tcp://*:5672"), zre.WithBeaconPort(1001))
		bob := zretest.Start(t, b, zre.WithName("bob"), zre.WithGossipConnect("tcp://10.0.1.1:5672"), zre.WithBeaconPort(1002))
		carol := zretest.Start(t, c, zre.WithName("carol"), zre.WithGossipConnect("tcp://10.0.1.1:5672"), zre.WithBeaconPort(1003))
		advance(5 * time.Second)
		if err := hub.ForgetGossip(bob.UUID(), uuid.New(), hub.UUID()); err != nil {
			t.Error(err)
		}
		advance(15 * time.Second)
		dave := zretest.Start(t, lan.Host("10.0.4.1/16"), zre.WithName("dave"), zre.WithGossipConnect("tcp://10.0.1.1:5672"), zre.WithBeaconPort(1004))
		advance(5 * time.Second)
		for _, n := range []*zretest.Watched{hub, bob, carol, dave} {
			if got := len(n.Peers()); got != 3 {
				t.Errorf("%s knows %d peers, want 3", n.Name(), got)
			}
		}
		b.Kill()
		advance(time.Second)
		if err := hub.ForgetGossip(bob.UUID()); err != nil {
			t.Error(err)
		}
		advance(3 * time.Second)
		for _, h := range []dialCounter{a, c} {
			if n := h.during(time.Minute); n > 0 {
				t.Errorf("the dead peer was dialled %d times after it was forgotten", n)
			}
		}
		_ = hub.Close()
		if err := hub.ForgetGossip(bob.UUID()); !errors.Is(err, zre.ErrClosed) {
			t.Errorf("ForgetGossip after Close: %v", err)
		}
	})
}

// A static peer is dialled as long as it takes, not too often, and met within seconds once it is up.
func TestStaticPeerIsDialledForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		a, b := newDialCounter(lan.Host("10.0.1.1/16"), "10.0.2.1"), lan.Host("10.0.2.1/16")
		alice := zretest.Start(t, a, zre.WithName("alice"), zre.WithPeers("tcp://10.0.2.1:5671"), zre.WithBeaconPort(1001))
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := a.during(time.Hour); n < 600 || n > 2400 {
			t.Errorf("%d dials in an hour, want one in 1.5 to 6 s", n)
		}
		for range 2 {
			bob := zretest.Start(t, b, zre.WithName("bob"), zre.WithListen("tcp://*:5671"), zre.WithBeaconPort(1002))
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if _, ok := alice.Peer(bob.UUID()); !ok {
				t.Fatal("alice has not met bob")
			}
			if n := a.during(time.Hour); n > 0 {
				t.Errorf("bob was dialled %d times while he was there", n)
			}
			b.Kill()
			b = b.Process()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if _, ok := alice.Peer(bob.UUID()); ok {
				t.Fatal("alice still knows bob")
			}
		}
	})
}
