//go:build linux

package interop

import (
	"bytes"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// contents are the messages that conversations exchange.
var contents = map[string][][]byte{
	"text":          {[]byte("hello")},
	"UTF-8":         {[]byte("grüße, 世界")},
	"binary":        {{0, 1, 0x80, 0xfe, 0xff, 0, '\n', 0}},
	"empty frame":   {{}},
	"255 bytes":     {bytes.Repeat([]byte{0xa5}, 255)},
	"256 bytes":     {bytes.Repeat([]byte{0x5a}, 256)},
	"100,000 bytes": {bytes.Repeat([]byte("0123456789"), 10_000)},
	"three frames":  {[]byte("one"), {}, []byte("three")},
	"ten frames":    bytes.Split([]byte("0 1 2 3 4 5 6 7 8 9"), []byte(" ")),
}

// converse makes two nodes that have met use the whole protocol.
func converse(t *testing.T, a, b *testbed.Peer) {
	t.Helper()
	for _, pair := range [][2]*testbed.Peer{{a, b}, {b, a}} {
		speaker, listener := pair[0], pair[1]
		begun := last(listener)
		speaker.Join(t, "LATER")
		joined := listener.WaitAfter(t, begun, "JOIN", testbed.InGroup("join", speaker, "LATER"))
		for name, frames := range contents {
			if traitsOf[speaker.Kind].oneFrame && len(frames) > 1 {
				continue
			}
			want := frames
			if traitsOf[listener.Kind].oneFrame {
				want = frames[:1]
			}
			speaker.Whisper(t, listener, frames...)
			whisper := listener.WaitAfter(t, joined, "the whisper "+name, testbed.Whisper(speaker, want...))
			speaker.Shout(t, "CHAT", frames...)
			listener.WaitAfter(t, whisper, "the shout "+name, testbed.Shout(speaker, "CHAT", want...))
		}
		speaker.Leave(t, "LATER")
		listener.WaitAfter(t, joined, "LEAVE", testbed.InGroup("leave", speaker, "LATER"))
		listener.Never(t, begun, last(listener), "EXIT", testbed.Is("exit", speaker))
	}
}

// last returns what a node last reported.
func last(p *testbed.Peer) testbed.Event {
	events := p.Events()
	return events[len(events)-1]
}

func TestConversation(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		t.Run("ours starts first and quits", func(t *testing.T) {
			lan := testbed.NewLAN(t, "")
			a := testbed.Start(t, lan.Host("a"), ours, options("ours"))
			b := testbed.Start(t, lan.Host("b"), kind, options("theirs"))
			meet(t, a, b)
			converse(t, a, b)
			a.Quit(t)
			expectExit(t, b, a, "left")
		})
		t.Run("theirs starts first and quits", func(t *testing.T) {
			lan := testbed.NewLAN(t, "")
			b := testbed.Start(t, lan.Host("b"), kind, options("theirs"))
			a := testbed.Start(t, lan.Host("a"), ours, options("ours"))
			meet(t, a, b)
			converse(t, a, b)
			b.Quit(t)
			expectExit(t, a, b, "left")
		})
	})
}

// Two implementations on one host share the beacon's port.
func TestConversationOnOneHost(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		host := testbed.NewLAN(t, "").Host("a")
		a := testbed.Start(t, host, ours, options("ours"))
		b := testbed.Start(t, host, kind, options("theirs"))
		meet(t, a, b)
		converse(t, a, b)
		b.Quit(t)
		expectExit(t, a, b, "left")
	})
}
