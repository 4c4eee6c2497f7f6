package zretest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// startMeeting starts nodes on separate hosts, 10.0.0.1 and so on, and waits until all have met.
func startMeeting(t *testing.T, lan *zretest.LAN, count int, options ...zre.Option) (hosts []*zretest.Host, nodes []*zretest.Watched) {
	t.Helper()
	for i := range count {
		hosts = append(hosts, lan.Host(fmt.Sprintf("10.0.0.%d/16", i+1)))
		nodes = append(nodes, zretest.Start(t, hosts[i], append(options, zre.WithName(string(rune('a'+i))))...))
	}
	for _, n := range nodes {
		for range count - 1 {
			zretest.Next[zre.Enter](n)
		}
	}
	return hosts, nodes
}

// expectExit waits for the exit of a peer and checks its reason and its delay after since.
func expectExit(t *testing.T, n *zretest.Watched, of uuid.UUID, reason zre.Reason, since time.Time, least, most time.Duration) {
	t.Helper()
	exit := n.Wait("Exit", func(e zre.Event) bool {
		exit, ok := e.(zre.Exit)
		return ok && exit.Peer.UUID == of
	}).(zre.Exit)
	if d := time.Since(since); exit.Reason != reason || d < least || d > most {
		t.Errorf("%s: %s exited after %v: %v; want %v after %v to %v", n.Name(), exit.Peer.Name, d, exit.Reason, reason, least, most)
	}
}

func expectEnter(t *testing.T, n *zretest.Watched, of uuid.UUID) {
	t.Helper()
	n.Wait("Enter", func(e zre.Event) bool {
		enter, ok := e.(zre.Enter)
		return ok && enter.Peer.UUID == of
	})
}

func TestPartitionAndHeal(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		hosts, nodes := startMeeting(t, lan, 6)
		start := time.Now()
		lan.Partition(hosts[:2]...)
		for i, n := range nodes {
			for j := range nodes {
				if i < 2 != (j < 2) {
					zretest.Next[zre.Exit](n)
				}
			}
		}
		if d := time.Since(start); d < 28*time.Second || d > 40*time.Second {
			t.Errorf("the sides lost each other after %v", d)
		}
		for i, n := range nodes {
			want := 3
			if i < 2 {
				want = 1
			}
			if got := len(n.Peers()); got != want {
				t.Errorf("%s sees %d peers, want %d", n.Name(), got, want)
			}
		}
		time.Sleep(10 * time.Minute)
		start = time.Now()
		lan.Heal()
		for i, n := range nodes {
			for j := range nodes {
				if i < 2 != (j < 2) {
					zretest.Next[zre.Enter](n)
				}
			}
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("the sides met again after %v", d)
		}
	})
}

// A short cut ends no session, and messages sent during it arrive.
func TestShortPartition(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		hosts, nodes := startMeeting(t, lan, 2)
		lan.Partition(hosts[0])
		if err := nodes[0].Whisper(t.Context(), nodes[1].UUID(), []byte("hello")); err != nil {
			t.Error(err)
		}
		time.Sleep(12 * time.Second)
		lan.Heal()
		zretest.Next[zre.Whisper](nodes[1])
		for _, n := range nodes {
			for _, e := range n.Seen() {
				if _, ok := e.(zre.Exit); ok {
					t.Errorf("%s: %T", n.Name(), e)
				}
			}
		}
	})
}

func TestEndsOfNodes(t *testing.T) {
	for _, test := range []struct {
		name        string
		do          func(hosts []*zretest.Host, n *zretest.Watched)
		reason      zre.Reason
		least, most time.Duration
	}{
		{"close", func(_ []*zretest.Host, n *zretest.Watched) { n.Close() }, zre.ReasonLeft, 0, time.Second},
		{"kill", func(hosts []*zretest.Host, _ *zretest.Watched) { hosts[0].Kill() }, zre.ReasonCrashed, 0, time.Second},
		{"freeze", func(hosts []*zretest.Host, _ *zretest.Watched) { hosts[0].Freeze() }, zre.ReasonExpired, 28 * time.Second, 33 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				hosts, nodes := startMeeting(t, lan, 4)
				start := time.Now()
				test.do(hosts, nodes[0])
				for _, n := range nodes[1:] {
					expectExit(t, n, nodes[0].UUID(), test.reason, start, test.least, test.most)
				}
			})
		})
	}
	t.Run("crash", func(t *testing.T) { // noticed by keepalive or the expired timeout, whichever comes first
		inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
			hosts, nodes := startMeeting(t, lan, 4)
			hosts[0].Crash()
			time.Sleep(35 * time.Second)
			synctest.Wait()
			for _, n := range nodes[1:] {
				if _, ok := n.Peer(nodes[0].UUID()); ok {
					t.Errorf("%s still sees the crashed node", n.Name())
				}
			}
		})
	})
}

