package zretest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// blockedDials is a host that cannot dial an address while a firewall is up. Nodes at the address can dial the host.
type blockedDials struct {
	*zretest.Host
	to   string // the address, without the port
	up   *atomic.Bool
	fail error // the error of a dial; nil if a dial gets no answer
}

func (h blockedDials) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	switch {
	case network != "tcp" || !strings.HasPrefix(address, h.to+":") || !h.up.Load():
		return h.Host.Dial(ctx, network, address)
	case h.fail != nil:
		return nil, &net.OpError{Op: "dial", Net: network, Err: h.fail}
	}
	<-ctx.Done()
	return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
}

// A remote is a peer that reaches the node and may be unreachable itself.
type remote struct {
	t    *testing.T
	node *zretest.Watched
	id   uuid.UUID
}

// checkGivenUp checks that the peer entered, exits as unreachable with the error of the dial after it was not reached for the expired
// timeout, and then stays away for two minutes.
func (r *remote) checkGivenUp(want error) {
	r.t.Helper()
	const expired, late = 30 * time.Second, 2 * time.Second
	expectEnter(r.t, r.node, r.id)
	began := time.Now()
	exit := zretest.Next[zre.Exit](r.node)
	if took := time.Since(began); took < expired-late || took > expired+late {
		r.t.Errorf("it exited after %v, want %v", took, expired)
	}
	if exit.Reason != zre.ReasonUnreachable || exit.Reason.String() != "unreachable" {
		r.t.Errorf("it exited: %v, want unreachable", exit.Reason)
	}
	if exit.Err == nil || want != nil && !errors.Is(exit.Err, want) {
		r.t.Errorf("it exited with the error %v, want that of the dial, %v", exit.Err, want)
	}
	for range 12 {
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if err := r.node.Whisper(r.t.Context(), r.id, []byte("x")); !errors.Is(err, zre.ErrUnknownPeer) {
			r.t.Fatalf("whisper: %v, want an unknown peer", err)
		}
	}
	if got := presenceEvents(r.node.Seen()); len(got) != 2 {
		r.t.Errorf("events: %v, want one Enter and one Exit", got)
	}
}

// A firewall lets a foreign peer dial us, but does not let us dial it.
func TestFirewallOneWay(t *testing.T) {
	for _, kind := range foreign {
		for _, wall := range []struct {
			name string
			fail error
			want error
		}{
			{"drops", nil, context.DeadlineExceeded},
			{"refuses", syscall.ECONNREFUSED, syscall.ECONNREFUSED},
		} {
			t.Run(fmt.Sprintf("%s/%s", kind, wall.name), func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
					here, far := lan.Host("10.0.0.1"), lan.Host("10.0.0.2")
					p := &pair{t: t, lan: lan, here: here, far: far}
					up := new(atomic.Bool)
					up.Store(true)
					p.node = zretest.Start(t, blockedDials{here, "10.0.0.2", up, wall.fail}, logged(t, zre.WithName("node"))...)
					if err := p.node.Join(group); err != nil {
						t.Fatal(err)
					}
					p.peer = zretest.NewForeign(t, far, kind, zretest.ForeignName("peer"), zretest.ForeignGroups(group))
					r := &remote{t, p.node, p.peer.UUID()}
					r.checkGivenUp(wall.want)
					before := p.seen()
					up.Store(false)
					advance(time.Minute)
					if got := p.since(before); !slices.Equal(got, []string{"Enter(peer)"}) {
						t.Errorf("when it can be reached: %v", got)
					}
					p.checkMessages()
				})
			})
		}
	}
}

// A foreign peer names an endpoint that we cannot reach, and does not listen at the address that it comes from either: it chose the bridge
// of its containers, or is behind a NAT.
func TestNamedEndpointIsUnreachable(t *testing.T) {
	for _, manner := range []reaction{silent, replying, renewing} {
		for _, test := range []struct{ name, endpoint string }{
			{"an address that our host has too", "172.17.0.1:50000"},
			{"an address behind a NAT", "192.168.7.5:50000"},
		} {
			t.Run(fmt.Sprintf("%s/%s", manner, test.name), func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
					far := lan.Host("10.0.0.2")
					node := zretest.Start(t, lan.Host("10.0.0.1", "172.17.0.1/16"), logged(t, zre.WithName("node"))...)
					peer := newBarePeer(t, far, manner, "10.0.0.2:50001", endpointOf(node))
					peer.endpoint = "tcp://" + test.endpoint
					stop := peer.keepCalling(5 * time.Second)
					r := &remote{t, node, peer.id}
					r.checkGivenUp(nil)
					stop()
					before := len(node.Seen())
					forward(t, far.Process(), "10.0.0.2:50000", "10.0.0.2:50001") // a mapped port
					peer.hangUp()
					peer.sendHello()
					advance(time.Minute)
					if got := presenceEvents(node.Seen()[before:]); !slices.Equal(got, []string{"Enter(peer)"}) {
						t.Errorf("when it can be reached: %v", got)
					}
					if err := node.Whisper(t.Context(), peer.id, []byte("x")); err != nil {
						t.Error(err)
					}
					advance(time.Second)
					if got := peer.heard.Load(); got != 1 {
						t.Errorf("it heard %d whispers, want 1", got)
					}
				})
			})
		}
	}
}
