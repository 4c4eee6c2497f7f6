package zretest

import (
	"testing"

	"github.com/go-zre/go-zre/zre"
)

// An Observer records and checks the events that an application reads from its own node, and leaves all of them to the application:
//
//	seen := zretest.NewObserver(t, "the application")
//	app := NewApplication(zre.WithNetwork(lan.Host("10.0.0.1")), seen.Option())
//	zretest.Next[zre.Enter](seen)
//
// It sees an event just before the application does. The application handles the event after that: in a bubble, call synctest.Wait before you
// check the result.
type Observer struct{ record *record }

// NewObserver makes an observer for one node; name appears in failure messages. For each peer, the first event that breaks the rules of
// [EventChecker] fails the test.
func NewObserver(t testing.TB, name string) *Observer { return &Observer{newRecord(t, name)} }

// Option returns the option for NewNode of the observed node.
func (o *Observer) Option() zre.Option {
	return zre.WithObserver(func(event zre.Event) { o.record.add(copyEvent(event)) })
}

// Wait works like Wait of a [Watched].
func (o *Observer) Wait(what string, match func(zre.Event) bool) zre.Event {
	o.record.t.Helper()
	return o.record.wait(what, match)
}

// Seen returns the events so far. Frames are copies.
func (o *Observer) Seen() []zre.Event { return o.record.seen() }

func (o *Observer) test() testing.TB { return o.record.t }

// copyEvent copies the frames of an event, since the application may recycle them.
func copyEvent(event zre.Event) zre.Event {
	switch e := event.(type) {
	case zre.Whisper:
		return zre.Whisper{Peer: e.Peer, Frames: copyFrames(e.Frames)}
	case zre.Shout:
		return zre.Shout{Peer: e.Peer, Group: e.Group, Frames: copyFrames(e.Frames)}
	}
	return event
}

func copyFrames(frames [][]byte) [][]byte {
	list := make([][]byte, len(frames))
	for i, frame := range frames {
		list[i] = append([]byte{}, frame...)
	}
	return list
}