// A node that stops for less than the expired timeout is evasive for the others and loses no peer.
func TestFreezeAndThaw(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		hosts, nodes := startMeeting(t, lan, 3)
		hosts[0].Freeze()
		if err := nodes[1].Whisper(t.Context(), nodes[0].UUID(), []byte("asleep?")); err != nil {
			t.Error(err)
		}
		zretest.Next[zre.Evasive](nodes[1])
		zretest.Next[zre.Silent](nodes[1])
		time.Sleep(5 * time.Second)
		hosts[0].Thaw()
		zretest.Next[zre.Whisper](nodes[0])
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, n := range nodes {
			if got := len(n.Peers()); got != 2 {
				t.Errorf("%s sees %d peers", n.Name(), got)
			}
			for _, e := range n.Seen() {
				if _, ok := e.(zre.Exit); ok {
					t.Errorf("%s: an Exit", n.Name())
				}
			}
		}
	})
}

// A program that restarts with the same UUID is a new session for everyone, at once.
func TestRestart(t *testing.T) {
	for _, how := range []struct {
		name string
		end  func(h *zretest.Host)
		boot func(h *zretest.Host)
	}{
		{"killed", (*zretest.Host).Kill, func(*zretest.Host) {}},
		{"crashed", (*zretest.Host).Crash, (*zretest.Host).Boot},
	} {
		t.Run(how.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				hosts, nodes := startMeeting(t, lan, 3)
				id, start := nodes[0].UUID(), time.Now()
				how.end(hosts[0])
				how.boot(hosts[0])
				again := zretest.Start(t, hosts[0].Process(), zre.WithUUID(id), zre.WithName("again"))
				for _, n := range nodes[1:] {
					if exit := zretest.Next[zre.Exit](n); exit.Peer.UUID != id || time.Since(start) > 5*time.Second {
						t.Errorf("%s: %s exited after %v", n.Name(), exit.Peer.Name, time.Since(start))
					}
					expectEnter(t, n, id)
					zretest.Next[zre.Enter](again)
				}
				if err := again.Whisper(t.Context(), nodes[1].UUID(), []byte("back")); err != nil {
					t.Error(err)
				}
				zretest.Next[zre.Whisper](nodes[1])
			})
		})
	}
}

func TestInterfaceDownAndUp(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		hosts, nodes := startMeeting(t, lan, 3)
		hosts[0].InterfaceDown("eth0")
		for range 2 {
			zretest.Next[zre.Exit](nodes[0])
		}
		time.Sleep(time.Minute)
		hosts[0].InterfaceUp("eth0")
		for _, n := range nodes[1:] {
			expectEnter(t, n, nodes[0].UUID())
			zretest.Next[zre.Enter](nodes[0])
		}
		hosts[0].SetAddresses("eth0", "10.0.9.9/16")
		time.Sleep(time.Minute)
		for _, n := range nodes[1:] {
			if err := n.Whisper(t.Context(), nodes[0].UUID(), []byte(n.Name())); err != nil {
				t.Errorf("%s does not reach the node with another address: %v", n.Name(), err)
			}
			zretest.Next[zre.Whisper](nodes[0])
		}
	})
}

// Two subnets and a host on both: each host sees the nodes on its own subnets.
func TestSubnets(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		left := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("left"))
		both := zretest.Start(t, lan.Host("10.0.0.2", "10.1.0.2"), zre.WithName("both"))
		right := zretest.Start(t, lan.Host("10.1.0.1"), zre.WithName("right"))
		advance(10 * time.Second)
		for _, test := range []struct {
			node *zretest.Watched
			want int
		}{{left, 1}, {both, 2}, {right, 1}} {
			if got := len(test.node.Peers()); got != test.want {
				t.Errorf("%s sees %d peers, want %d", test.node.Name(), got, test.want)
			}
		}
		if p, _ := right.Peer(both.UUID()); p == nil || p.Endpoint[:15] != "tcp://10.1.0.2:" {
			t.Errorf("right sees both at %+v", p)
		}
	})
}

// Twenty nodes on a network that loses a third of all datagrams meet, and stay together.
func TestLoss(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetLink(zretest.Link{Latency: 5 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.3})
		const count = 20
		var nodes []*zretest.Watched
		for i := range count {
			nodes = append(nodes, zretest.Start(t, lan.Host(fmt.Sprintf("10.0.0.%d", i+1))))
		}
		// Of a few thousand segments one is lost eight times in a row and arrives after a minute.
		meet := func() (missing []string) {
			for _, n := range nodes {
				if got := len(n.Peers()); got != count-1 {
					missing = append(missing, fmt.Sprintf("%s sees %d peers", n.Name(), got))
				}
			}
			return missing
		}
		for range 5 {
			if time.Sleep(time.Minute); len(meet()) == 0 {
				return
			}
		}
		t.Error(meet())
	})
}

