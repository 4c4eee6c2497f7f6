package zretest_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

func TestEventChecker(t *testing.T) {
	p, q := &zre.Peer{Name: "p", UUID: uuid.New()}, &zre.Peer{Name: "q", UUID: uuid.New()}
	member := &zre.Peer{Name: p.Name, UUID: p.UUID, Transport: "tcp"} // q has no transport: it is the node itself
	whisper := func(n uint64) zre.Event { return zre.Whisper{Peer: p, Frames: [][]byte{zretest.Number(n), nil}} }
	shout := func(group string, n uint64) zre.Event {
		return zre.Shout{Peer: p, Group: group, Frames: [][]byte{zretest.Number(n)}}
	}
	enter, exit := zre.Enter{Peer: p}, zre.Exit{Peer: p, Reason: zre.ReasonLeft}
	join, leave := zre.Join{Peer: p, Group: "G"}, zre.Leave{Peer: p, Group: "G"}
	for _, test := range []struct {
		name   string
		events []zre.Event
		err    string // of the last event; all others are valid
	}{
		{"a life", []zre.Event{enter, join, whisper(0), zre.Evasive{Peer: p}, zre.Silent{Peer: p}, zre.StateChange{Peer: p}, leave, exit}, ""},
		{"two lives", []zre.Event{enter, join, exit, enter, join, exit}, ""},
		{"two peers", []zre.Event{enter, zre.Enter{Peer: q}, exit, zre.Join{Peer: q, Group: "G"}}, ""},
		{"no numbers", []zre.Event{enter, zre.Whisper{Peer: p}, zre.Whisper{Peer: p, Frames: [][]byte{{1}}}}, ""},
		{"leaders", []zre.Event{enter, join, zre.Leader{Peer: member, Group: "G"}, zre.Leader{Peer: q, Group: "G"}}, ""},
		{"a leader that is not in the group", []zre.Event{enter, join, zre.Leader{Peer: member, Group: "H"}}, `p leads "H" without being in it`},
		{"a leader that is gone", []zre.Event{enter, exit, zre.Leader{Peer: member, Group: "G"}}, "zre.Leader of p, which is not present"},
		{"starts anywhere", []zre.Event{enter, whisper(7), whisper(8), exit, enter, whisper(3)}, ""},
		{"three sequences", []zre.Event{enter, whisper(7), shout("G", 2), shout("H", 9), whisper(8), shout("G", 3)}, ""},
		{"exit first", []zre.Event{exit}, "zre.Exit of p, which is not present"},
		{"message first", []zre.Event{whisper(0)}, "zre.Whisper of p, which is not present"},
		{"after exit", []zre.Event{enter, exit, join}, "zre.Join of p, which is not present"},
		{"exit twice", []zre.Event{enter, exit, exit}, "zre.Exit of p, which is not present"},
		{"enter twice", []zre.Event{enter, enter}, "p entered again without an Exit"},
		{"join twice", []zre.Event{enter, join, join}, `p joined "G" twice`},
		{"leave only", []zre.Event{enter, leave}, `p left "G" without being in it`},
		{"groups of another life", []zre.Event{enter, join, exit, enter, leave}, `p left "G" without being in it`},
		{"lost", []zre.Event{enter, whisper(1), whisper(3)}, "whisper number 3 of p came where 2 was due"},
		{"repeated", []zre.Event{enter, whisper(1), whisper(1)}, "whisper number 1 of p came where 2 was due"},
		{"shout lost", []zre.Event{enter, shout("G", 1), shout("G", 0)}, `shout to "G" number 0 of p came where 2 was due`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var g zretest.EventChecker
			for i, event := range test.events {
				err := g.Check(event)
				switch {
				case test.err == "" || i < len(test.events)-1:
					if err != nil {
						t.Errorf("event %d: %v", i, err)
					}
				case err == nil || !strings.HasSuffix(err.Error(), test.err):
					t.Errorf("%v, want %s", err, test.err)
				}
			}
		})
	}
}

func TestNumber(t *testing.T) {
	for _, n := range []uint64{0, 1, 1 << 40} {
		if got, ok := zretest.ParseNumber(zretest.Number(n)); got != n || !ok {
			t.Errorf("%d came back as %d, %t", n, got, ok)
		}
	}
	for _, frame := range [][]byte{nil, []byte("zretest#"), append(zretest.Number(1), 0), []byte("something of 16 octets")} {
		if n, ok := zretest.ParseNumber(frame); ok {
			t.Errorf("%q is number %d", frame, n)
		}
	}
}
