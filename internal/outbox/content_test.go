package outbox

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// The header of a SHOUT to the longest name of a group just fits.
func TestHeaderSize(t *testing.T) {
	header, err := msg.AppendShout(nil, 1, strings.Repeat("G", msg.MaxString))
	if err != nil || len(header) != HeaderSize {
		t.Errorf("%d bytes, want %d (%v)", len(header), HeaderSize, err)
	}
}

// Large frames are copied, once; small ones stay the caller's, however large they are together.
func TestMoveToLease(t *testing.T) {
	const large = zmtp.LargeFrame
	for _, test := range []struct {
		name   string
		sizes  []int
		given  bool
		leased bool
		copied []bool
	}{
		{"small", []int{large - 1}, false, false, []bool{false}},
		{"large", []int{large}, false, true, []bool{true}},
		{"large together", []int{large / 2, large / 2}, false, false, []bool{false, false}},
		{"one of two", []int{1, large}, false, true, []bool{false, true}},
		{"given", []int{1, large}, true, true, []bool{false, false}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c Content
			var frames [][]byte
			for _, size := range test.sizes {
				frames = append(frames, make([]byte, size))
				c.Size += int64(size)
			}
			if c.Frames = slices.Clone(frames); test.given {
				c.Give(1)
			}
			lease := c.NewLease()
			if got := lease != nil; got != test.leased {
				t.Errorf("large frames are in the lease: %v", got)
			}
			c.moveToLease(lease)
			if len(c.Frames) != len(frames) {
				t.Fatalf("%d frames, want %d", len(c.Frames), len(frames))
			}
			for i, frame := range c.Frames {
				if got := &frame[0] != &frames[i][0]; got != test.copied[i] {
					t.Errorf("frame %d copied: %v", i, got)
				}
			}
			before := c.Frames
			if c.moveToLease(lease); &c.Frames[0] != &before[0] || c.holder != theLease {
				t.Error("a second call changes the frames")
			}
			Target{Lease: lease}.Release()
			if test.leased && before[0] != nil {
				t.Error("the lease is still held")
			}
		})
	}
}
