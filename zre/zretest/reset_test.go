package zretest_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A pair is one of our nodes and a model of a foreign peer, on their own LAN.
type pair struct {
	t    *testing.T
	lan  *zretest.LAN
	here *zretest.Host // our host
	node *zretest.Watched
	far  *zretest.Host // the peer's host
	peer *zretest.Foreign
}

// newPair starts a pair and returns when both have been calm for a while.
func newPair(t *testing.T, lan *zretest.LAN, kind zretest.Implementation) *pair {
	t.Helper()
	p := &pair{t: t, lan: lan, here: lan.Host("10.0.0.1"), far: lan.Host("10.0.0.2")}
	p.node = zretest.Start(t, p.here, logged(t, zre.WithName("node"))...)
	p.peer = zretest.NewForeign(t, p.far, kind, zretest.ForeignName("peer"), zretest.ForeignPort(50_000), zretest.ForeignGroups(group))
	if err := p.node.Join(group); err != nil {
		t.Fatal(err)
	}
	advance(30 * time.Second)
	if got := p.since(0); !slices.Equal(got, []string{"Enter(peer)"}) {
		t.Fatalf("they met like this: %v", got)
	}
	return p
}

// logged adds options for a log if a seed is given, which asks for details.
func logged(t testing.TB, options ...zre.Option) []zre.Option {
	if flag.Lookup("zretest.seed").Value.String() != "0" {
		options = append(options, zre.WithLogger(zerolog.New(zerolog.NewTestWriter(t)).With().Timestamp().Logger()))
	}
	return options
}

// seen returns how many events the node has seen.
func (p *pair) seen() int { return len(p.node.Seen()) }

// since lists the Enters and Exits that the node saw after its first seen events.
func (p *pair) since(seen int) []string { return presenceEvents(p.node.Seen()[seen:]) }

// checkCalm checks that neither sees the other enter or exit for a long time, and that they then hear each other.
func (p *pair) checkCalm() {
	p.t.Helper()
	ours, theirs := p.seen(), len(p.peer.Seen())
	advance(quiet)
	if late := p.since(ours); len(late) > 0 {
		p.t.Errorf("the node is not calm: %d enters and exits in %v, such as %s", len(late), quiet, strings.Join(late[:min(len(late), 6)], ", "))
	}
	if late := presenceEvents(p.peer.Seen()[theirs:]); len(late) > 0 {
		p.t.Errorf("the peer is not calm: %d enters and exits in %v, such as %s", len(late), quiet, strings.Join(late[:min(len(late), 6)], ", "))
	}
	p.checkMessages()
}

// checkMessages checks that a whisper and a shout from each reach the other.
func (p *pair) checkMessages() {
	p.t.Helper()
	ours, theirs := p.seen(), len(p.peer.Seen())
	if err := p.node.Whisper(p.t.Context(), p.peer.UUID(), []byte("whisper")); err != nil {
		p.t.Error(err)
	}
	if err := p.node.Shout(p.t.Context(), group, []byte("shout")); err != nil {
		p.t.Error(err)
	}
	if !p.peer.Whisper(p.node.UUID(), []byte("whisper")) {
		p.t.Error("the peer has no connection to the node")
	}
	p.peer.Shout(group, []byte("shout"))
	advance(time.Second)
	want := []string{"shout", "whisper"}
	if got := textsOf(p.node.Seen()[ours:], p.peer.UUID()); !slices.Equal(got, want) {
		p.t.Errorf("the node heard %v, want %v", got, want)
	}
	if got := textsOf(p.peer.Seen()[theirs:], p.node.UUID()); !slices.Equal(got, want) {
		p.t.Errorf("the peer heard %v, want %v", got, want)
	}
}

// textsOf lists the first frames of the whispers and shouts of a peer, sorted.
func textsOf(events []zre.Event, of uuid.UUID) (list []string) {
	for _, e := range events {
		if e.From().UUID != of {
			continue
		}
		switch e := e.(type) {
		case zre.Whisper:
			list = append(list, string(e.Frames[0]))
		case zre.Shout:
			list = append(list, string(e.Frames[0]))
		}
	}
	slices.Sort(list)
	return list
}

