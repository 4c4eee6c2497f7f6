package zretest

import (
	"testing"

	"github.com/go-zre/go-zre/zre"
)

// An Observer keeps and checks the events that an application takes of its own node, and takes none away from it:
//
//	seen := zretest.NewObserver(t, "the application")
//	app := NewApplication(zre.WithNetwork(lan.Host("10.0.0.1")), seen.Option())
//	zretest.Next[zre.Enter](seen)
//
// It sees an event just before the application does. What the application does with it comes after that: in a bubble call synctest.Wait before you look.
type Observer struct{ record *record }

// NewObserver makes an observer for one node; name stands in the messages of failures. It fails the test at the first event of each peer that
// breaks the rules of [Grammar].
func NewObserver(t testing.TB, name string) *Observer { return &Observer{newRecord(t, name)} }

// Option is for the NewNode of the node to observe.
func (o *Observer) Option() zre.Option {
	return zre.WithObserver(func(event zre.Event) { o.record.take(keep(event)) })
}

// Wait is as that of a [Watched].
func (o *Observer) Wait(what string, match func(zre.Event) bool) zre.Event {
	o.record.t.Helper()
	return o.record.wait(what, match)
}

// Seen returns the events so far. Frames are copies.
func (o *Observer) Seen() []zre.Event { return o.record.seen() }

func (o *Observer) test() testing.TB { return o.record.t }

// keep returns an event whose frames stay when the application gives them back.
func keep(event zre.Event) zre.Event {
	switch e := event.(type) {
	case zre.Whisper:
		return zre.Whisper{Peer: e.Peer, Frames: copies(e.Frames)}
	case zre.Shout:
		return zre.Shout{Peer: e.Peer, Group: e.Group, Frames: copies(e.Frames)}
	}
	return event
}

func copies(frames [][]byte) [][]byte {
	list := make([][]byte, len(frames))
	for i, frame := range frames {
		list[i] = append([]byte{}, frame...)
	}
	return list
}
