package zretest_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A narrow link silently loses large packets.
var narrow = zretest.Link{Latency: time.Millisecond, MaxPacket: 1_400}

// expectPathStuck checks an Exit whose reason is that the connection takes no data, and that the problem stands.
func expectPathStuck(t *testing.T, node *zretest.Watched) zre.Exit {
	t.Helper()
	exit := zretest.Next[zre.Exit](node)
	if exit.Reason != zre.ReasonUnreachable || exit.Err == nil {
		t.Fatalf("it exited: %v, %v; want unreachable, with the reason", exit.Reason, exit.Err)
	}
	for _, words := range []string{"takes no data", " bytes not acknowledged for ", "MTU"} {
		if !strings.Contains(exit.Err.Error(), words) {
			t.Errorf("the error %q does not say %q", exit.Err, words)
		}
	}
	problems := node.Problems()
	if len(problems) != 1 || problems[0].Kind != zre.ProblemUnreachable || problems[0].Peer.UUID != exit.Peer.UUID {
		t.Errorf("problems: %v", problems)
	}
	return exit
}

// A large message does not get through, nor does anything after it, though the peer is heard all the time.
func TestBlackHole(t *testing.T) {
	for _, kind := range []string{"ours", "zyre"} {
		t.Run(kind, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				here, far := lan.Host("10.0.0.1"), lan.Host("10.0.0.2")
				a := zretest.Start(t, here, logged(t, zre.WithName("a"))...)
				if kind == "ours" {
					zretest.Start(t, far, zre.WithName("b"))
				} else {
					zretest.NewForeign(t, far, zretest.Zyre, zretest.ForeignName("b"))
				}
				b := zretest.Next[zre.Enter](a).Peer.UUID
				advance(2 * time.Second)
				lan.SetLink(narrow)
				const size = 100_000
				began := time.Now()
				if err := a.Whisper(t.Context(), b, make([]byte, size)); err != nil {
					t.Fatal(err)
				}
				advance(time.Second)
				for i := range 20 {
					if err := a.Whisper(t.Context(), b, []byte{byte(i)}); err != nil {
						t.Fatal(err)
					}
					advance(time.Second)
				}
				expectPathStuck(t, a)
				if took := time.Since(began); took < 28*time.Second || took > 33*time.Second {
					t.Errorf("it exited after %v, want 30 s", took)
				}
				// Small messages pass, so the peer is back at once, and the problem stands.
				enter := zretest.Next[zre.Enter](a)
				if took := time.Since(began); took > 36*time.Second {
					t.Errorf("it entered again after %v", took)
				}
				if problems := a.Problems(); len(problems) != 1 {
					t.Errorf("problems when it is back: %v", problems)
				}
				if err := a.Whisper(t.Context(), enter.Peer.UUID, make([]byte, size)); err != nil {
					t.Fatal(err)
				}
				expectPathStuck(t, a)
				if took := time.Since(began); took < 57*time.Second {
					t.Errorf("it exited again after %v, want 30 s more", took)
				}
				zretest.Next[zre.Enter](a)
				lan.SetLink(zretest.Link{Latency: time.Millisecond})
				before := len(a.Seen())
				advance(2 * time.Minute)
				if problems := a.Problems(); len(problems) > 0 {
					t.Errorf("problems on a healthy path: %v, want none", problems)
				}
				if err := a.Whisper(t.Context(), b, make([]byte, size)); err != nil {
					t.Fatal(err)
				}
				advance(time.Minute)
				if got := presenceEvents(a.Seen()[before:]); len(got) > 0 {
					t.Errorf("on a healthy path: %v", got)
				}
			})
		})
	}
}

