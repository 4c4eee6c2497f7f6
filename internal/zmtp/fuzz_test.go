package zmtp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"
	"testing/iotest"
	"time"
)

// script is a connection whose peer sends a given stream and closes; what we send is thrown away.
type script struct{ io.Reader }

func (script) Write(p []byte) (int, error)      { return len(p), nil }
func (script) Close() error                     { return nil }
func (script) LocalAddr() net.Addr              { return memAddr("local") }
func (script) RemoteAddr() net.Addr             { return memAddr("remote") }
func (script) SetDeadline(time.Time) error      { return nil }
func (script) SetReadDeadline(time.Time) error  { return nil }
func (script) SetWriteDeadline(time.Time) error { return nil }

// FuzzHandshake: whatever comes, a handshake ends in an error or in metadata that we would accept again, has read no octet beyond its end,
// and caught no panic.
func FuzzHandshake(f *testing.F) {
	for _, s := range sessions(f) {
		f.Add(octets(f, s.Client))
		f.Add(octets(f, s.Server))
	}
	for _, attack := range attacks("DEALER") {
		f.Add(attack.bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.NewReader(b)
		peer, err := handshakeWith(script{in}, Config{}, "ROUTER")
		if err != nil {
			if bytes.Contains([]byte(err.Error()), []byte("panicked")) {
				t.Fatal(err)
			}
			return
		}
		used := len(b) - in.Len()
		if _, err := handshakeWith(script{bytes.NewReader(b[:used-1])}, Config{}, "ROUTER"); err == nil {
			t.Error("bytes beyond the handshake were read")
		}
		if peer.get("socket-type") != "DEALER" || len(peer.get("identity")) > 255 {
			t.Errorf("accepted %q", peer)
		}
	})
}

// FuzzMetadata: what is parsed encodes to the same octets.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(prop("Socket-Type", "DEALER") + prop("Identity", "me")))
	f.Add([]byte(prop("X-a", "") + prop("x-A", "")))
	f.Add([]byte("\x01a\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMetadata(b)
		if err != nil {
			if _, ok := errors.AsType[*ProtocolError](err); !ok {
				t.Errorf("%v is no ProtocolError", err)
			}
			return
		}
		if got := m.encode(); !bytes.Equal(got, b) {
			t.Errorf("%q became %q", b, got)
		}
	})
}

// FuzzStream: however the octets of a stream arrive they give the same messages, within the limits, and a Queue encodes them to octets that
// the reader reads back.
func FuzzStream(f *testing.F) {
	for _, s := range sessions(f) {
		f.Add(octets(f, s.Client)[greetingSize:])
	}
	f.Add(join(message("a", "", "b"), command("PING", "\x00\x00x"), message("c")))
	f.Add(message(string(make([]byte, 300)), "x"))
	f.Add([]byte{1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0})
	limits := Limits{FrameSize: 1000, MessageSize: 2000, Frames: 10, CommandSize: 100}
	f.Fuzz(func(t *testing.T, b []byte) {
		messages, pongs, err := parse(bytes.NewReader(b), limits)
		if err == nil {
			t.Fatal("the reader returned no error at the end of the stream")
		}
		again, pongsAgain, errAgain := parse(iotest.OneByteReader(bytes.NewReader(b)), limits)
		if !reflect.DeepEqual(messages, again) || !reflect.DeepEqual(pongs, pongsAgain) || err.Error() != errAgain.Error() {
			t.Errorf("at once: %q, %v; by bytes: %q, %v", messages, err, again, errAgain)
		}
		q := NewQueue(1<<20, 1<<30)
		for _, m := range messages {
			size := 0
			var frames [][]byte
			for _, f := range m {
				frames = append(frames, []byte(f))
				size += len(f)
			}
			if len(m) > limits.Frames || size > int(limits.MessageSize) {
				t.Errorf("a message of %d frames, %d bytes", len(m), size)
			}
			if err := q.Push(frames...); err != nil {
				t.Fatal(err)
			}
		}
		if back, _, err := parse(bytes.NewReader(drain(t, q)), limits); err != io.EOF || !reflect.DeepEqual(back, messages) {
			t.Errorf("%q became %q, %v", messages, back, err)
		}
	})
}
