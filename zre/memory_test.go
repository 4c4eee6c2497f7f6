package zre_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"

	"github.com/go-zre/go-zre/zre"
)

// numbered fills a frame with bytes that identify its message.
func numbered(frame []byte, number int) []byte {
	unit := binary.BigEndian.AppendUint32(nil, uint32(number)|0xAB000000)
	for i := range frame {
		frame[i] = unit[i%4]
	}
	return frame
}

// Messages of all sizes, copied or given, to one or many peers, arrive as sent while their receivers recycle most of them after a while.
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
					err = speaker.ShoutNoCopy(t.Context(), group, frames...)
				default:
					last := len(nodes) - 1
					for _, node := range nodes[:last] {
						if err := speaker.Whisper(t.Context(), node.UUID(), frames...); err != nil {
							t.Fatal(err)
						}
					}
					err = speaker.WhisperNoCopy(t.Context(), nodes[last].UUID(), frames...)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Frames that share memory, that have their own, that come from the pool, and that arrive in parts.
var sizes = []int{0, 20, 1000, 8 << 10, 16 << 10, 60 << 10, 300 << 10}

// listen checks messages in order, some of them later.
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
				t.Errorf("message %d: a frame of %d bytes is spoiled", h.number, len(f))
			}
		}
		if rand.IntN(20) > 0 {
			h.free()
		}
	}
	number := 0
	for event := range node.AllEvents(t.Context()) {
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

// Frames given to one peer of the process are not copied. If there are several peers, each gets its own.
func TestNoCopyWithinProcess(t *testing.T) {
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
	if err := a.WhisperNoCopy(t.Context(), b.UUID(), given); err != nil {
		t.Fatal(err)
	}
	whisper := next[zre.Whisper](t, b)
	if got := unsafe.SliceData(whisper.Frames[0]); got != where || len(whisper.Frames[0]) != 100_000 {
		t.Error("a whisper was copied")
	}
	if err := b.ShoutNoCopy(t.Context(), "g", whisper.Frames...); err != nil {
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
	if err := a.ShoutNoCopy(t.Context(), "g", zre.NewFrame(100_000)); err != nil {
		t.Fatal(err)
	}
	if x, y := next[zre.Shout](t, b), next[zre.Shout](t, c); unsafe.SliceData(x.Frames[0]) == unsafe.SliceData(y.Frames[0]) {
		t.Error("two have the same memory")
	}
}

// one returns the only element of a slice.
func one(t *testing.T, frames [][]byte) []byte {
	t.Helper()
	if len(frames) != 1 {
		t.Fatalf("%d frames", len(frames))
	}
	return frames[0]
}

// Giving or recycling frames sets them to nil in the caller's list.
func TestListsAreEmptied(t *testing.T) {
	t.Parallel()
	port := port()
	a, b := start(t, port), start(t, port)
	next[zre.Enter](t, a)
	next[zre.Enter](t, b)
	for _, size := range []int{0, 10, 64 << 10} {
		frames := [][]byte{zre.NewFrame(size)}
		if err := a.WhisperNoCopy(t.Context(), b.UUID(), frames...); err != nil {
			t.Fatal(err)
		}
		w := next[zre.Whisper](t, b)
		if frames[0] != nil || len(one(t, w.Frames)) != size {
			t.Errorf("%d bytes: given away, and still in the list", size)
		}
		if w.Recycle(); w.Frames[0] != nil {
			t.Errorf("%d bytes: given back, and still in the list", size)
		}
	}
	frames := [][]byte{zre.NewFrame(10)}
	if err := a.ShoutNoCopy(t.Context(), "nobody", frames...); err != nil || frames[0] != nil {
		t.Errorf("a shout to an empty group: %v, frames still in the list: %v", err, frames[0] != nil)
	}
}

// A program that is wrong about the owner of a frame damages only the messages with that frame: every frame of NewFrame has one owner.
func TestMistakenOwners(t *testing.T) {
	t.Parallel()
	const size = 64 << 10
	for _, test := range []struct {
		name string
		do   func(ctx context.Context, a, b *zre.Node, received zre.Whisper) error // called by b, which received the message from a
		want int                                                                   // number of frames that a receives
	}{
		{"a frame twice in a message", func(ctx context.Context, a, b *zre.Node, _ zre.Whisper) error {
			f := zre.NewFrame(size)
			return b.WhisperNoCopy(ctx, a.UUID(), f, f)
		}, 2},
		{"two halves of a frame", func(ctx context.Context, a, b *zre.Node, _ zre.Whisper) error {
			f := zre.NewFrame(size)
			return b.WhisperNoCopy(ctx, a.UUID(), f[:size/2], f[size/2:])
		}, 2},
		{"two halves of other memory", func(ctx context.Context, a, b *zre.Node, _ zre.Whisper) error {
			f := make([]byte, size)
			return b.WhisperNoCopy(ctx, a.UUID(), f[:size/2], f[size/2:])
		}, 2},
		{"given on, and recycled", func(ctx context.Context, a, b *zre.Node, w zre.Whisper) error {
			defer w.Recycle()
			return b.WhisperNoCopy(ctx, a.UUID(), w.Frames...)
		}, 1},
		{"a frame of it given on, and recycled", func(ctx context.Context, a, b *zre.Node, w zre.Whisper) error {
			defer w.Recycle()
			return b.WhisperNoCopy(ctx, a.UUID(), w.Frames[0])
		}, 1},
		{"recycled twice", func(ctx context.Context, a, b *zre.Node, w zre.Whisper) error {
			w.Recycle()
			w.Recycle()
			return b.Whisper(ctx, a.UUID(), nil)
		}, 1},
		{"a copy of it recycled", func(ctx context.Context, a, b *zre.Node, w zre.Whisper) error {
			copied := w
			w.Recycle()
			err := b.WhisperNoCopy(ctx, a.UUID(), zre.NewFrame(size))
			copied.Recycle()
			return err
		}, 1},
	} {
		for _, transport := range []string{"tcp", "inproc"} {
			t.Run(fmt.Sprint(test.name, " by ", transport), func(t *testing.T) {
				t.Parallel()
				port := port()
				only := zre.WithTransports("tcp", transport)
				a, b := start(t, port, only), start(t, port, only)
				next[zre.Enter](t, a)
				next[zre.Enter](t, b)
				(zre.Whisper{}).Recycle()
				for range 2 { // the second round reuses recycled memory
					if err := a.Whisper(t.Context(), b.UUID(), make([]byte, size)); err != nil {
						t.Fatal(err)
					}
					if err := test.do(t.Context(), a, b, next[zre.Whisper](t, b)); err != nil {
						t.Fatal(err)
					}
					w := next[zre.Whisper](t, a)
					if len(w.Frames) != test.want {
						t.Fatalf("%d frames arrive", len(w.Frames))
					}
					checkAppends(t, w.Frames)
					haveOwnMemory(t, w.Frames...) // while w is held
					w.Recycle()
					haveOwnMemory(t)
				}
			})
		}
	}
}

// checkAppends checks that appending to a frame does not change the next one.
func checkAppends(t *testing.T, frames [][]byte) {
	t.Helper()
	for i := range frames[1:] {
		before := bytes.Clone(frames[i+1])
		if _ = append(frames[i], 1, 2, 3); !bytes.Equal(before, frames[i+1]) {
			t.Errorf("an append to frame %d reaches the next", i)
		}
	}
}

// haveOwnMemory checks that new frames share no memory with each other or with those held.
func haveOwnMemory(t *testing.T, held ...[]byte) {
	t.Helper()
	all := held
	for range 20 {
		all = append(all, zre.NewFrame(64<<10), zre.NewFrame(32<<10))
	}
	end := func(f []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(f))) + uintptr(cap(f)) }
	for i, x := range all {
		for _, y := range all[max(i+1, len(held)):] {
			if end(x)-uintptr(cap(x)) < end(y) && end(y)-uintptr(cap(y)) < end(x) {
				t.Fatal("two frames share memory")
			}
		}
	}
}

// NewFrame never returns memory that it did not make, however that memory came to the node.
func TestForeignMemory(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "inproc"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			port := port()
			only := zre.WithTransports("tcp", transport)
			a, b := start(t, port, only), start(t, port, only)
			next[zre.Enter](t, a)
			next[zre.Enter](t, b)
			region := make([]byte, 256<<10) // like an arena or a mapped file
			for _, f := range [][]byte{region[64<<10 : 128<<10 : 128<<10], region[128<<10 : 192<<10]} {
				if err := a.WhisperNoCopy(t.Context(), b.UUID(), f); err != nil {
					t.Fatal(err)
				}
				w := next[zre.Whisper](t, b)
				w.Recycle()
				if err := a.Whisper(t.Context(), b.UUID(), nil); err != nil { // behind what was written
					t.Fatal(err)
				}
				next[zre.Whisper](t, b)
				haveOwnMemory(t, region)
			}
		})
	}
}
