package node

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// An outcome is the result of an event.
type outcome struct {
	// to is the session's state afterwards. With "new" before it, it is the state of the replacing session; "over" if there is none.
	to string

	// does lists the other effects, in these words and this order:
	//
	// connected   our connection counts as up
	// cause       the reason why the peer cannot be reached is kept
	// grace       the time for the state begins again, in the same state
	// dial        a dial begins, and so another HELLO of ours
	// again       ... which counts as one more that the peer did not show to know
	// PING        one is sent
	// -ours -its  our connection is closed, the peer's is
	// former      the peer is remembered as one that may have us in a session
	// unreached   ... as one that must be reached before it enters
	// departed    ... as one that has just left
	does string

	// reported is what the application hears at once. late is what it hears within a second while the new session dials; "over" if that session ended.
	reported, late string
}

// A cell of the table, and the outcome of its event; given selects one of several cases.
type cell struct {
	event event
	state state
	given given
	want  outcome
}

func (c cell) String() string {
	name := fmt.Sprintf("%v/%v", c.event, c.state)
	if c.given != 0 {
		name += "/" + c.given.String()
	}
	return strings.ReplaceAll(name, " ", "-")
}

// In every other cell nothing happens.
var cells = []cell{
	{helloCame, dialling, 0, outcome{"answering", "", "ENTER JOIN", ""}},
	{helloCame, dialling, ours, outcome{"answering", "", "ENTER JOIN", ""}},
	{helloCame, dialling, beaconed, outcome{"answering", "", "ENTER JOIN", ""}},
	{helloCame, dialling, unnamed, outcome{"answering", "", "ENTER JOIN", ""}},
	{helloCame, dialling, former, outcome{"confirming", "", "", ""}},
	{helloCame, dialling, former | ours, outcome{"answering", "", "ENTER JOIN", ""}},
	{helloCame, dialling, unreached, outcome{"confirming", "", "", ""}},
	{helloCame, dialling, unreached | ours, outcome{"confirming", "", "", ""}},
	{helloCame, dialling, previous, outcome{"confirming", "", "", "EXIT(crashed)"}},
	{helloCame, greeting, 0, outcome{"ready", "", "ENTER JOIN", ""}},
	{helloCame, greeting, ours, outcome{"ready", "", "ENTER JOIN", ""}},
	{helloCame, greeting, unnamed, outcome{"ready", "", "ENTER JOIN", ""}},
	{helloCame, greeting, former, outcome{"confirming", "PING", "", ""}},
	{helloCame, greeting, former | ours, outcome{"ready", "", "ENTER JOIN", ""}},
	{helloCame, confirming, 0, outcome{"confirming", "grace PING", "", ""}},
	{helloCame, confirming, notConnected, outcome{"confirming", "grace", "", ""}},
	{helloCame, answering, 0, outcome{"new confirming", "dial former", "EXIT(replaced)", ""}},
	{helloCame, answering, ours, outcome{"new answering", "dial former", "EXIT(replaced) ENTER JOIN", ""}},
	{helloCame, ready, 0, outcome{"new confirming", "dial -ours former", "EXIT(replaced)", ""}},
	{helloCame, ready, ours, outcome{"new answering", "dial -ours", "EXIT(replaced) ENTER JOIN", ""}},
	{helloCame, ready, ours | matched, outcome{"ready", "grace", "EXIT(replaced) ENTER JOIN", ""}},
	{helloCame, awaiting, ours | matched, outcome{"ready", "", "EXIT(replaced) ENTER JOIN", ""}},
	{helloCame, awaiting, 0, outcome{"new confirming", "dial -ours former", "EXIT(replaced)", ""}},
	{helloCame, awaiting, ours, outcome{"new answering", "dial -ours", "EXIT(replaced) ENTER JOIN", ""}},
	{helloCame, draining, 0, outcome{"new confirming", "dial former", "EXIT(crashed)", ""}},
	{helloCame, leaving, 0, outcome{"new answering", "dial -ours departed", "EXIT(left) ENTER JOIN", ""}},
	{helloCame, leaving, ours, outcome{"new answering", "dial -ours departed", "EXIT(lost messages) ENTER JOIN", ""}},

	{resumed, greeting, 0, outcome{"greeting", "grace", "", ""}},
	{resumed, awaiting, 0, outcome{"ready", "", "WHISPER", ""}},
	{resumed, awaiting, skipped, outcome{"new dialling", "dial -ours former", "EXIT(lost messages)", ""}},

	{connected, dialling, 0, outcome{"greeting", "connected", "", ""}},
	{connected, confirming, notConnected, outcome{"confirming", "connected grace PING", "", ""}},
	{connected, confirming, unreached | notConnected | ours, outcome{"ready", "connected", "ENTER JOIN", ""}},
	{connected, answering, 0, outcome{"ready", "connected", "", ""}},
	{connected, leaving, notConnected, outcome{"leaving", "connected", "", ""}},

	{dialFailed, dialling, 0, outcome{"dialling", "cause", "", ""}},
	{dialFailed, dialling, refused, outcome{"dialling", "cause", "", "over"}},
	{dialFailed, dialling, wrongPeer, outcome{"dialling", "cause", "", "over"}},
	{dialFailed, dialling, previous | refused, outcome{"dialling", "cause", "", "EXIT(crashed) over"}},
	{dialFailed, dialling, beaconed, outcome{"over", "cause", "", ""}},
	{dialFailed, dialling, unnamed, outcome{"over", "cause", "PROBLEM", ""}},
	{dialFailed, confirming, notConnected, outcome{"confirming", "cause", "", ""}},
	{dialFailed, answering, 0, outcome{"answering", "cause", "", ""}},
	{dialFailed, leaving, notConnected, outcome{"leaving", "cause", "", ""}},

	{mailboxClosed, greeting, 0, outcome{"new dialling", "dial", "", ""}},
	{mailboxClosed, greeting, beaconed, outcome{"over", "", "", ""}},
	{mailboxClosed, greeting, unnamed, outcome{"over", "", "PROBLEM", ""}},
	{mailboxClosed, confirming, 0, outcome{"new confirming", "dial again", "", ""}},
	{mailboxClosed, confirming, greetedOften, outcome{"new confirming", "dial again", "", ""}},
	{mailboxClosed, ready, 0, outcome{"draining", "", "", ""}},
	{mailboxClosed, ready, duplexOver, outcome{"new dialling", "dial former", "", "EXIT(crashed)"}},
	{mailboxClosed, leaving, 0, outcome{"leaving", "", "", ""}},
	{mailboxClosed, leaving, duplexOver, outcome{"over", "departed", "EXIT(left)", ""}},
	{mailboxClosed, leaving, duplexOver | ours, outcome{"over", "departed", "EXIT(lost messages)", ""}},
	{mailboxClosed, awaiting, 0, outcome{"new dialling", "dial former", "", "EXIT(crashed)"}},

	{inboxClosed, confirming, 0, outcome{"new dialling", "dial again -ours", "", ""}},
	{inboxClosed, confirming, notConnected, outcome{"dialling", "", "", ""}},
	{inboxClosed, confirming, greetedOften, outcome{"greeting", "", "", ""}},
	{inboxClosed, confirming, greetedOften | pinged, outcome{"new dialling", "dial again -ours", "", ""}},
	{inboxClosed, answering, 0, outcome{"new dialling", "dial former", "", "EXIT(crashed)"}},
	{inboxClosed, ready, 0, outcome{"awaiting", "", "", ""}},
	{inboxClosed, ready, proven, outcome{"awaiting", "", "", ""}},
	{inboxClosed, ready, ours, outcome{"awaiting", "", "", ""}},
	{inboxClosed, draining, 0, outcome{"new dialling", "dial former", "", "EXIT(crashed)"}},
	{inboxClosed, draining, speaking, outcome{"new dialling", "dial former", "", "EXIT(crashed)"}},
	{inboxClosed, leaving, 0, outcome{"over", "-ours departed", "EXIT(left)", ""}},
	{inboxClosed, leaving, ours, outcome{"over", "-ours departed", "EXIT(lost messages)", ""}},
	{inboxClosed, leaving, speaking, outcome{"over", "-ours departed", "EXIT(left)", ""}},

	{farewellCame, dialling, 0, outcome{"over", "departed", "", ""}},
	{farewellCame, dialling, previous, outcome{"over", "departed", "EXIT(left)", ""}},
	{farewellCame, dialling, previous | ours, outcome{"over", "departed", "EXIT(lost messages)", ""}},
	{farewellCame, greeting, 0, outcome{"over", "-ours departed", "", ""}},
	{farewellCame, confirming, 0, outcome{"over", "-ours -its departed", "", ""}},
	{farewellCame, answering, 0, outcome{"leaving", "PING", "", ""}},
	{farewellCame, ready, 0, outcome{"leaving", "PING", "", ""}},
	{farewellCame, awaiting, 0, outcome{"over", "-ours departed", "EXIT(left)", ""}},
	{farewellCame, awaiting, ours, outcome{"over", "-ours departed", "EXIT(lost messages)", ""}},
	{farewellCame, draining, 0, outcome{"leaving", "", "", ""}},

	{goodbyeCame, dialling, 0, outcome{"over", "departed", "", ""}},
	{goodbyeCame, greeting, 0, outcome{"over", "-ours departed", "", ""}},
	{goodbyeCame, confirming, 0, outcome{"over", "-ours -its departed", "", ""}},
	{goodbyeCame, answering, 0, outcome{"over", "-its departed", "EXIT(left)", ""}},
	{goodbyeCame, ready, 0, outcome{"over", "-ours -its departed", "EXIT(left)", ""}},
	{goodbyeCame, awaiting, 0, outcome{"over", "-ours departed", "EXIT(left)", ""}},
	{goodbyeCame, draining, 0, outcome{"over", "-its departed", "EXIT(left)", ""}},
	{goodbyeCame, leaving, 0, outcome{"over", "-ours -its departed", "EXIT(left)", ""}},
	{goodbyeCame, leaving, ours, outcome{"over", "-ours -its departed", "EXIT(left)", ""}},
	{goodbyeCame, leaving, speaking, outcome{"over", "-ours -its departed", "EXIT(left)", ""}},

	{gapCame, answering, 0, outcome{"new dialling", "dial -its former", "EXIT(lost messages)", ""}},
	{gapCame, ready, 0, outcome{"new dialling", "dial -ours -its former", "EXIT(lost messages)", ""}},
	{gapCame, awaiting, 0, outcome{"new dialling", "dial -ours former", "EXIT(lost messages)", ""}},
	{gapCame, draining, 0, outcome{"new dialling", "dial -its former", "EXIT(lost messages)", ""}},
	{gapCame, leaving, 0, outcome{"new dialling", "dial -ours -its former", "EXIT(lost messages)", ""}},

	{pingOKCame, confirming, 0, outcome{"ready", "", "ENTER JOIN", ""}},
	{pingOKCame, confirming, notConnected, outcome{"confirming", "", "", ""}},
	{pingOKCame, leaving, 0, outcome{"ready", "", "", ""}},
	{pingOKCame, leaving, notConnected, outcome{"leaving", "", "", ""}},

	{graceEnded, greeting, 0, outcome{"new dialling", "dial again -ours", "", ""}},
	{graceEnded, greeting, unnamed, outcome{"greeting", "grace", "", ""}},
	{graceEnded, confirming, 0, outcome{"new confirming", "dial again -ours", "", ""}},
	{graceEnded, confirming, greetedOften, outcome{"ready", "", "ENTER JOIN", ""}},
	{graceEnded, awaiting, 0, outcome{"new dialling", "dial -ours former", "", "EXIT(crashed)"}},
	{graceEnded, draining, 0, outcome{"new dialling", "dial -its former", "", "EXIT(crashed)"}},
	{graceEnded, draining, speaking, outcome{"draining", "grace", "", ""}},
	{graceEnded, leaving, 0, outcome{"over", "-ours -its departed", "EXIT(left)", ""}},
	{graceEnded, leaving, ours, outcome{"over", "-ours -its departed", "EXIT(lost messages)", ""}},
	{graceEnded, leaving, speaking, outcome{"leaving", "grace", "", ""}},

	{silenceExpired, dialling, 0, outcome{"over", "", "", ""}},
	{silenceExpired, dialling, previous, outcome{"over", "", "EXIT(crashed)", ""}},
	{silenceExpired, greeting, 0, outcome{"over", "-ours", "", ""}},
	{silenceExpired, confirming, 0, outcome{"over", "-ours -its", "", ""}},
	{silenceExpired, answering, 0, outcome{"over", "-its former", "EXIT(expired)", ""}},
	{silenceExpired, ready, 0, outcome{"over", "-ours -its former", "EXIT(expired)", ""}},
	{silenceExpired, ready, ours, outcome{"over", "-ours -its", "EXIT(expired)", ""}},
	{silenceExpired, awaiting, 0, outcome{"over", "-ours former", "EXIT(expired)", ""}},

	{unreachableExpired, confirming, notConnected, outcome{"over", "-its unreached", "PROBLEM", ""}},
	{unreachableExpired, answering, 0, outcome{"over", "-its former unreached", "PROBLEM EXIT(unreachable)", ""}},

	{deliveryExpired, greeting, 0, outcome{"over", "cause -ours unreached", "PROBLEM", ""}},
	{deliveryExpired, greeting, unnamed, outcome{"over", "-ours", "PROBLEM", ""}},
	{deliveryExpired, confirming, 0, outcome{"over", "cause -ours -its unreached", "PROBLEM", ""}},
	{deliveryExpired, ready, 0, outcome{"over", "cause -ours -its former unreached", "PROBLEM EXIT(unreachable)", ""}},
	{deliveryExpired, ready, ours, outcome{"over", "cause -ours -its unreached", "PROBLEM EXIT(unreachable)", ""}},
	{deliveryExpired, awaiting, 0, outcome{"over", "cause -ours former unreached", "PROBLEM EXIT(unreachable)", ""}},

	{pathGone, greeting, 0, outcome{"new dialling", "dial -ours", "", ""}},
	{pathGone, ready, 0, outcome{"new dialling", "dial -ours -its former", "", "EXIT(crashed)"}},
	{pathGone, ready, proven, outcome{"new dialling", "dial -ours -its former", "", "EXIT(crashed)"}},
	{pathGone, awaiting, 0, outcome{"new dialling", "dial -ours former", "", "EXIT(crashed)"}},

	{addressTaken, greeting, 0, outcome{"over", "-ours", "", ""}},
	{addressTaken, ready, 0, outcome{"over", "-ours -its former", "EXIT(crashed)", ""}},
	{addressTaken, awaiting, 0, outcome{"over", "-ours former", "EXIT(crashed)", ""}},
	{addressTaken, draining, 0, outcome{"over", "-its former", "EXIT(crashed)", ""}},

	{queueStuck, dialling, 0, outcome{"over", "", "", ""}},
	{queueStuck, greeting, 0, outcome{"over", "-ours", "", ""}},
	{queueStuck, confirming, 0, outcome{"over", "-ours -its", "", ""}},
	{queueStuck, answering, 0, outcome{"over", "-its former", "EXIT(not responding)", ""}},
	{queueStuck, ready, 0, outcome{"over", "-ours -its former", "EXIT(not responding)", ""}},
	{queueStuck, awaiting, 0, outcome{"over", "-ours former", "EXIT(not responding)", ""}},
	{queueStuck, draining, 0, outcome{"over", "-its former", "EXIT(not responding)", ""}},
	{queueStuck, leaving, 0, outcome{"over", "-ours -its former", "EXIT(not responding)", ""}},
}

