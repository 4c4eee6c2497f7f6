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

// message is one that was cut, and what is in it.
type message struct {
	frames [][]byte
	slab   *Slab
	number uint64
	sizes  []int
}

// pattern gives every frame octets that tell its message and place.
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
			t.Errorf("message %d: frame %d of %d octets is spoiled", m.number, i, size)
		}
		if c := cap(m.frames[i]); size <= slabOctets/4 && c >= Large {
			t.Errorf("a frame of %d octets reaches over %d", size, c)
		}
	}
}

// Messages keep what is in them while others, of any size, are given back, are kept, or are forgotten, by another goroutine, and the
// cutter shrinks now and then in the midst of a message.
func TestCutter(t *testing.T) {
	for _, kind := range []struct {
		name   string
		frames func() int
		size   func() int
	}{
		{"small", func() int { return 2 }, func() int { return rand.IntN(30) }},
		{"medium", func() int { return 1 + rand.IntN(4) }, func() int { return rand.IntN(4000) }},
		{"large", func() int { return 2 }, func() int { return rand.IntN(60_000) }},
		{"at the bounds", func() int { return 1 + rand.IntN(3) }, func() int { return slabOctets/4 - 1 + rand.IntN(3) }},
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
						Recycle(m.frames, m.slab)
					}
				}
				for _, m := range kept {
					m.check(t)
				}
			})
			defer close(made)
			var c Cutter
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
						p := c.Octets(size)
						if rand.IntN(500) == 0 { // a reader that was quiet in the midst of a frame
							c.Shrink()
							runtime.Gosched() // to who would get its memory
						}
						copy(p, content)
						c.Add(p)
					}
					if rand.IntN(1000) == 0 {
						c.Shrink()
					}
				}
				m.frames, m.slab = c.Message()
				made <- m
			}
		})
	}
}

// A slab is used again when all of its messages were given back, and not before.
func TestSlabIsUsedAgain(t *testing.T) {
	recycling.Store(true)
	for _, forget := range []bool{false, true} {
		t.Run(fmt.Sprintf("one forgotten: %t", forget), func(t *testing.T) {
			c := Cutter{Busy: true}
			cut := func() *message {
				for range 2 {
					c.Add(c.Copy(make([]byte, 100)))
				}
				frames, slab := c.Message()
				return &message{frames: frames, slab: slab}
			}
			var all []*message
			first := cut()
			for m := first; m.slab == first.slab; m = cut() {
				all = append(all, m)
			}
			if forget {
				all = all[1:]
			}
			for i, m := range all {
				if used := first.slab.held.Load(); !forget && used != int64(len(all)-i) {
					t.Fatalf("%d messages are held, not %d", used, len(all)-i)
				}
				Recycle(m.frames, m.slab)
			}
			again := false
			for range 2 * slabLists {
				again = again || cut().slab == first.slab
			}
			if again == forget {
				t.Errorf("it is used again: %t", again)
			}
		})
	}
}

// Without anybody who gives messages back there are no slabs that wait for it.
func TestUsedOnce(t *testing.T) {
	recycling.Store(false)
	c := Cutter{Busy: true}
	for range 1000 {
		c.Add(c.Copy(make([]byte, 100)))
		if _, slab := c.Message(); slab != nil {
			t.Fatal("a message has a slab")
		}
	}
}

// A Cutter whose memory is used once tells of no slab, however busy it is.
func TestOnce(t *testing.T) {
	Recycle(nil, nil) // so that others do
	for _, once := range []bool{false, true} {
		c := Cutter{Busy: true, Once: once}
		c.Add(c.Copy([]byte("frame")))
		if _, slab := c.Message(); (slab == nil) != once {
			t.Errorf("once %v, and a slab %v", once, slab != nil)
		}
	}
}
