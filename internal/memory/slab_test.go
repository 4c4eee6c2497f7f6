package memory

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

// message is a message that was cut, and its content.
type message struct {
	frames [][]byte
	origin Origin
	number uint64
	sizes  []int
}

// pattern fills every frame with bytes that tell its message and position.
func pattern(number uint64, frame, size int) []byte {
	unit := binary.BigEndian.AppendUint64(nil, number<<16|uint64(frame))
	return bytes.Repeat(unit, size/len(unit)+1)[:size]
}

func (m *message) check(t *testing.T) {
	t.Helper()
	if len(m.frames) != len(m.sizes) {
		t.Errorf("message %d has %d frames, not %d", m.number, len(m.frames), len(m.sizes))
		return
	}
	for i, size := range m.sizes {
		if !bytes.Equal(m.frames[i], pattern(m.number, i, size)) {
			t.Errorf("message %d: frame %d of %d bytes is spoiled", m.number, i, size)
		}
		if c := cap(m.frames[i]); size <= maxCutFrame && c >= Large {
			t.Errorf("a frame of %d bytes reaches over %d", size, c)
		}
	}
}

// Messages keep their content while others, of any size, are given back, kept or forgotten by another goroutine, and the cutter shrinks now
// and then in the middle of a message.
func TestCutter(t *testing.T) {
	for _, kind := range []struct {
		name   string
		frames func() int
		size   func() int
	}{
		{"small", func() int { return 2 }, func() int { return rand.IntN(30) }},
		{"medium", func() int { return 1 + rand.IntN(4) }, func() int { return rand.IntN(4000) }},
		{"large", func() int { return 2 }, func() int { return rand.IntN(60_000) }},
		{"at the bounds", func() int { return 1 + rand.IntN(3) }, func() int { return maxCutFrame - 1 + rand.IntN(3) }},
		{"many frames", func() int { return rand.IntN(2 * slabLists) }, func() int { return rand.IntN(20) }},
		{"long", func() int { return rand.IntN(50) }, func() int { return rand.IntN(3000) }},
	} {
		t.Run(kind.name, func(t *testing.T) {
			made := make(chan *message, 100)
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				var kept []*message
				for m := range made {
					if t.Failed() {
						continue
					}
					kept = append(kept, m)
					i := rand.IntN(len(kept))
					m, kept[i] = kept[i], kept[len(kept)-1]
					kept = kept[:len(kept)-1]
					m.check(t)
					switch {
					case rand.IntN(20) == 0: // forgotten
					case rand.IntN(10) == 0 && len(kept) < 200:
						kept = append(kept, m)
					default:
						Recycle(m.frames, m.origin)
					}
				}
				for _, m := range kept {
					m.check(t)
				}
			})
			defer close(made)
			c := Cutter{Pool: recycled()}
			for number := range uint64(5000) {
				if rand.IntN(50) > 0 {
					c.Busy = true
				}
				m := &message{number: number}
				for i := range kind.frames() {
					size := kind.size()
					m.sizes = append(m.sizes, size)
					content := pattern(number, i, size)
					if rand.IntN(2) == 0 {
						c.Add(c.Copy(content))
					} else {
						p := c.Frame(size)
						if rand.IntN(500) == 0 { // a reader that was quiet in the middle of a frame
							c.Shrink()
							runtime.Gosched() // to the goroutine that would get its memory
						}
						copy(p, content)
						c.Add(p)
					}
					if rand.IntN(1000) == 0 {
						c.Shrink()
					}
				}
				m.frames, m.origin = c.Message()
				made <- m
			}
		})
	}
}

// A slab is reused when all of its messages were given back, and not before.
func TestSlabIsUsedAgain(t *testing.T) {
	for _, forget := range []bool{false, true} {
		t.Run(fmt.Sprintf("one forgotten: %t", forget), func(t *testing.T) {
			c := Cutter{Pool: recycled(), Busy: true}
			cut := func() *message {
				for range 2 {
					c.Add(c.Copy(make([]byte, 100)))
				}
				frames, origin := c.Message()
				return &message{frames: frames, origin: origin}
			}
			var all []*message
			first := cut()
			for m := first; m.origin.slab == first.origin.slab; m = cut() {
				all = append(all, m)
			}
			if forget {
				all = all[1:]
			}
			for i, m := range all {
				if used := first.origin.slab.holds(); !forget && used != uint32(len(all)-i) {
					t.Fatalf("%d messages are held, not %d", used, len(all)-i)
				}
				Recycle(m.frames, m.origin)
			}
			again := false
			for range 2 * slabLists {
				again = again || cut().origin.slab == first.origin.slab
			}
			if again == forget {
				t.Errorf("the slab is used again: %t", again)
			}
		})
	}
}

