package outbox

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// A peer that counts to 65535 answers the PING of that number, and the parked messages follow. From then on its cycle is known.
func TestWrapOfFullCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r, drops := opened(t, roomy)
		o.Skip(65532)
		whisper(t, o, "a", "b")
		if o.IsWrapping() {
			t.Error("IsWrapping before a message needs the number")
		}
		whisper(t, o, "c", "d")
		o.Control(appendJoin)
		o.Ping() // it was sent one
		r.expect(t, "WHISPER 65533 a", "WHISPER 65534 b", "PING 65535")
		room := o.Room()
		time.Sleep(time.Second)
		if !o.IsWrapping() || isClosed(room) || !o.IsWrappingWithin(2*time.Second) || o.IsWrappingWithin(time.Second) {
			t.Error("messages are not parked until the answer")
		}
		o.NotePingOK()
		if o.IsWrapping() || !isClosed(room) || o.IsWrappingWithin(time.Hour) {
			t.Error("messages are still parked after the answer")
		}
		r.expect(t, "JOIN 0 J", "WHISPER 1 c", "WHISPER 2 d")
		o.Skip(65534)
		whisper(t, o, "e", "f")
		r.expect(t, "WHISPER 65535 e", "WHISPER 0 f")
		if n := drops.Load(); n != 0 {
			t.Errorf("dropped %d times", n)
		}
	})
}

// A peer whose cycle is known is not asked: our side learned it before, or the peer's own numbers have shown it.
func TestWrapThatIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		learn func(o *Outbox)
		want  string
	}{
		"one of ours":       {(*Outbox).UseFullCycle, "WHISPER 65535 a"},
		"it sent a 65535":   {func(o *Outbox) { o.Follows(65534, 65535) }, "WHISPER 65535 a"},
		"it sent no 65535":  {func(o *Outbox) { o.Follows(65534, 0) }, "WHISPER 0 a"},
		"it lost a message": {func(o *Outbox) { o.Follows(65534, 1) }, "PING 65535"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, r, _ := opened(t, roomy)
				c.learn(o)
				o.Skip(65534)
				whisper(t, o, "a")
				r.expect(t, c.want)
			})
		})
	}
}

// An answer to an earlier PING does not answer that of the wrap.
func TestWrapWithEarlierPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r, _ := opened(t, roomy)
		o.Skip(65532)
		o.Ping()
		whisper(t, o, "a", "b")
		r.expect(t, "PING 65533", "WHISPER 65534 a", "PING 65535")
		o.NotePingOK()
		r.expect(t)
		if !o.IsWrapping() {
			t.Error("the answer to an earlier PING ends the wrap")
		}
		o.NotePingOK()
		r.expect(t, "WHISPER 0 b")
	})
}

// A peer that counts to 65534 ends the session. The next session sends what was parked, and what still comes through the old one. It
// numbers as the peer counts.
func TestWrapOfShortCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r, _ := opened(t, roomy)
		o.Skip(65533)
		whisper(t, o, "a", "b", "c")
		o.Control(appendJoin) // its HELLO says that
		r.expect(t, "WHISPER 65534 a", "PING 65535")
		room := o.Room()
		next, s, _ := opened(t, roomy)
		next.Inherit(o, true)
		o.Close(errTest)
		if !isClosed(room) || o.IsWrapping() || o.Successor() != next || next.Successor() != nil {
			t.Error("parked messages do not continue in the next session")
		}
		whisper(t, o, "d")
		o.Control(appendJoin)
		o.Ping()
		o.SendPingOK()
		if _, err := o.Ask(); !errors.Is(err, zmtp.ErrQueueClosed) {
			t.Errorf("Ask returns %v", err)
		}
		whisper(t, next, "e")
		s.expect(t, "WHISPER 2 b", "WHISPER 3 c", "WHISPER 4 d", "WHISPER 5 e")
		next.Skip(65533)
		whisper(t, next, "f", "g")
		s.expect(t, "WHISPER 65534 f", "WHISPER 0 g")
		r.expect(t)
	})
}

// The next session knows what the last one learned about the peer's sequence.
func TestInheritCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last := New(roomy)
		last.Follows(65534, 0)
		o, r, _ := opened(t, roomy)
		o.Inherit(last, true)
		o.Skip(65534)
		whisper(t, o, "a")
		r.expect(t, "WHISPER 0 a")
	})
}

// A session that broke with nothing parked has no successor, unless it is itself a successor whose peer has not entered.
func TestSuccessors(t *testing.T) {
	for name, c := range map[string]struct {
		wraps, entered bool
		want           bool
	}{
		"nothing parked":                   {false, false, false},
		"a successor that entered":         {true, true, false},
		"a successor that has not entered": {true, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			first, second, third := New(roomy), New(roomy), New(roomy)
			if c.wraps {
				first.Skip(65534)
				whisper(t, first, "a")
			}
			second.Inherit(first, true)
			third.Inherit(second, c.entered)
			if got := second.Successor() == third; got != c.want {
				t.Errorf("a successor: %v, want %v", got, c.want)
			}
			if got := first.Successor() == second; got != c.wraps {
				t.Errorf("of the first, a successor: %v, want %v", got, c.wraps)
			}
			first.Close(errTest)
			second.Close(errTest)
			if err := send(first, "b"); (err == nil) != c.want {
				t.Errorf("Send returns %v", err)
			}
		})
	}
}