// A slow reader makes its sender wait and loses nothing. A reader that has stopped is dropped, and the others keep receiving.
func TestSlowReader(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		_, nodes := startMeeting(t, lan, 3, zre.WithSendTimeout(2*time.Second))
		for _, n := range nodes {
			if err := n.Join("G"); err != nil {
				t.Error(err)
			}
		}
		advance(time.Second)
		sender, slow, quick := nodes[0], nodes[1], nodes[2]
		payload := make([]byte, 1000)
		n := uint64(0)
		flood := func(count int) (err error) {
			for range count {
				if err = sender.Shout(t.Context(), "G", zretest.Number(n), payload); err != nil {
					return err
				}
				n++
			}
			return nil
		}
		slow.Pause()
		if err := flood(10_000); err != nil {
			t.Errorf("a short pause: %v", err)
		}
		slow.Resume()
		advance(time.Second)
		slow.Pause()
		start := time.Now()
		err := flood(100_000)
		var busy *zre.PeerError
		if !errors.As(err, &busy) || !errors.Is(err, zre.ErrPeerBusy) || busy.UUID != slow.UUID() || !busy.Dropped || time.Since(start) > 3*time.Second {
			t.Errorf("a long pause: %v after %v", err, time.Since(start))
		}
		n++ // the others got it
		expectExit(t, sender, slow.UUID(), zre.ReasonNotResponding, time.Now(), 0, time.Second)
		slow.Resume()
		expectEnter(t, sender, slow.UUID())
		advance(time.Second)
		if err := flood(10); err != nil {
			t.Error(err)
		}
		advance(time.Second)
		for _, w := range []*zretest.Watched{slow, quick} {
			last, count := uint64(0), uint64(0)
			for _, e := range w.Seen() {
				if shout, ok := e.(zre.Shout); ok {
					last, _ = zretest.ParseNumber(shout.Frames[0])
					count++
				}
			}
			if last != n-1 || w == quick && count != n {
				t.Errorf("%s heard %d shouts, the last number %d of %d", w.Name(), count, last, n)
			}
		}
	})
}

// A call that waits for a busy peer ends with its context.
func TestContextOfWhisper(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		hosts, nodes := startMeeting(t, lan, 2)
		hosts[1].Freeze()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var err error
		for err == nil {
			err = nodes[0].Whisper(ctx, nodes[1].UUID(), make([]byte, 10_000))
		}
		if !errors.Is(err, zre.ErrPeerBusy) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("whisper: %v", err)
		}
		hosts[1].Thaw()
	})
}

// The silent timeout is twice the evasive one, or the value of WithSilentTimeout. This also holds just after the evasive timeout, where
// Evasive comes first, and just before the peer expires.
func TestSilentTimeout(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []zre.Option
		want    time.Duration
	}{
		{"default", nil, 10 * time.Second},
		{"longer", []zre.Option{zre.WithSilentTimeout(15 * time.Second)}, 15 * time.Second},
		{"shorter", []zre.Option{zre.WithSilentTimeout(7 * time.Second)}, 7 * time.Second},
		{"at once", []zre.Option{zre.WithSilentTimeout(5*time.Second + 1)}, 5 * time.Second},
		{"late", []zre.Option{zre.WithSilentTimeout(28 * time.Second)}, 28 * time.Second},
		{"of another evasive timeout", []zre.Option{zre.WithEvasiveTimeout(2 * time.Second)}, 4 * time.Second},
		{"of neither", []zre.Option{zre.WithEvasiveTimeout(2 * time.Second), zre.WithSilentTimeout(3 * time.Second)}, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				hosts, nodes := startMeeting(t, lan, 2, c.options...)
				advance(10 * time.Second)
				frozen := time.Now()
				hosts[0].Freeze()
				zretest.Next[zre.Evasive](nodes[1])
				zretest.Next[zre.Silent](nodes[1])
				if took := time.Since(frozen); took < c.want-2*time.Second || took > c.want+2*time.Second {
					t.Errorf("silent after %v, want %v", took, c.want)
				}
				expectExit(t, nodes[1], nodes[0].UUID(), zre.ReasonExpired, frozen, 28*time.Second, 33*time.Second)
				hosts[0].Thaw()
			})
		})
	}
}