// Connections between a node and a foreign peer break, once or repeatedly. Soon after the last break there is one lasting session.
func TestResetsRecover(t *testing.T) {
	gaps := []time.Duration{
		900 * time.Microsecond, 1100 * time.Microsecond, 1300 * time.Microsecond, 1500 * time.Microsecond, 1900 * time.Microsecond,
		2100 * time.Microsecond, 2500 * time.Microsecond, 20 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second,
	}
	broken := []struct {
		name  string
		reset func(p *pair)
		ends  bool // the break ends the session; otherwise libzmq continues, as nothing was in transit
	}{
		{"all", func(p *pair) { p.far.ResetConnections() }, true},
		{"the peer's", func(p *pair) { p.far.ResetConnectionsTo(p.here) }, false},
		{"ours", func(p *pair) { p.here.ResetConnectionsTo(p.far) }, true},
	}
	latencies := []time.Duration{200 * time.Microsecond, time.Millisecond, 20 * time.Millisecond}
	if underRace {
		latencies = latencies[:1]
	}
	for _, kind := range foreign {
		for _, latency := range latencies {
			for _, b := range broken {
				for _, times := range []int{1, 2, 3, 5} {
					for _, gap := range gaps {
						if times == 1 && gap != gaps[0] {
							continue
						}
						t.Run(fmt.Sprintf("%s/%v/%s/%d times/%v", kind, latency, b.name, times, gap), func(t *testing.T) {
							t.Parallel()
							synctest.Test(t, func(t *testing.T) {
								lan := zretest.NewLAN(t)
								lan.SetLink(zretest.Link{Latency: latency})
								p := newPair(t, lan, kind)
								before := p.seen()
								for range times {
									b.reset(p)
									time.Sleep(gap)
								}
								advance(calmAfterFault + calmAfterDrop)
								got := p.since(before)
								connectedBetween := times > 1 && gap >= 100*time.Millisecond // then something may be in transit
								if len(got) > 2*times || b.ends && len(got) == 0 || !b.ends && !connectedBetween && len(got) > 0 {
									t.Errorf("after %d breaks: %v", times, got)
								}
								p.checkCalm()
							})
						})
					}
				}
			}
		}
	}
}

// A foreign peer's connection breaks, and after a while the peer sends a new HELLO, whatever it did about ours meanwhile. That gives one
// Exit and one Enter.
func TestHelloAfterReset(t *testing.T) {
	delays := []time.Duration{
		0, 500 * time.Microsecond, time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond,
		160 * time.Millisecond, 300 * time.Millisecond,
	}
	for _, manner := range []reaction{silent, replying, renewing} {
		for _, latency := range []time.Duration{200 * time.Microsecond, time.Millisecond, 20 * time.Millisecond} {
			for _, delay := range delays {
				for _, keeps := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%v/after %v/keeps %v", manner, latency, delay, keeps), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							lan := zretest.NewLAN(t)
							lan.SetLink(zretest.Link{Latency: latency})
							node := zretest.Start(t, lan.Host("10.0.0.1"), logged(t, zre.WithName("node"))...)
							peer := newBarePeer(t, lan.Host("10.0.0.2"), manner, "10.0.0.2:50000", endpointOf(node))
							peer.sendHello()
							advance(30 * time.Second)
							if got := presenceEvents(node.Seen()); !slices.Equal(got, []string{"Enter(peer)"}) {
								t.Fatalf("they met like this: %v", got)
							}
							before := len(node.Seen())
							broken := peer.hangUp()
							time.Sleep(delay)
							if !keeps && peer.current() != broken { // it has answered one of our HELLOs
								peer.hangUp()
							}
							peer.sendHello()
							advance(10 * time.Second)
							got := presenceEvents(node.Seen()[before:])
							if len(got) != 2 || !strings.HasPrefix(got[0], "Exit") {
								t.Errorf("after the break: %v, want one Exit and one Enter", got)
							}
							advance(quiet)
							if late := presenceEvents(node.Seen()[before+len(got):]); len(late) > 0 {
								t.Errorf("not calm: %v", late)
							}
						})
					})
				}
			}
		}
	}
}
