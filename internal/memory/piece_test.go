package memory

import (
	"bytes"
	"testing"
)

// same tells whether two frames begin at the same byte.
func same(a, b []byte) bool { return addressOf(a) == addressOf(b) }

// Only its owner can put a piece on its shelf, once, and nothing else goes there.
func TestGiveBack(t *testing.T) {
	const size = 5 * Large / 4 // a class
	foreign := make([]byte, 1<<20)
	for _, test := range []struct {
		name  string
		frame func() []byte
		from  owner
		want  bool
	}{
		{"from NewFrame", func() []byte { return New(size) }, ownedWith(0), true},
		{"of NewFrame, shorter than its class", func() []byte { return New(size - 7) }, ownedWith(0), true},
		{"its beginning", func() []byte { return New(size)[:1] }, ownedWith(0), true},
		{"received", func() []byte { return newPiece(size, ownedWith(3)) }, ownedWith(3), true},
		{"of another message", func() []byte { return newPiece(size, ownedWith(3)) }, ownedWith(4), false},
		{"of no message", func() []byte { return newPiece(size, ownedWith(3)) }, ownedWith(0), false},
		{"on its way", func() []byte { return newPiece(size, library) }, ownedWith(0), false},
		{"the application's, by a lease", func() []byte { return New(size) }, library, false},
		{"not its beginning", func() []byte { return New(size)[1:] }, ownedWith(0), false},
		{"its capacity cut off", func() []byte { return New(size)[:size:size] }, ownedWith(0), false},
		{"its capacity used up", func() []byte { return append(New(size), make([]byte, markBytes)...) }, ownedWith(0), false},
		{"a copy with its mark", func() []byte {
			m := New(size)
			return append(foreign[:0:cap(m)], m[:cap(m)]...)
		}, ownedWith(0), false},
		{"another's memory, as long as a piece", func() []byte { return foreign[Large : 2*Large : 2*Large+markBytes] }, ownedWith(0), false},
		{"another's memory, as long as a class", func() []byte { return foreign[:size:size] }, ownedWith(0), false},
		{"nothing", func() []byte { return nil }, ownedWith(0), false},
		{"too large for a piece", func() []byte { return New(largest + 1) }, ownedWith(0), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			frame := test.frame()
			for i, want := range []bool{test.want, false} {
				if got := giveBack(frame, test.from); got != want {
					t.Errorf("attempt %d: given back: %v", i+1, got)
				}
			}
		})
	}
}

// A claimed frame may be kept, because it has no other owner: another frame of the same memory is copied.
func TestClaim(t *testing.T) {
	claimed := func(frame []byte) []byte { Claim(frame); return frame }
	for _, test := range []struct {
		name         string
		frame        func() []byte
		copied, ours bool
	}{
		{"from NewFrame", func() []byte { return New(Large) }, false, true},
		{"received", func() []byte { return newPiece(Large, ownedWith(3)) }, false, true},
		{"claimed before", func() []byte { return claimed(New(Large)) }, true, true},
		{"given back before", func() []byte { m := New(Large); giveBack(m, ownedWith(0)); return m }, false, true}, // the copy finds it on the shelf
		{"not its beginning", func() []byte { return New(3 * Large)[Large:] }, true, true},
		{"the last part of a piece", func() []byte { return New(2 * Large)[Large:] }, true, true},
		{"not its beginning, claimed before", func() []byte { return claimed(New(3 * Large))[Large:] }, true, true},
		{"another's memory", func() []byte { return make([]byte, Large, 3*Large) }, false, false},
		{"a part of another's memory", func() []byte { return make([]byte, 3*Large)[Large:][:Large] }, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			frame := test.frame()
			for i := range frame {
				frame[i] = byte(i)
			}
			got := Claim(frame)
			if same(got, frame) == test.copied || !bytes.Equal(got, frame) {
				t.Errorf("copied: %v", test.copied)
			}
			if o := ownerOf(got); test.ours != (o != nil) || test.ours && owner(o.Load()) != library {
				t.Errorf("a piece that the library has: %v", o != nil)
			}
			if !test.ours && cap(got) != len(got) {
				t.Errorf("an append reaches %d bytes behind it", cap(got)-len(got))
			}
		})
	}
}

// Releasing a lease without a holder is a mistake of ours.
func TestLeaseReleasedTooOften(t *testing.T) {
	l := &Lease{}
	l.Hold()
	l.Release()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	l.Release()
}

// A frame that was handed over in vain belongs to its lease, and goes back with it.
func TestLeaseTakesWhatWasHandedOver(t *testing.T) {
	c, l := Cutter{Pool: recycled()}, NewLease()
	frame := Claim(New(Large))
	c.Add(c.Adopt(frame))
	_, from := c.Message()
	l.Take([][]byte{frame}, true)
	if Recycle([][]byte{frame}, from); owner(ownerOf(frame).Load()) != library {
		t.Error("a message that was not delivered gives it back")
	}
	if l.Release(); owner(ownerOf(frame).Load()) != onShelf {
		t.Error("the lease does not give it back")
	}
}

// With the race detector, what is given back is overwritten.
func TestPoison(t *testing.T) {
	c := Cutter{Pool: recycled(), Busy: true}
	before := bytes.Repeat([]byte{1}, 100)
	large := bytes.Repeat([]byte{1}, Large+1)
	for range 2 {
		c.Add(c.Copy(before))
		c.Add(c.Copy(large))
		frames, from := c.Message()
		small, big := frames[0], frames[1]
		Recycle(frames, from)
		want := byte(1)
		if poisons {
			want = Poison
		}
		if !bytes.Equal(small, bytes.Repeat([]byte{want}, len(small))) || !bytes.Equal(big, bytes.Repeat([]byte{want}, len(big))) {
			t.Errorf("%x and %x are left, want %x", small[0], big[0], want)
		}
	}
}
