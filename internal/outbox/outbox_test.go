package outbox

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

func appendJoin(dst []byte, sequence uint16) []byte {
	dst, err := msg.AppendJoin(dst, sequence, "J", 1)
	if err != nil {
		panic(err)
	}
	return dst
}

// Each message, from any goroutine, gets the next number and its position behind the one before.
func TestNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r, _ := opened(t, roomy)
		whisper(t, o, "a")
		o.Control(appendJoin)
		if err := o.Send(Target{Shout: true, Group: "G"}, &Content{Frames: [][]byte{[]byte("b"), []byte("c")}, Size: 2}); err != nil {
			t.Fatal(err)
		}
		o.Ping()
		o.SendPingOK()
		r.expect(t, "WHISPER 2 a", "JOIN 3 J", "SHOUT 4 G b c", "PING 5", "PING-OK 6")

		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 100 {
					whisper(t, o, "x")
					o.SendPingOK()
				}
			})
		}
		all.Wait()
		synctest.Wait()
		for i := range 1600 {
			var id string
			var sequence int
			if _, err := fmt.Sscan(<-r.got, &id, &sequence); err != nil || sequence != i+7 {
				t.Fatalf("%v has the number %d, want %d (%v)", id, sequence, i+7, err)
			}
		}
		if n := o.urgent.Load(); n != 0 {
			t.Errorf("%d goroutines still count as waiting for the lock", n)
		}
	})
}

// A message that finds no room has no number, and Room tells when there is some.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := roomy
		cfg.QueueMessages = 2
		o := New(cfg)
		r := stopped(t, o)
		whisper(t, o, "a", "b")
		if err := send(o, "c"); !errors.Is(err, zmtp.ErrFull) {
			t.Fatalf("a third message: got %v, want ErrFull", err)
		}
		if got := o.Sequence(); got != 3 {
			t.Errorf("Sequence returns %d after a message that found no room", got)
		}
		room := o.Room()
		synctest.Wait()
		if isClosed(room) {
			t.Error("there is room already")
		}
		if messages, octets := o.Depth(); messages != 2 || octets == 0 {
			t.Errorf("%d messages, %d bytes wait", messages, octets)
		}
		r.start()
		<-room
		whisper(t, o, "c")
		r.expect(t, "WHISPER 2 a", "WHISPER 3 b", "WHISPER 4 c")
	})
}

// A peer that takes none of the node's own messages is dropped when even the room beyond the queue's bounds is used up.
func TestControlHasBounds(t *testing.T) {
	for name, control := range map[string]func(o *Outbox){
		"JOIN":    func(o *Outbox) { o.Control(appendJoin) },
		"PING":    (*Outbox).Ping,
		"PING-OK": (*Outbox).SendPingOK,
	} {
		t.Run(name, func(t *testing.T) {
			drops := 0
			o := New(Config{QueueMessages: 10, QueueBytes: 1 << 20, Drop: func() { drops++ }})
			for range 10 + 1000 {
				control(o)
			}
			if drops != 0 {
				t.Fatal("dropped within the bounds")
			}
			control(o)
			if drops != 1 {
				t.Errorf("dropped %d times", drops)
			}
		})
	}
}

func TestFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r, _ := opened(t, roomy)
		whisper(t, o, "a")
		o.Control(msg.AppendGoodbye)
		o.Finish(errTest)
		o.Finish(errors.New("too late"))
		if err := send(o, "b"); err != errTest {
			t.Errorf("Send returns %v", err)
		}
		if _, err := o.Ask(); err != errTest {
			t.Errorf("Ask returns %v", err)
		}
		o.Control(appendJoin)
		o.Ping()
		o.SendPingOK()
		r.expect(t, "WHISPER 2 a", "GOODBYE 3")
	})
}

func TestClose(t *testing.T) {
	o := New(Config{QueueMessages: 10, QueueBytes: 1 << 20})
	if isClosed(o.Done()) {
		t.Error("done before Close")
	}
	for range 2 {
		o.Close(errTest)
	}
	if !isClosed(o.Done()) || !isClosed(o.Room()) {
		t.Error("Close does not wake a caller that waits")
	}
	if err := send(o, "a"); !errors.Is(err, zmtp.ErrQueueClosed) || !errors.Is(err, errTest) {
		t.Errorf("Send returns %v", err)
	}
	if _, err := o.Ask(); !errors.Is(err, zmtp.ErrQueueClosed) {
		t.Errorf("Ask returns %v", err)
	}
	o.Control(appendJoin) // nothing drops a session that is over
	o.Ping()
	o.SendPingOK()
}