// Parked messages have the bounds of a queue, and end with the session.
func TestWrapHasBounds(t *testing.T) {
	for name, cfg := range map[string]Config{
		"messages": {QueueMessages: 2, QueueBytes: 1 << 20},
		"octets":   {QueueMessages: 10, QueueBytes: 5 + 2*frameCost},
	} {
		t.Run(name, func(t *testing.T) {
			o := New(cfg)
			o.Skip(65534)
			whisper(t, o, "abc", "de")
			if err := send(o, "f"); !errors.Is(err, zmtp.ErrFull) {
				t.Errorf("a third message: %v", err)
			}
			room := o.Room()
			if isClosed(room) {
				t.Error("there is room")
			}
			o.Close(errTest)
			if !isClosed(room) || o.IsWrapping() {
				t.Error("messages stay parked after the end of the session")
			}
			if err := send(o, "f"); !errors.Is(err, zmtp.ErrQueueClosed) {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

// If nothing is parked there is room for a message of any size, as in a queue.
func TestWrapTakesOneOfAnySize(t *testing.T) {
	o := New(Config{QueueMessages: 2, QueueBytes: 5})
	o.Skip(65534)
	whisper(t, o, "abcdef")
	if err := send(o, "g"); !errors.Is(err, zmtp.ErrFull) {
		t.Errorf("a second message: %v", err)
	}
}

// A peer that takes none of the node's own messages while they are parked is dropped.
func TestParkedControlsHaveBounds(t *testing.T) {
	drops := 0
	o := New(Config{QueueMessages: 10, QueueBytes: 1 << 20, Drop: func() { drops++ }})
	o.Skip(65534)
	for range maxParkedControls {
		o.Control(appendJoin)
	}
	if drops != 0 {
		t.Fatal("dropped within the bounds")
	}
	o.Control(appendJoin)
	if drops != 1 {
		t.Errorf("dropped %d times", drops)
	}
}

// The caller may reuse its frames while they are parked.
func TestParkedIsCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r, _ := opened(t, roomy)
		o.Skip(65534)
		frame, frames := []byte("a"), make([][]byte, 1)
		frames[0] = frame
		if err := o.Send(Target{}, &Content{Frames: frames, Size: 1}); err != nil {
			t.Fatal(err)
		}
		frame[0], frames[0] = 'x', nil
		o.NotePingOK()
		r.expect(t, "PING 65535", "WHISPER 0 a")
	})
}

// However many messages are parked, they keep their order, and nothing of them stays when they are sent.
func TestManyAreParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r, drops := opened(t, roomy)
		o.Skip(shortCycle - 1)
		want := []string{"PING 65535"}
		for i := range firstParked + 2*moreParked + 1 {
			text := strconv.Itoa(i)
			whisper(t, o, text)
			want = append(want, fmt.Sprintf("WHISPER %d %s", i, text))
		}
		w := o.wrap
		o.NotePingOK()
		r.expect(t, want...)
		for m := range w.all {
			if m.Frames != nil {
				t.Fatal("a queued message keeps the caller's frames")
			}
		}
		if drops.Load() > 0 {
			t.Error("the peer was dropped")
		}
	})
}

// A large frame that was given away is parked as it is: no other target has it.
func TestParkedIsGiven(t *testing.T) {
	o := New(Config{QueueMessages: 2, QueueBytes: 1 << 20})
	o.Skip(65534)
	frame := make([]byte, zmtp.LargeFrame)
	c := Content{Frames: [][]byte{frame}, Size: int64(len(frame))}
	c.Give(1)
	if err := o.Send(Target{}, &c); err != nil {
		t.Fatal(err)
	}
	if got := o.wrap.blocks[0][0].Frames[0]; len(got) != len(frame) || &got[0] != &frame[0] {
		t.Error("the message was copied")
	}
}

// Parked messages count in the budget like queued ones, until they are sent or discarded.
func TestParkedIsCounted(t *testing.T) {
	for _, end := range []struct {
		name string
		end  func(o *Outbox)
	}{
		{"sent", func(o *Outbox) { o.NotePingOK() }},
		{"discarded", func(o *Outbox) { o.Close(errTest) }},
		{"inherited and discarded", func(o *Outbox) {
			next := New(o.cfg)
			next.Inherit(o, true)
			o.Close(errTest)
			next.Close(errTest)
		}},
	} {
		t.Run(end.name, func(t *testing.T) {
			const octets = 1 << 20
			budget := zmtp.NewSendBudget(octets)
			o := New(Config{QueueMessages: 1 << 20, QueueBytes: octets, SendBudget: budget, Drop: func() { t.Error("the peer was dropped") }})
			o.Skip(shortCycle - 1)
			send := func(frames ...[]byte) error {
				c := Content{Frames: frames}
				for _, f := range frames {
					c.Size += int64(len(f))
				}
				to := Target{Lease: c.NewLease()}
				defer to.Release()
				return o.Send(to, &c)
			}
			if err := send(make([]byte, 100_000), make([]byte, 1_000)); err != nil {
				t.Fatal(err)
			}
			if used := budget.Used(); used < 101_000 || used > 140_000 {
				t.Errorf("the budget counts %d bytes, want about 101,000", used)
			}
			count := 1
			for ; send([]byte("x")) == nil; count++ {
			}
			if used := budget.Used(); used < octets/3 || used > octets*2/3 {
				t.Errorf("%d bytes are counted when no more is parked, want a half of %d", used, octets)
			}
			if !o.IsWrapping() {
				t.Fatal("the message is not parked")
			}
			end.end(o)
			if o.queue.Close(nil); budget.Used() != 0 {
				t.Errorf("%d bytes are counted at the end, of %d messages", budget.Used(), count)
			}
		})
	}
}
