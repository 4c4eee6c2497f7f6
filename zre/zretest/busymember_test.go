package zretest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A shouter records what a sender shouts to a group, numbered, and what becomes of it.
type shouter struct {
	*zretest.Watched
	lan    *zretest.LAN
	host   *zretest.Host // of the busy member
	sent   int
	waited time.Duration // by calls that took more than 100 ms
	delays int
	errors []error // of calls that left out a member
}

// shout sends 500 messages of 1,000 bytes a second.
func (s *shouter) shout(t *testing.T, d time.Duration) {
	t.Helper()
	frame := make([]byte, 1000)
	for began := time.Now(); time.Since(began) < d; {
		advance(20 * time.Millisecond)
		for range 10 {
			called := time.Now()
			if err := s.Shout(t.Context(), "G", frame); err != nil {
				s.errors = append(s.errors, err)
			}
			s.sent++
			if took := time.Since(called); took > 100*time.Millisecond {
				s.waited, s.delays = s.waited+took, s.delays+1
			}
		}
	}
}

// shoutsReceived counts the shouts that a member received.
func shoutsReceived(n *zretest.Watched) (count int) {
	for _, e := range n.Seen() {
		if _, ok := e.(zre.Shout); ok {
			count++
		}
	}
	return count
}

// busyGroup starts a sender and two members of its group. The first member has stopped reading events.
func busyGroup(t *testing.T, lan *zretest.LAN, near bool, options ...zre.Option) (s *shouter, busy, well *zretest.Watched) {
	hosts := []*zretest.Host{lan.Host("10.0.0.1"), lan.Host("10.0.0.2"), lan.Host("10.0.0.3")}
	if near {
		hosts[1] = hosts[0]
	}
	limits := zre.WithLimits(zre.Limits{QueueMessages: 1000, Events: 100})
	s = &shouter{lan: lan, host: hosts[1], Watched: zretest.Start(t, hosts[0], append(options, limits, zre.WithName("sender"))...)}
	busy = zretest.Start(t, hosts[1], limits, zre.WithName("busy"))
	well = zretest.Start(t, hosts[2], zre.WithName("well"))
	for _, n := range []*zretest.Watched{busy, well} {
		if err := n.Join("G"); err != nil {
			t.Fatal(err)
		}
	}
	zretest.Next[zre.Join](s.Watched)
	zretest.Next[zre.Join](s.Watched)
	advance(time.Second)
	busy.Pause()
	return s, busy, well
}

// expectBusy checks that an error names this peer, and no other, as busy.
func expectBusy(t *testing.T, err error, peer *zretest.Watched) {
	t.Helper()
	var failed *zre.PeerError
	if !errors.Is(err, zre.ErrPeerBusy) || !errors.As(err, &failed) || failed.UUID != peer.UUID() || failed.Name != peer.Name() {
		t.Fatalf("the error is %v", err)
	}
	if all, ok := errors.Unwrap(err).(interface{ Unwrap() []error }); ok && len(all.Unwrap()) != 1 {
		t.Fatalf("the error names others too: %v", err)
	}
}

// A member whose application hangs delays the group once, until the send timeout. It comes back at once and is then left out, by name, until
// its application continues.
func TestBusyMemberDelaysGroupOnce(t *testing.T) {
	for _, near := range []bool{false, true} {
		t.Run(map[bool]string{false: "tcp", true: "inproc"}[near], func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				s, busy, well := busyGroup(t, lan, near)
				s.shout(t, time.Minute)
				if s.delays != 1 || s.waited > 5100*time.Millisecond {
					t.Errorf("calls were delayed %d times, for %v in sum, want once", s.delays, s.waited)
				}
				for _, err := range s.errors {
					expectBusy(t, err, busy)
				}
				advance(time.Second)
				if got := shoutsReceived(well); got != s.sent {
					t.Errorf("the other member got %d of %d messages", got, s.sent)
				}
				var failed *zre.PeerError
				if err := s.Whisper(t.Context(), busy.UUID(), nil); !errors.As(err, &failed) || !errors.Is(err, zre.ErrPeerBusy) || failed.Dropped {
					t.Errorf("a whisper to it: %v", err)
				}

				busy.Resume()
				advance(time.Second)
				before := shoutsReceived(busy)
				s.errors = nil
				sent := s.sent
				s.shout(t, 5*time.Second)
				advance(time.Second)
				if got := shoutsReceived(busy) - before; got != s.sent-sent || len(s.errors) > 0 {
					t.Errorf("the member got %d of %d messages after it continued; errors: %v", got, s.sent-sent, errors.Join(s.errors...))
				}
				busy.Pause() // now it is waited for again
				s.delays, s.waited = 0, 0
				s.shout(t, time.Minute)
				if s.delays != 1 {
					t.Errorf("calls were delayed %d times, for %v in sum, when the member hung again", s.delays, s.waited)
				}
				busy.Resume()
			})
		})
	}
}

// If busy members are left out, no Shout waits, no member is dropped, and the others get everything.
func TestShoutSkipsBusy(t *testing.T) {
	for _, near := range []bool{false, true} {
		t.Run(map[bool]string{false: "tcp", true: "inproc"}[near], func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				s, busy, well := busyGroup(t, lan, near, zre.WithShoutPolicy(zre.ShoutSkipsBusy))
				s.shout(t, 30*time.Second)
				if s.delays > 0 || len(s.errors) == 0 {
					t.Errorf("%d calls waited, %v; %d left it out", s.delays, s.waited, len(s.errors))
				}
				for _, err := range s.errors {
					expectBusy(t, err, busy)
				}
				advance(time.Second)
				left := len(s.errors)
				if got := shoutsReceived(well); got != s.sent {
					t.Errorf("the other member got %d of %d messages", got, s.sent)
				}
				busy.Resume()
				advance(time.Second)
				if got := shoutsReceived(busy); got != s.sent-left {
					t.Errorf("it got %d messages, %d of %d were to leave it out", got, left, s.sent)
				}
				synctest.Wait()
				for _, e := range s.Seen() {
					if exit, ok := e.(zre.Exit); ok {
						t.Errorf("%s exited: %v", exit.Peer.Name, exit.Reason)
					}
				}
			})
		})
	}
}

// The sender remembers a hanging member for ten minutes, beyond its session.
func TestBusyMemberIsRemembered(t *testing.T) {
	for _, test := range []struct {
		name  string
		after func(s *shouter)
		waits int // calls that wait for it afterwards
	}{
		{"it comes back", func(*shouter) {}, 0},
		{"its connections break", func(s *shouter) { s.host.ResetConnections() }, 0},
		{"they break again and again", func(s *shouter) {
			for range 5 {
				s.host.ResetConnections()
				advance(time.Second)
			}
		}, 0},
		{"it is out of reach for long", func(s *shouter) { s.lan.Partition(s.host); advance(9 * time.Minute); s.lan.Heal() }, 0},
		{"and is forgotten in time", func(s *shouter) { s.lan.Partition(s.host); advance(11 * time.Minute); s.lan.Heal() }, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				s, busy, _ := busyGroup(t, lan, false)
				s.shout(t, 20*time.Second)
				if s.delays != 1 {
					t.Fatalf("calls were delayed %d times", s.delays)
				}
				test.after(s)
				advance(5 * time.Second)
				if _, present := s.Peer(busy.UUID()); !present {
					t.Fatal("the busy member did not enter again")
				}
				s.delays = 0
				s.shout(t, 20*time.Second)
				if s.delays != test.waits {
					t.Errorf("calls were delayed %d more times, want %d", s.delays, test.waits)
				}
			})
		})
	}
}
