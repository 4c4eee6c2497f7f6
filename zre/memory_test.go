package zre_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"

	"github.com/go-zre/go-zre/zre"
)

// numbered fills a frame with octets that tell its message.
func numbered(frame []byte, number int) []byte {
	unit := binary.BigEndian.AppendUint32(nil, uint32(number)|0xAB000000)
	for i := range frame {
		frame[i] = unit[i%4]
	}
	return frame
}

// Messages of all sizes, copied or given, to one or to many, arrive as they were sent while their receivers give most of them back
// after a while.
func TestMemoryIsUsedAgain(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "inproc"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			port := port()
			only := zre.WithTransports("tcp", transport)
			speaker := start(t, port, only)
			const members, messages, group = 3, 2000, "all"
			var wg sync.WaitGroup
			defer wg.Wait()
			var nodes []*zre.Node
			for range members {
				node := start(t, port, only)
				if err := node.Join(group); err != nil {
					t.Fatal(err)
				}
				nodes = append(nodes, node)
				wg.Go(func() { listen(t, node, messages) })
			}
			for len(speaker.PeersIn(group)) < members {
				next[zre.Join](t, speaker)
			}
			for number := range messages {
				frame := zre.NewFrame(sizes[rand.IntN(len(sizes))] + rand.IntN(100))
				frames := [][]byte{numbered(frame, number), numbered(make([]byte, rand.IntN(200)), number)}
				var err error
				switch rand.IntN(3) {
				case 0:
					err = speaker.Shout(t.Context(), group, frames...)
				case 1:
					err = speaker.ShoutGiven(t.Context(), group, frames...)
				default:
					last := len(nodes) - 1
					for _, node := range nodes[:last] {
						if err := speaker.Whisper(t.Context(), node.UUID(), frames...); err != nil {
							t.Fatal(err)
						}
					}
					err = speaker.WhisperGiven(t.Context(), nodes[last].UUID(), frames...)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Frames that are cut from memory with others, that have their own, that the pool has, and that come in pieces.
var sizes = []int{0, 20, 1000, 8 << 10, 16 << 10, 60 << 10, 300 << 10}

// listen checks messages, in order, some later than others.
func listen(t *testing.T, node *zre.Node, messages int) {
	type held struct {
		number int
		frames [][]byte
		free   func()
	}
	var kept []held
	check := func(h held) {
		for _, f := range h.frames {
			if want := numbered(make([]byte, len(f)), h.number); !bytes.Equal(f, want) {
				t.Errorf("message %d: a frame of %d octets is spoiled", h.number, len(f))
			}
		}
		if rand.IntN(20) > 0 {
			h.free()
		}
	}
	number := 0
	for event := range node.All(t.Context()) {
		switch e := event.(type) {
		case zre.Whisper:
			kept = append(kept, held{number, e.Frames, e.Recycle})
		case zre.Shout:
			kept = append(kept, held{number, e.Frames, e.Recycle})
		default:
			continue
		}
		if number++; number == messages {
			break
		}
		for len(kept) > 0 && (len(kept) > 50 || rand.IntN(2) == 0) {
			i := rand.IntN(len(kept))
			check(kept[i])
			kept[i] = kept[len(kept)-1]
			kept = kept[:len(kept)-1]
		}
	}
	if number != messages {
		t.Errorf("%d messages came, not %d", number, messages)
	}
	for _, h := range kept {
		check(h)
	}
}

// What is given to a peer of the process is not copied; where there are several, each has its own.
func TestGivenWithinTheProcess(t *testing.T) {
	t.Parallel()
	port := port()
	a, b := start(t, port), start(t, port)
	for _, node := range []*zre.Node{a, b} {
		if err := node.Join("g"); err != nil {
			t.Fatal(err)
		}
	}
	next[zre.Join](t, a)
	next[zre.Join](t, b)
	given := zre.NewFrame(100_000)
	where := unsafe.SliceData(given)
	if err := a.WhisperGiven(t.Context(), b.UUID(), given); err != nil {
		t.Fatal(err)
	}
	whisper := next[zre.Whisper](t, b)
	if got := unsafe.SliceData(whisper.Frames[0]); got != where || len(whisper.Frames[0]) != 100_000 {
		t.Error("a whisper was copied")
	}
	if err := b.ShoutGiven(t.Context(), "g", whisper.Frames...); err != nil {
		t.Fatal(err)
	}
	if got := next[zre.Shout](t, a).Frames[0]; unsafe.SliceData(got) != where {
		t.Error("a shout to one was copied")
	}
	c := start(t, port)
	if err := c.Join("g"); err != nil {
		t.Fatal(err)
	}
	for len(a.PeersIn("g")) < 2 {
		next[zre.Join](t, a)
	}
	if err := a.ShoutGiven(t.Context(), "g", zre.NewFrame(100_000)); err != nil {
		t.Fatal(err)
	}
	if x, y := next[zre.Shout](t, b), next[zre.Shout](t, c); unsafe.SliceData(x.Frames[0]) == unsafe.SliceData(y.Frames[0]) {
		t.Error("two have the same memory")
	}
}
