package outbox

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// socket is a Config for a peer that is reached by a socket, with room for one message.
var socket = Config{QueueMessages: 1, QueueBytes: 1 << 30}

// largeFrom returns a content of one large frame of NewFrame with numbered bytes, given to that number of targets; 0 means that it stays
// the caller's.
func largeFrom(size, targets int) (*Content, []byte) {
	frame := memory.New(size)
	for i := range frame {
		frame[i] = byte(i)
	}
	c := &Content{Frames: [][]byte{frame}, Size: int64(size)}
	if targets > 0 {
		c.Give(targets)
	}
	return c, frame
}

// isWhole tells whether a frame of largeFrom is unchanged.
func isWhole(frame []byte) bool {
	for i := range frame {
		if frame[i] != byte(i) {
			return false
		}
	}
	return true
}

// What happens to a message decides which side holds the memory of its large frames.
func TestHolders(t *testing.T) {
	for _, test := range []struct {
		name    string
		targets int
		inproc  bool
		want    holder
		copied  bool
	}{
		{"the caller's, by a socket", 0, false, theLease, true},
		{"given, by a socket", 1, false, theLease, false},
		{"given to several, by a socket", 2, false, theLease, false},
		{"the caller's, within the process", 0, true, theCaller, true},
		{"given, within the process", 1, true, theReceiver, false},
		{"given to several, within the process", 2, true, severalTargets, true},
	} {
		for _, size := range []int{memory.Large, longCopy} {
			t.Run(fmt.Sprintf("%s, %d bytes", test.name, size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, frame := largeFrom(size, test.targets)
					same := func(f []byte) bool { return &f[0] == &frame[0] }
					if !test.inproc {
						lease := c.NewLease()
						defer Target{Lease: lease}.Release()
						if err := New(socket).Send(Target{Lease: lease}, c); err != nil {
							t.Fatal(err)
						}
						if same(c.Frames[0]) == test.copied || !isWhole(c.Frames[0]) {
							t.Errorf("copied: %v, want the opposite", !test.copied)
						}
					} else {
						o, _, n := beside(t, 1)
						n.large = true
						if err := o.Send(Target{}, c); err != nil {
							t.Fatal(err)
						}
						if got := n.got[0].Frames[0]; same(got) == test.copied || !isWhole(got) {
							t.Errorf("copied: %v, want the opposite", !test.copied)
						}
					}
					if c.holder != test.want {
						t.Errorf("holder %d, want %d", c.holder, test.want)
					}
				})
			})
		}
	}
}

// The queue within the process passes on a frame that is given to one target.
func TestHoldersBehindTheQueue(t *testing.T) {
	for _, size := range []int{memory.Large, longCopy} {
		for targets, want := range []holder{theCaller, theReceiver, severalTargets} {
			o := New(Config{QueueMessages: 1, QueueBytes: 1 << 30, Inproc: true})
			c, _ := largeFrom(size, targets)
			if err := o.Send(Target{}, c); err != nil || c.holder != want {
				t.Errorf("%d bytes to %d: holder %d, want %d (%v)", size, targets, c.holder, want, err)
			}
		}
	}
}

// A session over a socket has leased a message, and its successor within the process sends it. The receiver alone owns the message when the
// lease ends.
func TestSuccessorWithinTheProcess(t *testing.T) {
	for targets, name := range []string{"the caller's", "given", "given to several"} {
		for _, tried := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, tried before: %v", name, tried), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					last := New(socket)
					last.Skip(65534)
					whisper(t, last, "parked")
					c, frame := largeFrom(64<<10, targets)
					to := Target{Lease: c.NewLease()}
					if tried {
						c.moveToLease(to.Lease)
						if err := last.Send(to, c); !errors.Is(err, zmtp.ErrFull) {
							t.Fatal(err)
						}
					}
					next, _, n := beside(t, 2)
					n.large = true
					next.Inherit(last, true)
					leased := c.Frames[0]
					if err := last.Send(to, c); err != nil {
						t.Fatal(err)
					}
					to.Release()
					if got := n.got[1].Frames[0]; tried && &got[0] == &leased[0] {
						t.Error("the receiver's frames are those of the lease")
					}
					for range 10 {
						clear(memory.New(len(frame)))
					}
					if !isWhole(n.got[1].Frames[0]) {
						t.Error("the memory of a message that was delivered is used again")
					}
				})
			})
		}
	}
}

// Nothing is copied for a queue, or a receiver, without room.
func TestNoCopyWithoutRoom(t *testing.T) {
	for _, test := range []struct {
		name string
		full func(t *testing.T) *Outbox
	}{
		{"a socket's queue", func(t *testing.T) *Outbox {
			o := New(socket)
			whisper(t, o, "first")
			return o
		}},
		{"messages that are parked", func(t *testing.T) *Outbox {
			o := New(socket)
			o.Skip(65534)
			whisper(t, o, "first")
			return o
		}},
		{"a queue within the process", func(t *testing.T) *Outbox {
			o := New(Config{QueueMessages: 1, QueueBytes: 1 << 30, Inproc: true})
			whisper(t, o, "first")
			return o
		}},
		{"a receiver", func(t *testing.T) *Outbox {
			o, _, n := beside(t, 0)
			n.large = true
			return o
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := test.full(t)
				c, frame := largeFrom(longCopy, 0)
				to := Target{Lease: c.NewLease()}
				defer to.Release()
				allocated := testing.AllocsPerRun(1, func() {
					if err := o.Send(to, c); !errors.Is(err, zmtp.ErrFull) {
						t.Errorf("Send returns %v", err)
					}
				})
				if c.holder != theCaller || &c.Frames[0][0] != &frame[0] {
					t.Error("the message was copied")
				}
				if allocated > 0 {
					t.Errorf("%v allocations", allocated)
				}
				if isClosed(o.Room()) {
					t.Error("there is room")
				}
			})
		})
	}
}

// Copies that take long are made with no lock held.
func TestLongCopiesWithoutLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inproc, _, n := beside(t, 1)
		n.large = true
		for _, test := range []struct {
			name string
			o    *Outbox
			size int
			want error
		}{
			{"by a socket", New(socket), memory.Large, errLease},
			{"within the process", inproc, longCopy, errCopy},
			{"its queue", New(Config{QueueMessages: 1, QueueBytes: 1 << 30, Inproc: true}), longCopy, errCopy},
		} {
			c, _ := largeFrom(test.size, 0)
			test.o.mu.Lock()
			if err := test.o.attempt(Target{}, c); err != test.want {
				t.Errorf("%s: with the lock held: %v", test.name, err)
			}
			test.o.mu.Unlock()
		}
	})
}

// Several targets wait for room at the same time. The first one that gets some makes the copies for all.
func TestOneLeaseForAll(t *testing.T) {
	c, frame := largeFrom(64<<10, 0)
	to := Target{Shout: true, Group: "G", Lease: c.NewLease()}
	defer to.Release()
	var copies [2][]byte
	for i := range copies {
		clone := c.Clone()
		if err := New(socket).Send(to, &clone); err != nil {
			t.Fatal(err)
		}
		copies[i] = clone.Frames[0]
	}
	if &copies[0][0] != &copies[1][0] || &copies[0][0] == &frame[0] {
		t.Error("the peers do not share one copy")
	}
}
