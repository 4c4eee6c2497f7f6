package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// A fakeReceiver has room for a given number of messages.
type fakeReceiver struct {
	room  int
	space chan struct{}
	pool  *memory.Pool
	large bool // it takes frames of any size
	got   []Message
}

func (n *fakeReceiver) Limits() Limits {
	if n.large {
		return Limits{FrameSize: 1 << 30, MessageSize: 1 << 30, Frames: 100}
	}
	return Limits{FrameSize: 10, MessageSize: HeaderSize + 15, Frames: 4}
}

func (n *fakeReceiver) Take(m *Message) error {
	if len(n.got) >= n.room {
		return zmtp.ErrFull
	}
	n.got = append(n.got, *m)
	return nil
}

func (n *fakeReceiver) Admits(int64, int) error {
	if len(n.got) >= n.room {
		return zmtp.ErrFull
	}
	return nil
}

func (n *fakeReceiver) Memory() *memory.Pool { return n.pool }

func (n *fakeReceiver) Room() <-chan struct{} { return n.space }

func (n *fakeReceiver) texts() (texts []string) {
	for _, m := range n.got {
		s := "WHISPER"
		if m.Shout {
			s = "SHOUT " + m.Group
		}
		for _, frame := range m.Frames {
			s += " " + string(frame)
		}
		texts = append(texts, s)
	}
	return texts
}

// beside makes an outbox that hands over to a fakeReceiver, once its reader has read a first message.
func beside(t *testing.T, room int) (*Outbox, *reader, *fakeReceiver) {
	t.Helper()
	o, r, _ := opened(t, roomy)
	o.Control(appendJoin)
	r.expect(t, "JOIN 2 J")
	n := &fakeReceiver{room: room, space: make(chan struct{})}
	o.HandOverTo(func() Receiver { return n })
	return o, r, n
}

// Messages go past the queue and take no number; a message that breaks a limit of the receiver goes through the queue.
func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r, n := beside(t, 10)
		whisper(t, o, "a")
		if err := o.Send(Target{Shout: true, Group: "G"}, &Content{Frames: [][]byte{[]byte("b"), nil, []byte("c")}, Size: 2}); err != nil {
			t.Fatal(err)
		}
		r.expect(t)
		want := []string{"WHISPER a", "SHOUT G b  c"}
		if got := n.texts(); !slices.Equal(got, want) || n.got[1].Size != 2 {
			t.Errorf("handed over: %q, want %q", got, want)
		}
		if err := o.Send(Target{}, &Content{Frames: [][]byte{[]byte("0123456789"), []byte("01234")}, Size: 15}); err != nil {
			t.Fatal(err)
		}
		r.expect(t)
		want = append(want, "WHISPER 0123456789 01234") // it is as large as allowed
		if got := n.texts(); !slices.Equal(got, want) {
			t.Errorf("handed over: %q, want %q", got, want)
		}
		for i, c := range []Content{
			{Frames: [][]byte{make([]byte, 11)}, Size: 11},
			{Frames: [][]byte{make([]byte, 8), make([]byte, 8)}, Size: 16},
			{Frames: make([][]byte, 4)},
		} {
			if err := o.Send(Target{}, &c); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(r.got) != 1 {
				t.Errorf("message %d did not go through the queue", i)
			}
			<-r.got
		}
		if got := n.texts(); !slices.Equal(got, want) {
			t.Errorf("handed over: %q, want %q", got, want)
		}
	})
}

// As long as there is no receiver yet, messages go through the queue.
func TestHandOverBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r, _ := opened(t, roomy)
		whisper(t, o, "a")
		n := &fakeReceiver{room: 1}
		there := false
		o.HandOverTo(func() Receiver {
			if !there {
				return nil
			}
			return n
		})
		r.expect(t, "WHISPER 2 a")
		whisper(t, o, "b")
		r.expect(t, "WHISPER 3 b")
		there = true
		whisper(t, o, "c")
		r.expect(t)
		if got := n.texts(); !slices.Equal(got, []string{"WHISPER c"}) {
			t.Errorf("handed over: %q", got)
		}
	})
}

// A message does not overtake what is in the queue: it finds no room until that is read, or goes behind it.
func TestHandOverKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := New(roomy)
		r := stopped(t, o)
		n := &fakeReceiver{room: 1}
		o.HandOverTo(func() Receiver { return n })
		o.Control(appendJoin)
		if err := send(o, "a"); !errors.Is(err, zmtp.ErrFull) {
			t.Fatalf("behind a JOIN: %v", err)
		}
		room := o.Room()
		if synctest.Wait(); isClosed(room) {
			t.Error("there is room while the JOIN waits")
		}
		o.QueueBehind()
		whisper(t, o, "a", "b")
		r.start()
		<-room
		r.expect(t, "JOIN 2 J", "WHISPER 3 a", "WHISPER 4 b")
		whisper(t, o, "c") // past the queue, since that is empty
		r.expect(t)
		if got := n.texts(); !slices.Equal(got, []string{"WHISPER c"}) {
			t.Errorf("handed over: %q", got)
		}
		n.space = make(chan struct{})
		if err := send(o, "d"); !errors.Is(err, zmtp.ErrFull) || isClosed(o.Room()) {
			t.Errorf("Send returns %v, and does not wait for room at the receiver", err)
		}
	})
}

