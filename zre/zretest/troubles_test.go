package zretest_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// walled is a host with a firewall that lets connections in, and none out while it is up.
type walled struct {
	*zretest.Host
	up *atomic.Bool
}

func newWalled(h *zretest.Host) walled {
	up := new(atomic.Bool)
	up.Store(true)
	return walled{h, up}
}

func (w walled) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if w.up.Load() {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.EHOSTUNREACH}
	}
	return w.Host.Dial(ctx, network, address)
}

// exits lists the reasons of a node's Exits of a peer.
func exits(w *zretest.Watched) (list []string) {
	for _, event := range w.Seen() {
		if e, ok := event.(zre.Exit); ok {
			list = append(list, e.Reason.String())
		}
	}
	return list
}

// A peer that says HELLO to us, and that we cannot connect to, exits as unreachable, and the application learns why. It enters again when we
// can, not before.
func TestExitOfUnreachablePeer(t *testing.T) {
	for _, kind := range foreign {
		t.Run(string(kind), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				host := newWalled(lan.Host("10.0.0.1"))
				a := zretest.Start(t, host)
				zretest.NewForeign(t, lan.Host("10.0.0.2"), kind)
				entered := zretest.Next[zre.Enter](a)
				began := time.Now()
				exit := zretest.Next[zre.Exit](a)
				if exit.Reason != zre.Unreachable || exit.Reason.String() != "unreachable" || exit.Peer.UUID != entered.Peer.UUID {
					t.Errorf("exit: %+v", exit)
				}
				if !errors.Is(exit.Err, syscall.EHOSTUNREACH) || !strings.Contains(exit.Err.Error(), "dial") {
					t.Errorf("the error of the exit is %v", exit.Err)
				}
				if took := time.Since(began); took < 29*time.Second || took > 32*time.Second {
					t.Errorf("it took %v", took)
				}
				pass(5 * time.Minute)
				if got := len(a.Peers()); got != 0 {
					t.Errorf("%d peers, though none can be reached", got)
				}
				host.up.Store(false)
				zretest.Next[zre.Enter](a)
				pass(5 * time.Minute)
				equal(t, "exits", exits(a), []string{"unreachable"})
			})
		})
	}
}