// casesOf returns the cases of a cell; if the list has none, one in which nothing happens.
func casesOf(e event, s state) (list []cell) {
	for _, c := range cells {
		if c.event == e && c.state == s {
			list = append(list, c)
		}
	}
	if list == nil {
		list = []cell{{event: e, state: s, want: outcome{to: s.String()}}}
	}
	return list
}

// Every cell of the table: the outcome of each event in each state.
func TestTable(t *testing.T) {
	for e := range eventCount {
		for s := range stateCount {
			for _, c := range casesOf(e, s) {
				t.Run(c.String(), func(t *testing.T) {
					if got := c.walk(t, nil); got != c.want {
						t.Errorf("got  %+v\nwant %+v", got, c.want)
					}
				})
			}
		}
	}
}

// Every cell matters: if an action is removed from a cell, or added to an empty one, the test above fails.
func TestTableMatters(t *testing.T) {
	for e := range eventCount {
		for s := range stateCount {
			t.Run(cell{event: e, state: s}.String(), func(t *testing.T) { matters(t, e, s) })
		}
	}
}

func matters(t *testing.T, e event, s state) {
	was, other := table[e][s], action(nil)
	if was == nil {
		other = (*Node).drop
	}
	defer func() { table[e][s] = was }()
	for _, c := range casesOf(e, s) {
		if c.walk(t, func() { table[e][s] = other }) != c.want {
			return
		}
		table[e][s] = was
	}
	t.Error("what is in the cell makes no difference")
}

