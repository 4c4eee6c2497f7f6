package zmtp

import (
	"bytes"
	"io"
	"slices"
	"testing"
	"testing/synctest"
)

// TestRecordedSessions replays what libzmq's DEALERs sent to our Router, which must show the same messages as libzmq's ROUTER did and
// answer the same PONGs; and has our DEALER send the same messages as libzmq's.
func TestRecordedSessions(t *testing.T) {
	for _, s := range sessions(t) {
		stream := octets(t, s.Client)
		for _, step := range []int{1, 7, len(stream)} {
			t.Run(s.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { replay(t, s, stream, step) })
			})
		}
		if s.Sent != nil && s.Name == "null" {
			t.Run(s.Name+" sent", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { imitate(t, s, stream) })
			})
		}
	}
}

func replay(t *testing.T, s session, stream []byte, step int) {
	l, in := newMemListener(), newInbox()
	serve(t, NewRouter(Config{}, in.accept), l)
	nc := l.dial()
	said := readAll(nc)
	for part := range slices.Chunk(stream, step) {
		nc.Write(part)
		synctest.Wait()
	}
	recv := <-in.conns
	for _, want := range s.Received {
		got := [][]byte{recv.conn.Identity()}
		got = append(got, recv.next(t)...)
		for i, frame := range want {
			if !bytes.Equal(got[i], octets(t, frame)) {
				t.Errorf("frame %d is %x, want %s", i, got[i], frame)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d frames, want %d", len(got), len(want))
		}
	}
	nc.closeWrite()
	if err := recv.end(t); err != io.EOF {
		t.Errorf("the connection ended with %v, want EOF", err)
	}
	// Apart from libzmq's own PINGs, ours must send what libzmq sent.
	want := bytes.ReplaceAll(octets(t, s.Server), command("PING", "\x00\x0a"), nil)
	got := <-said
	if !bytes.Equal(got[greetingSize:], want[greetingSize:]) {
		t.Errorf("answered\n%x, libzmq\n%x", got[greetingSize:], want[greetingSize:])
	}
}

func imitate(t *testing.T, s session, stream []byte) {
	ours, peer := memPair(64 << 10)
	said := readAll(peer)
	peer.Write(octets(t, s.Server))
	q := NewQueue(10, 1<<20)
	c, err := Open(t.Context(), ours, Config{Identity: octets(t, s.Identity)}, q, nil, nullReceiver{})
	if err != nil {
		t.Fatal(err)
	}
	for _, frames := range s.Sent {
		var m [][]byte
		for _, f := range frames {
			m = append(m, octets(t, f))
		}
		if err := q.Push(m...); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Close(nil)
	if got := <-said; !bytes.Equal(got[greetingSize:], stream[greetingSize:]) {
		t.Errorf("sent\n%x, libzmq\n%x", got[greetingSize:], stream[greetingSize:])
	}
	<-c.finished
}
