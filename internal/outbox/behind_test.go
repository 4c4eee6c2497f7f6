package outbox

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// behind sends a PING behind everything sent so far.
func behind(t *testing.T, o *Outbox) <-chan struct{} {
	t.Helper()
	answered, err := o.AskBehind()
	if err != nil {
		t.Fatal(err)
	}
	return answered
}

// The PING of AskBehind keeps its position in the order, and each answer belongs to one PING.
func TestAskBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r, _ := opened(t, roomy)
		whisper(t, o, "a")
		first := behind(t, o)
		whisper(t, o, "b")
		second := behind(t, o)
		o.Ping()
		third, err := o.Ask()
		if err != nil {
			t.Fatal(err)
		}
		r.expect(t, "WHISPER 2 a", "PING 3", "WHISPER 4 b", "PING 5", "PING 6", "PING 7")
		for i, want := range [][3]bool{{}, {true}, {true, true}, {true, true}, {true, true, true}, {true, true, true}} {
			if got := [3]bool{isClosed(first), isClosed(second), isClosed(third)}; got != want {
				t.Errorf("after %d answers: %v, want %v", i, got, want)
			}
			o.NotePingOK()
		}
	})
}

// While the sequence wraps, AskBehind waits for what is parked; if nothing is parked, the PING of the wrap serves.
func TestAskBehindWrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r, _ := opened(t, roomy)
		if !isClosed(o.Unparked()) {
			t.Error("messages are parked at the beginning")
		}
		o.Skip(65534)
		answered := behind(t, o)
		r.expect(t, "PING 65535")
		whisper(t, o, "parked")
		if _, err := o.AskBehind(); !errors.Is(err, ErrParked) {
			t.Errorf("with a message parked: %v", err)
		}
		settled := o.Unparked()
		if isClosed(settled) || isClosed(answered) {
			t.Error("messages are unparked, or the caller has its answer, before the PING-OK")
		}
		o.NotePingOK()
		if !isClosed(settled) || !isClosed(answered) {
			t.Error("the PING-OK does not unpark the messages, or does not end the call")
		}
		again := behind(t, o)
		r.expect(t, "WHISPER 0 parked", "PING 1")
		if o.NotePingOK(); !isClosed(again) {
			t.Error("the call does not end")
		}
	})
}

// Refuse ends what the application sends, and nothing else; this applies to a successor, too.
func TestRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r, _ := opened(t, roomy)
		o.Skip(65533)
		whisper(t, o, "a", "parked")
		o.Refuse(errTest)
		o.Refuse(errors.New("too late"))
		next, follows, _ := opened(t, roomy)
		next.Inherit(o, true)
		for _, out := range []*Outbox{o, next} {
			if err := send(out, "b"); err != errTest {
				t.Errorf("Send returns %v", err)
			}
			if _, err := out.Ask(); err != errTest {
				t.Errorf("Ask returns %v", err)
			}
			if _, err := out.AskBehind(); err != errTest {
				t.Errorf("AskBehind returns %v", err)
			}
		}
		next.Control(appendJoin)
		next.Ping()
		next.SendPingOK()
		r.expect(t, "WHISPER 65534 a", "PING 65535")
		follows.expect(t, "WHISPER 2 parked", "JOIN 3 J", "PING 4", "PING-OK 5")
	})
}

// Messages that were accepted and never left are lost, parked or queued; if the session has a successor, only those that did not go there.
func TestLost(t *testing.T) {
	for _, test := range []struct {
		name       string
		given      func(t *testing.T, o *Outbox)
		messages   int
		octets     int64
		successors int // what those lost
	}{
		{"nothing", func(*testing.T, *Outbox) {}, 0, 0, 0},
		{"our own", func(_ *testing.T, o *Outbox) { o.Control(appendJoin); o.Ping(); o.SendPingOK() }, 0, 0, 0},
		{"queued", func(t *testing.T, o *Outbox) { whisper(t, o, "four", "more") }, 2, 2 * (2 + 6 + 2 + 4), 0},
		{"parked", func(t *testing.T, o *Outbox) { o.Skip(65534); whisper(t, o, "four", "more") }, 2, 8, 0},
		{"both", func(t *testing.T, o *Outbox) { o.Skip(65533); whisper(t, o, "four", "more") }, 2, 2 + 6 + 2 + 4 + 4, 0},
		{"at a successor", func(t *testing.T, o *Outbox) {
			o.Skip(65533)
			whisper(t, o, "four", "more")
			next := New(Config{QueueMessages: 10, QueueBytes: 1000})
			next.Inherit(o, true)
			next.Close(errTest)
		}, 1, 2 + 6 + 2 + 4, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := New(Config{QueueMessages: 10, QueueBytes: 1000})
			test.given(t, o)
			if o.IsSent() != (test.messages == 0) {
				t.Errorf("IsSent returns %v", o.IsSent())
			}
			o.Close(errTest)
			if messages, octets := o.Lost(); messages != test.messages || octets != test.octets {
				t.Errorf("%d messages of %d bytes are lost, want %d of %d", messages, octets, test.messages, test.octets)
			}
			if next := o.Successor(); next != nil {
				if messages, _ := next.Lost(); messages != test.successors {
					t.Errorf("the successor lost %d, want %d", messages, test.successors)
				}
			}
		})
	}
}

// AwaitSent waits for what is queued, and for what is parked.
func TestAwaitSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := New(Config{QueueMessages: 10, QueueBytes: 1000, Drop: func() {}})
		o.AwaitSent(t.Context())
		o.Skip(65534)
		whisper(t, o, "parked")
		ended := make(chan time.Time)
		began := time.Now()
		go func() { o.AwaitSent(t.Context()); ended <- time.Now() }()
		time.Sleep(time.Second) // fake time
		o.Close(zmtp.ErrClosed)
		if took := (<-ended).Sub(began); took != time.Second {
			t.Errorf("Sent took %v", took)
		}
	})
}
