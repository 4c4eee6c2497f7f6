package zretest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// head makes the frame that gives the kind of a whisper (docs/protocol.md).
func head(version, kind byte, id []byte) []byte {
	return append([]byte{0xf5, 'Z', 'R', 'Q', version, kind}, id...)
}

// A peer of another implementation receives a request as a whisper and may answer it. A message that only resembles a reply, or answers
// nothing, is no reply.
func TestForeignAnswers(t *testing.T) {
	for _, kind := range []zretest.Implementation{zretest.Zyre, zretest.Pyre} {
		t.Run(string(kind), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				a := zretest.Start(t, lan.Host("10.0.0.1"))
				f := zretest.NewForeign(t, lan.Host("10.0.0.2"), kind)
				defer f.Stop()
				waitForPeer(t, a.Node, f.UUID())
				advance(2 * time.Second)
				ask := func(answer func(id []byte)) (zre.Reply, error) {
					pending, err := a.StartRequest(contextFor(t, time.Second), f.UUID(), []byte("what"), []byte("ever"))
					if err != nil {
						t.Fatal(err)
					}
					advance(100 * time.Millisecond)
					seen := f.Seen()
					w, ok := seen[len(seen)-1].(zre.Whisper)
					if !ok || len(w.Frames) != 3 || len(w.Frames[0]) != 14 || !bytes.HasPrefix(w.Frames[0], head(1, 1, nil)) || string(w.Frames[2]) != "ever" {
						t.Fatalf("the last event of %v is %q", kind, seen[len(seen)-1])
					}
					answer(w.Frames[0][6:])
					return pending.Result()
				}
				whisper := func(frames ...[]byte) { f.Whisper(a.UUID(), frames...) }
				if _, err := ask(func([]byte) {}); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("no answer: %v", err)
				}
				stranger := binary.BigEndian.AppendUint64(nil, 7)
				like := func(id []byte) [][][]byte {
					return [][][]byte{
						{head(2, 2, id), []byte("of another version")},
						{head(1, 4, id), []byte("of another kind")},
						{head(1, 2, id[:7]), []byte("too short")},
						{head(1, 2, append(slices.Clone(id), 0)), []byte("too long")},
						{append([]byte("x"), head(1, 2, id)[1:]...), []byte("of another signature")},
						{head(1, 3, id), []byte("an error without a code")},
						{head(1, 3, id), {1, 1}, []byte("an error whose code is too long")},
						{head(1, 3, id), {1}, []byte("an error not of UTF-8: \xff")},
						{head(1, 3, id), {1}, bytes.Repeat([]byte("x"), 4097)},
						{head(1, 3, id), {1}, []byte("an error"), []byte("of too many frames")},
						{[]byte("in"), head(1, 2, id)},
					}
				}
				resembling := 0
				reply, err := ask(func(id []byte) {
					for _, frames := range like(id) {
						whisper(frames...)
						resembling++
					}
					whisper(head(1, 2, stranger), []byte("to another request")) // dropped, since it answers no request
					whisper(head(1, 3, stranger), []byte{1}, []byte("likewise"))
					whisper(head(1, 2, id), []byte("yes"), []byte("!"))
					whisper(head(1, 2, id), []byte("yes, again"))
				})
				if err != nil || len(reply.Frames) != 2 || string(reply.Frames[0]) != "yes" {
					t.Errorf("%q, %v", reply.Frames, err)
				}
				if reply, err := ask(func(id []byte) { whisper(head(1, 2, id)); whisper([]byte("the rest")) }); err != nil || len(reply.Frames) != 1 {
					t.Errorf("in pieces: %q, %v", reply.Frames, err)
				}
				resembling++
				var failed *zre.ReplyError
				if _, err := ask(func(id []byte) { whisper(head(1, 3, id), []byte{9}, []byte("grün")) }); !errors.As(err, &failed) || failed.Text != "grün" {
					t.Errorf("an error of an unknown code: %v", err)
				}
				if _, err := ask(func(id []byte) { whisper(head(1, 3, id), []byte{2}, nil) }); !errors.Is(err, zre.ErrNoHandler) {
					t.Errorf("no handler: %v", err)
				}
				advance(time.Second)
				whispers := 0
				for _, event := range a.Seen() {
					if _, ok := event.(zre.Whisper); ok {
						whispers++
					}
				}
				if whispers != resembling {
					t.Errorf("%d whispers came, want %d", whispers, resembling)
				}
				// It may also make requests.
				whisper(head(1, 1, stranger), []byte("who"))
				r := zretest.Next[zre.Request](a)
				if err := r.Reply(t.Context(), []byte("me")); err != nil || r.Name() != "who" {
					t.Errorf("%q: %v", r.Frames, err)
				}
				advance(time.Second)
				seen := f.Seen()
				if w, ok := seen[len(seen)-1].(zre.Whisper); !ok || !bytes.Equal(w.Frames[0], head(1, 2, stranger)) || string(w.Frames[1]) != "me" {
					t.Errorf("%v got %v", kind, seen[len(seen)-1])
				}
			})
		})
	}
}