// A node whose application gives nothing back takes no larger memory, whatever others of the process do.
func TestPoolIsOfOneNode(t *testing.T) {
	keeps, gives := NewPool(), recycled()
	for _, test := range []struct {
		name  string
		pool  *Pool
		once  bool
		slabs bool
	}{
		{"an application that gives back", gives, false, true},
		{"beside one that does", keeps, false, false},
		{"memory that is used once", gives, true, false},
		{"no pool", nil, false, false},
	} {
		c := Cutter{Pool: test.pool, Busy: true, Once: test.once}
		for range 1000 {
			c.Add(c.Copy(make([]byte, 100)))
			_, from := c.Message()
			if got := from.slab != nil && from.slab.pool == nil; got != test.slabs {
				t.Fatalf("%s: a slab: %v", test.name, got)
			}
		}
		for _, large := range [][]byte{c.Frame(Large), c.Copy(make([]byte, Large))} {
			want := test.slabs || test.once
			if got := ownerOf(large) != nil; got != want {
				t.Errorf("%s: a piece for a large frame: %v, want %v", test.name, got, want)
			}
		}
	}
	c := Cutter{Pool: keeps, Busy: true}
	c.Add(c.Copy([]byte("a")))
	if Recycle(c.Message()); !keeps.Recycles() {
		t.Error("the first message that is given back does not count")
	}
}

// recycled returns the pool of a node whose application gives messages back.
func recycled() *Pool {
	p := NewPool()
	p.recycles.Store(true)
	return p
}

// small cuts a message of small frames.
func small(c *Cutter) *message {
	for range 2 {
		c.Add(c.Copy(make([]byte, 100)))
	}
	m := new(message)
	m.frames, m.origin = c.Message()
	return m
}

// Giving a message back again does nothing, neither while others hold its slab nor in the slab's next life.
func TestRecycleTwice(t *testing.T) {
	c := Cutter{Pool: recycled(), Busy: true}
	first := small(&c)
	s := first.origin.slab
	for range 2 {
		Recycle(first.frames, first.origin)
	}
	if given := unknownHolds - s.holds(); given != 1 || first.frames[0] != nil {
		t.Fatalf("%d messages are given back", given)
	}
	all := []*message{}
	m := small(&c)
	for ; m.origin.slab == s; m = small(&c) {
		all = append(all, m)
	}
	for _, m := range all {
		Recycle(m.frames, m.origin)
	}
	if s.lives(first.origin.life) {
		t.Fatal("the slab's life has not ended")
	}
	for i := 0; m.origin.slab != s && i < 2*slabLists; i++ {
		m = small(&c)
	}
	if m.origin.slab != s {
		t.Fatal("the slab is not used again")
	}
	for _, old := range append(all, first) { // one of them has the list of m
		Recycle(old.frames, old.origin)
	}
	if s.holds() != unknownHolds || m.frames[0] == nil {
		t.Error("a message of an earlier life releases the slab")
	}
}

// Frames that were taken out of the list are kept: what they were cut from is not reused, but the rest of the message is given back.
func TestRecycleWhatIsLeft(t *testing.T) {
	c := Cutter{Pool: recycled(), Busy: true}
	c.Add(c.Copy(make([]byte, 100)))
	c.Add(c.Copy(make([]byte, Large)))
	frames, from := c.Message()
	kept, big := frames[0], frames[1]
	copy(kept, "kept")
	frames[0] = nil
	Recycle(frames, from)
	if owner(ownerOf(big).Load()) != onShelf || frames[1] != nil {
		t.Error("the frame that is left is not given back")
	}
	if from.slab.holds() != unknownHolds || string(kept[:4]) != "kept" {
		t.Error("the frame that is kept is given back")
	}
}

// No frame is nil, which stands for one that is given back or away: an empty one is not nil either.
func TestNoFrameIsNil(t *testing.T) {
	for _, busy := range []bool{false, true} {
		c := Cutter{Pool: recycled(), Busy: busy}
		for i, frame := range [][]byte{c.Copy(nil), c.Frame(0), c.Copy([]byte{})} {
			if frame == nil {
				t.Errorf("busy %v: frame %d is nil", busy, i)
			}
		}
	}
}

// More messages are given back than there are: the program did so concurrently.
func TestSlabReleasedTooOften(t *testing.T) {
	s := getSlab(true)
	s.release(3)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	s.release(unknownHolds - 2)
}

// A kept frame holds no more memory than its messages' length justifies, with much traffic too.
func TestWhatAFrameHolds(t *testing.T) {
	const longEvery = 5000
	for _, test := range []struct {
		name           string
		size, frames   int
		rare           int // length of one in longEvery
		recycles, once int // octets held
	}{
		{"short messages", 16, 2, 16, shortSlabBytes, shortOnceBytes},
		{"the longest of them", shortFrame, 2, shortFrame, shortSlabBytes, shortOnceBytes},
		{"with a long one now and then", 16, 2, 4000, shortSlabBytes, shortOnceBytes},
		{"long messages", 1 << 10, 1, 1 << 10, slabBytes, onceBytes},
		{"messages of many frames", 16, fewFrames + 1, 16, slabBytes, onceBytes},
	} {
		for want, pool := range map[int]*Pool{test.recycles: recycled(), test.once: NewPool()} {
			c := Cutter{Pool: pool, Busy: true}
			lost := 0 // messages that cannot be used again
			holds := make(map[int]int)
			const messages = 10_000
			for i := range messages {
				for range test.frames {
					size := test.size
					if i%longEvery == 0 {
						size = test.rare
					}
					c.Add(c.Frame(size))
				}
				if _, from := c.Message(); pool.Recycles() && from.slab.pool != nil {
					lost++
				}
				holds[len(c.chunk)]++
			}
			if got := holds[want]; got < messages*9/10 {
				t.Errorf("%s: %d of %d hold %d bytes: %v", test.name, got, messages, want, holds)
			}
			if lost > messages/20 {
				t.Errorf("%s: %d of %d messages are not used again", test.name, lost, messages)
			}
		}
	}
}
