package zmtp

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// held is a Receiver that takes its first message late.
type held struct {
	*recorder
	until chan struct{}
}

func (h *held) Receive(frames [][]byte) error {
	<-h.until
	return h.recorder.Receive(frames)
}

// TestMute has a peer send its last messages and hang up while a write to it fails: the messages are received. A peer that does not hang
// up, though it reads no more, is not read from forever.
func TestMute(t *testing.T) {
	for name, hangUp := range map[string]bool{"hangs up": true, "stays": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const words = 500 // of which the reader's buffer holds some
				ours, peer := memPair(64 << 10)
				peer.Write(hello("ROUTER", ""))
				recv := &held{newRecorder(words), make(chan struct{})}
				c, err := Open(t.Context(), ours, Config{}, NewQueue(10, 1000), nil, recv)
				if err != nil {
					t.Fatal(err)
				}
				for range words {
					peer.Write(message("word"))
				}
				peer.in.close(&peer.in.dropped)
				if hangUp {
					peer.closeWrite()
				}
				_ = c.Queue().Push(nil)
				synctest.Wait()
				if err := c.Queue().Push(nil); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("a message that nobody will get: %v", err)
				}
				close(recv.until)
				began := time.Now()
				err = recv.end(t)
				if want := map[bool]error{true: io.EOF, false: io.ErrClosedPipe}[hangUp]; err != want {
					t.Errorf("ended with %v, want %v", err, want)
				}
				if got := len(recv.messages); got != words {
					t.Errorf("%d of %d words were heard", got, words)
				}
				if took := time.Since(began); hangUp == (took > 0) || took > readAfterWriteError {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}
