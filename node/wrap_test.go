package node

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/go-zre/go-zre/msg"
)

// listenTo returns a channel of the messages to a fake peer, as "WHISPER 65534 text".
func listenTo(f *fakePeer) chan string {
	heard := make(chan string, 1_000)
	listen := func(m *msg.Message) {
		s := fmt.Sprintf("%v %d", m.ID, m.Sequence)
		if len(m.Content) > 0 {
			s += " " + string(m.Content[0])
		}
		select {
		case heard <- s:
		case <-f.done:
		}
	}
	f.listen.Store(&listen)
	return heard
}

func next(t *testing.T, heard chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-heard:
			if got != w {
				t.Fatalf("the peer got %q, want %q", got, w)
			}
		case <-time.After(patience):
			t.Fatalf("the peer got nothing, want %q", w)
		}
	}
}

// pretendSent makes the node believe that it has sent the peer messages up to this number.
func (r *testNode) pretendSent(f *fakePeer, sequence uint16) {
	r.do(func() { r.sessions[f.uuid].out.Skip(sequence) })
}

// nearWrap returns a peer that was sent messages up to 65532.
func nearWrap(t *testing.T) (*testNode, *fakePeer, chan string) {
	t.Helper()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	heard := listenTo(f)
	f.enter()
	next(t, heard, "HELLO 1")
	n.pretendSent(f, 65532)
	return n, f, heard
}

func whisper(t *testing.T, n *testNode, f *fakePeer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := n.Whisper(t.Context(), f.uuid, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
}

// A peer that counts to 65535 answers the PING of that number, and the session continues without an EXIT.
func TestWrapOfFullCycle(t *testing.T) {
	t.Parallel()
	n, f, heard := nearWrap(t)
	whisper(t, n, f, "a", "b", "c", "d")
	if err := n.Join("late"); err != nil {
		t.Fatal(err)
	}
	next(t, heard, "WHISPER 65533 a", "WHISPER 65534 b", "PING 65535")
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)"})
	if len(heard) != 0 {
		t.Fatalf("more was sent before the answer: %q", <-heard)
	}
	f.send(msg.AppendPingOK(nil, 2))
	next(t, heard, "JOIN 0", "WHISPER 1 c", "WHISPER 2 d")
	n.pretendSent(f, 65534) // the next time the node knows how the peer counts
	whisper(t, n, f, "e", "f")
	next(t, heard, "WHISPER 65535 e", "WHISPER 0 f")
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)"})
}

// A peer that counts to 65534 ends the session: one EXIT and ENTER, and nothing is lost. The next time the node knows how the peer counts.
func TestWrapOfShortCycle(t *testing.T) {
	t.Parallel()
	n, f, heard := nearWrap(t)
	whisper(t, n, f, "a", "b", "c", "d")
	next(t, heard, "WHISPER 65533 a", "WHISPER 65534 b", "PING 65535")
	f.mailboxed.Load().Close(nil)
	f.hangUp()
	next(t, heard, "HELLO 1", "WHISPER 2 c", "WHISPER 3 d")
	f.conn = nil
	f.send(f.hello(1, nil))
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "EXIT(replaced)", "ENTER(fake)", "JOIN(G)"})
	next(t, heard, "PING 4") // as after every session that broke
	n.pretendSent(f, 65533)
	whisper(t, n, f, "e", "f")
	next(t, heard, "WHISPER 65534 e", "WHISPER 0 f")
}

// A whisper that waits for room while messages are parked goes to the next session.
func TestWrapHasBounds(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{Limits: Limits{QueueMessages: 2}}))
	f := newFakePeer(t, n)
	heard := listenTo(f)
	f.enter()
	next(t, heard, "HELLO 1")
	n.pretendSent(f, 65534)
	whisper(t, n, f, "a", "b") // parked
	result := make(chan error, 1)
	go func() { result <- n.Whisper(t.Context(), f.uuid, []byte("c")) }()
	next(t, heard, "PING 65535")
	select {
	case err := <-result:
		t.Fatalf("a third message found room: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	f.mailboxed.Load().Close(nil)
	f.hangUp()
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	next(t, heard, "HELLO 1", "WHISPER 2 a", "WHISPER 3 b", "WHISPER 4 c")
}

// A sender that keeps sending while one session replaces the other does not notice it. Nothing is lost or duplicated.
func TestWrapIsSeamless(t *testing.T) {
	t.Parallel()
	n, f, heard := nearWrap(t)
	stop := make(chan struct{})
	sent := make(chan int, 1)
	go func() {
		i := 0
		defer func() { sent <- i }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			var err error
			if i%2 == 0 {
				err = n.Whisper(t.Context(), f.uuid, fmt.Append(nil, i))
			} else {
				err = n.Shout(t.Context(), "G", fmt.Append(nil, i))
			}
			if err != nil {
				t.Errorf("sending message %d: %v", i, err)
				return
			}
			i++
			runtime.Gosched()
		}
	}()
	next(t, heard, "WHISPER 65533 0", "SHOUT 65534 1", "PING 65535")
	f.mailboxed.Load().Close(nil)
	f.hangUp()
	next(t, heard, "HELLO 1", "WHISPER 2 2", "SHOUT 3 3")
	f.conn = nil
	f.send(f.hello(1, nil))
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "EXIT(replaced)", "ENTER(fake)", "JOIN(G)"})
	close(stop)
	count := <-sent
	got := 4
	for deadline := time.After(patience); got < count; {
		select {
		case line := <-heard:
			var sequence, number int
			var id string
			if _, err := fmt.Sscan(line, &id, &sequence, &number); err != nil { // the PING of a new session
				continue
			}
			if number != got {
				t.Fatalf("message %d came, want %d", number, got)
			}
			got++
		case <-deadline:
			t.Fatalf("timed out: %d of %d messages came", got, count)
		}
	}
}