// A HELLO that is too long for the path never arrives. The peer exits and stays away while the path is like that.
func TestBlackHoleForHello(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetLink(narrow)
		a := zretest.Start(t, lan.Host("10.0.0.1"), logged(t, zre.WithName("a"), zre.WithHeader("long", strings.Repeat("x", 3_000)))...)
		b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("b"))
		zretest.Next[zre.Enter](a)
		exit := expectPathStuck(t, a)
		before := len(a.Seen())
		advance(5 * time.Minute)
		if got := presenceEvents(a.Seen()[before:]); len(got) > 0 {
			t.Errorf("while the path drops large packets: %v", got)
		}
		if len(a.Problems()) != 1 {
			t.Errorf("problems: %v", a.Problems())
		}
		lan.SetLink(zretest.Link{Latency: time.Millisecond})
		zretest.Next[zre.Enter](a)
		zretest.Next[zre.Enter](b)
		if err := a.Whisper(t.Context(), exit.Peer.UUID, []byte("x")); err != nil {
			t.Error(err)
		}
		advance(2 * time.Minute)
		if got := presenceEvents(a.Seen()[before:]); len(got) != 1 || len(a.Problems()) > 0 {
			t.Errorf("on a healthy path: %v, problems %v", got, a.Problems())
		}
	})
}

// A peer with full buffers and a hanging program is not unreachable.
func TestHungIsNotUnreachable(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		far := lan.Host("10.0.0.2")
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("a"))
		f := zretest.NewForeign(t, far, zretest.Zyre)
		zretest.Next[zre.Enter](a)
		say := beacons(t, far.Process(), a, f)
		far.Freeze()
		repeatEach(t, say)
		if err := a.Whisper(t.Context(), f.UUID(), make([]byte, 10<<20)); err != nil {
			t.Fatal(err)
		}
		advance(35 * time.Second)
		for _, reason := range exitReasons(a) {
			if reason == zre.ReasonUnreachable.String() {
				t.Errorf("it exited as unreachable")
			}
		}
		far.Thaw()
	})
}

// A host withoutDelivery cannot report what became of written bytes, like most systems.
type withoutDelivery struct{ *zretest.Host }

func (h withoutDelivery) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := h.Host.Dial(ctx, network, address)
	return struct{ net.Conn }{nc}, err
}

// A message that takes longer than the expired timeout is no silence for either end, and it arrives.
func TestLongMessageOnASlowLink(t *testing.T) {
	for _, test := range []struct {
		name    string
		beyond  bool // the peers are known without beacons
		network func(*zretest.Host) zre.Network
	}{
		{"on a LAN", false, func(h *zretest.Host) zre.Network { return h }},
		{"beyond a router", true, func(h *zretest.Host) zre.Network { return h }},
		{"beyond a router, from a system that does not tell", true, func(h *zretest.Host) zre.Network { return withoutDelivery{h} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				lan.SetLink(zretest.Link{Latency: time.Millisecond, Bandwidth: 625_000})
				address := "10.0.0.2"
				if test.beyond {
					lan.SetRouting(true)
					address = "10.1.0.2"
				}
				a := zretest.Start(t, lan.Host("10.0.0.1"), logged(t, zre.WithName("a"))...)
				b := zretest.Start(t, test.network(lan.Host(address)), zre.WithName("b"), zre.WithPeers(endpointOf(a)))
				zretest.Next[zre.Enter](a)
				zretest.Next[zre.Enter](b)
				sent := bytes.Repeat([]byte{7}, 40<<20) // 67 s
				if err := b.Whisper(t.Context(), a.UUID(), sent); err != nil {
					t.Fatal(err)
				}
				got := zretest.Next[zre.Whisper](a)
				if !bytes.Equal(got.Frames[0], sent) {
					t.Error("another message arrived")
				}
				synctest.Wait()
				for _, node := range []*zretest.Watched{a, b} {
					if bad := slices.DeleteFunc(presenceEvents(node.Seen()), func(s string) bool { return strings.HasPrefix(s, "Enter") }); len(bad) > 0 {
						t.Errorf("%s saw %v", node.Name(), bad)
					}
				}
			})
		})
	}
}