// A message that finds the queue full waits for room there, not until the queue is empty; one that is to be handed over waits for that.
func TestHandOverRoom(t *testing.T) {
	for _, test := range []struct {
		name     string
		handOver bool
		behind   bool
		want     int // how many messages are read before there is room
	}{
		{"no receiver", false, false, 1},
		{"behind the queue", true, true, 1},
		{"past the queue", true, false, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := roomy
				cfg.QueueMessages = 2
				o := New(cfg)
				r := stopped(t, o)
				n := &fakeReceiver{room: 2, space: make(chan struct{})}
				close(n.space) // it has room
				if test.handOver {
					o.HandOverTo(func() Receiver { return n })
					whisper(t, o, "a")
				}
				o.Control(appendJoin)
				synctest.Wait() // it is on its way by itself, and the next one behind it
				o.Control(appendJoin)
				if test.behind {
					o.QueueBehind()
				}
				if err := send(o, "b"); !errors.Is(err, zmtp.ErrFull) {
					t.Fatalf("Send returns %v", err)
				}
				room := o.Room()
				read := 0
				for ; !isClosed(room) && read < cfg.QueueMessages; read++ {
					r.read <- struct{}{}
					synctest.Wait()
				}
				if !isClosed(room) || read != test.want {
					t.Errorf("room %v after %d messages, want it after %d", isClosed(room), read, test.want)
				}
				r.start()
			})
		})
	}
}

// The receiver says when its application has room.
func TestHandOverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r, n := beside(t, 1)
		whisper(t, o, "a")
		if err := send(o, "b"); !errors.Is(err, zmtp.ErrFull) {
			t.Fatalf("without room: %v", err)
		}
		room := o.Room()
		if isClosed(room) {
			t.Error("there is room")
		}
		n.room++
		close(n.space)
		<-room
		whisper(t, o, "b")
		r.expect(t)
		o.Close(errTest)
		if err := send(o, "c"); !errors.Is(err, zmtp.ErrQueueClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// A message that was handed over belongs to the receiver, whatever either side does with it, with much traffic and with little.
func TestHandOverCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _, n := beside(t, 1000)
		frame := make([]byte, 10)
		for i := range 1000 {
			for j := range frame {
				frame[j] = byte(i)
			}
			if err := o.Send(Target{}, &Content{Frames: [][]byte{frame[:i%6], frame[:9]}, Size: int64(i%6 + 9)}); err != nil {
				t.Fatal(err)
			}
			if i%300 == 0 {
				o.ReleaseUnusedMemory()
			}
		}
		for i, m := range n.got {
			for j, size := range []int{i % 6, 9} {
				if want := bytes.Repeat([]byte{byte(i)}, size); !bytes.Equal(m.Frames[j], want) {
					t.Fatalf("message %d holds %x", i, m.Frames[j])
				}
				clear(m.Frames[j][:cap(m.Frames[j])]) // it must not show in the next
			}
			_ = append(m.Frames[:2], []byte("more"))
		}
	})
}

// A large frame that is given away is not copied, unless more than one target gets it.
func TestHandOverOfGivenFrames(t *testing.T) {
	for _, test := range []struct {
		size    int
		targets int
		same    bool
	}{{1, 1, false}, {1, 2, false}, {memory.Large, 1, true}, {memory.Large, 2, false}, {longCopy, 1, true}, {longCopy, 2, false}} {
		t.Run(fmt.Sprintf("%d bytes to %d", test.size, test.targets), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, _, n := beside(t, 1)
				n.large = true
				frame := make([]byte, test.size)
				c := Content{Frames: [][]byte{frame}, Size: int64(test.size)}
				c.Give(test.targets)
				if err := o.Send(Target{}, &c); err != nil {
					t.Fatal(err)
				}
				if same := &n.got[0].Frames[0][0] == &frame[0]; same != test.same {
					t.Errorf("the same memory: %v", same)
				}
			})
		})
	}
}

// Memory for many messages is taken once there are many between two calls of Tidy, and kept until there are none.
func TestReleaseUnusedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _, _ := beside(t, 1000)
		for i, step := range []struct {
			messages int // before Tidy
			busy     bool
		}{
			{busyMessages - 1, false}, {1, false}, {busyMessages, true}, {1, true}, {0, false}, {0, false}, {busyMessages + 1, true},
		} {
			for range step.messages {
				whisper(t, o, "a")
			}
			if o.ReleaseUnusedMemory(); o.copies.Busy != step.busy {
				t.Errorf("step %d: busy %v", i, o.copies.Busy)
			}
		}
	})
}