// walk makes the event of a cell happen, and returns the outcome. change, if not nil, is called in the control loop just before.
func (c cell) walk(t *testing.T, change func()) (o outcome) {
	synctest.Test(t, func(t *testing.T) {
		w := newTableWorld(t, c.given)
		w.bringInto(c.state)
		if change != nil {
			w.do(change)
		}
		before := w.look()
		w.causeEvent(c.event, c.state)
		o = before.outcome(w.look(), c.event)
		o.reported = w.eventsSince(before.events)
		if strings.HasSuffix(o.to, dialling.String()) || c.given.has(previous) {
			heard := w.count()
			time.Sleep(redialGrace + redialGrace/10)
			o.late = w.eventsSince(heard)
			if o.to != "over" && w.look().next == nil {
				o.late = strings.TrimSpace(o.late + " over")
			}
		}
	})
	return o
}

// causeEvent makes the event happen: by its usual cause, if that can happen in this state.
func (w *tableWorld) causeEvent(e event, s state) {
	p := w.peer
	linked := w.look().out != nil
	switch {
	case e == helloCame:
		if s == confirming || w.given.has(matched) {
			p.connect()
		}
		p.hello()
	case e == resumed:
		p.connect()
		if w.given.has(skipped) {
			p.number++
		}
		p.send(msg.AppendWhisper)
	case e == connected && !linked && s != draining:
		w.network.verdict <- nil
	case e == connected:
		w.happen(e, detail{conn: p.ours})
	case e == dialFailed && !linked && s != draining:
		w.network.verdict <- w.given.dialError()
	case e == mailboxClosed && linked && s != leaving:
		p.dropOurs()
	case e == inboxClosed && p.conn != nil:
		p.hangUp()
	case e == farewellCame && s != leaving:
		w.farewell()
	case e == pingOKCame && (s == confirming || s == leaving):
		p.send(msg.AppendPingOK)
	default:
		w.happen(e, detail{err: errSessionOver})
	}
	synctest.Wait()
}

// dialError returns the error of a failed dial.
func (g given) dialError() error {
	switch {
	case g.has(refused):
		return syscall.ECONNREFUSED
	case g.has(wrongPeer):
		return fmt.Errorf("test: %w", zmtp.ErrWrongPeer)
	}
	return errors.New("no route to host")
}