// A long message that is still in transit when its sender leaves arrives before the sender's Exit.
func TestLongMessageAndFarewell(t *testing.T) {
	for _, beyond := range []bool{false, true} { // beyond: no farewell arrives by beacon
		t.Run(fmt.Sprintf("beyond a router %v", beyond), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				address := "10.0.0.2"
				if beyond {
					lan.SetRouting(true)
					address = "10.1.0.2"
				}
				a := zretest.Start(t, lan.Host("10.0.0.1"), logged(t, zre.WithName("a"))...)
				b := zretest.Start(t, lan.Host(address), zre.WithName("b"), zre.WithPeers(endpointOf(a)))
				zretest.Next[zre.Enter](a)
				zretest.Next[zre.Enter](b)
				lan.SetLink(zretest.Link{Latency: time.Millisecond, Bandwidth: 20_000})
				frames := make([][]byte, 20)
				for i := range frames {
					frames[i] = make([]byte, 10_000) // half a second
				}
				if err := b.Whisper(t.Context(), a.UUID(), frames...); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				lan.SetLink(zretest.Link{Latency: time.Millisecond}) // for the farewell and what follows
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				zretest.Next[zre.Whisper](a)
				if exit := zretest.Next[zre.Exit](a); exit.Reason != zre.ReasonLeft {
					t.Errorf("it exited: %v, want left", exit.Reason)
				}
			})
		})
	}
}

// A peer that hangs expires, though its host acknowledges our data.
func TestAcknowledgedIsNotAlive(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		far := lan.Host("10.0.0.2")
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("a"), zre.WithExpiredTimeout(20*time.Second)) // less than the frozen peer's, whose timers run on
		f := zretest.NewForeign(t, far, zretest.Zyre)
		zretest.Next[zre.Enter](a)
		far.Freeze()
		defer far.Thaw()
		began := time.Now()
		repeatEach(t, func() { _ = a.Whisper(t.Context(), f.UUID(), []byte("x")) })
		exit := zretest.Next[zre.Exit](a)
		if took := time.Since(began); exit.Reason != zre.ReasonExpired || took > 23*time.Second {
			t.Errorf("it exited: %v after %v, want expired after 20 s", exit.Reason, took)
		}
	})
}

// A peer of another implementation may take longer than the expired timeout for one message; its PINGs and answers queue behind it. C zyre
// does not take beacons as a sign of life, but hears other messages from us meanwhile. (A message of ours that takes as long to reach C
// zyre ends the session on its side.)
func TestLongMessageOfForeignPeer(t *testing.T) {
	for _, kind := range foreign {
		for _, sends := range []bool{true, false} {
			if kind == zretest.Zyre && !sends {
				continue
			}
			t.Run(fmt.Sprintf("%v sends %v", kind, sends), func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
					lan.SetLink(zretest.Link{Latency: time.Millisecond, Bandwidth: 625_000})
					n := zretest.Start(t, lan.Host("10.0.0.1"), logged(t, zre.WithName("node"))...)
					f := zretest.NewForeign(t, lan.Host("10.0.0.2"), kind)
					zretest.Next[zre.Enter](n)
					advance(15 * time.Second)
					sent := make([]byte, 40<<20) // 67 s
					if sends {
						f.Whisper(n.UUID(), sent)
						if got := zretest.Next[zre.Whisper](n); len(got.Frames[0]) != len(sent) {
							t.Error("another message arrived")
						}
					} else if err := n.Whisper(t.Context(), f.UUID(), sent); err != nil {
						t.Fatal(err)
					}
					advance(2 * time.Minute)
					for who, seen := range map[string][]zre.Event{"the node": n.Seen(), "the peer": f.Seen()} {
						if comings := presenceEvents(seen); len(comings) != 1 {
							t.Errorf("%s saw %v", who, comings)
						}
					}
				})
			})
		}
	}
}
