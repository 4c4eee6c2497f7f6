package eventqueue

import (
	"testing"

	"github.com/go-zre/go-zre/internal/traffic"
)

// What the queue takes counts by transport and by stream; what finds no room, or comes after the end, does not.
func TestReceived(t *testing.T) {
	q := New(Limits{Messages: 3, Bytes: 1 << 20})
	var here, there, over Stream
	q.Begin(&here, traffic.Inproc)
	q.Begin(&there, traffic.TCP)
	q.Push(&over, Event{Kind: Exit, Peer: &Peer{}})
	e := Event{Peer: &Peer{}, Frames: [][]byte{[]byte("abc"), []byte("de")}}
	for _, m := range []struct {
		s    *Stream
		kind Kind
		want error
	}{{&here, Whisper, nil}, {&here, Shout, nil}, {&there, Whisper, nil}, {&there, Whisper, ErrFull}, {&over, Whisper, ErrEnded}} {
		e.Kind = m.kind
		if err := q.Offer(m.s, &e, Size(e.Frames), Limits{}); err != m.want {
			t.Fatalf("offer: %v, want %v", err, m.want)
		}
	}
	want := traffic.Table{traffic.Inproc: {Whispers: 1, Shouts: 1, Octets: 10}, traffic.TCP: {Whispers: 1, Octets: 5}}
	if got := q.Received(); got != want {
		t.Errorf("received %+v, want %+v", got, want)
	}
	q.Push(&here, Event{Kind: Exit, Peer: &Peer{}})
	q.Push(&here, Event{Kind: Exit, Peer: &Peer{}})
	if got := q.Received(); got != want {
		t.Errorf("received %+v after the end of a stream, want %+v", got, want)
	}
	if got := q.ReceivedFrom(&here); got != want[traffic.Inproc] {
		t.Errorf("received in the stream %+v, want %+v", got, want[traffic.Inproc])
	}
}
