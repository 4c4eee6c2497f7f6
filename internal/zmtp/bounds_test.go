package zmtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPushAheadShort has first frames that end with their number, or within it: the latter have none.
func TestPushAheadShort(t *testing.T) {
	two, three := string(numbered(2, "")), string(numbered(3, ""))
	within := two[:ahead.At+1]
	for name, test := range map[string]struct {
		waits, overtakes string
		want             []byte
	}{
		"both end with it":     {two, three, join(message(two), message(three, "behind"))},
		"what waits has none":  {within, two, join(message(within, "behind"), message(two))},
		"what comes has none":  {two, within, join(message(two, "behind"), message(within))},
		"neither has a number": {within, within, join(message(within, "behind"), message(within))},
	} {
		t.Run(name, func(t *testing.T) {
			n := begun(t, 1)
			_ = n.Push([]byte(test.waits), []byte("behind"))
			if _, _, err := n.PushAhead(ahead, []byte(test.overtakes)); err != nil {
				t.Fatal(err)
			}
			if got := drain(t, n.Queue); !bytes.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	n := begun(t, 1) // a message without a number passes unchanged behind one that is overtaken
	_ = n.Push([]byte(two))
	_ = n.Push([]byte(within))
	_, _, _ = n.PushAhead(ahead, []byte(three))
	if got, want := drain(t, n.Queue), join(message(two), message(three), message(within)); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTakeAmount checks how much a writer takes at a time: some 64 KiB of small messages, eight times that of large ones.
func TestTakeAmount(t *testing.T) {
	for _, test := range []struct{ frame, least, most int }{
		{100, takeOctets, takeOctets + chunkSize},
		{chunkSize - longHeader, takeOctets, takeOctets + chunkSize}, // with its header it fills a chunk
		{LargeFrame, takeOctets, takeOctets + 2*LargeFrame},          // no longer than a chunk, so it counts as such
		{64 << 10, largeDivisor * takeOctets, largeDivisor*takeOctets + 64<<10},
	} {
		t.Run(fmt.Sprint(test.frame), func(t *testing.T) {
			q := NewQueue(1<<20, 1<<40)
			for range 2 * test.most / test.frame {
				_ = q.Push(make([]byte, test.frame))
			}
			taken := 0
			takeTo(t, q, nil, func(b []byte) { taken += len(b) })
			if headers := longHeader * (taken/test.frame + 1); taken < test.least || taken > test.most+headers {
				t.Errorf("%d bytes were taken, from %d to %d are right", taken, test.least, test.most)
			}
		})
	}
}

// TestListStaysShort takes a part of what waits, again and again: the list of segments is only as long as what waits needs.
func TestListStaysShort(t *testing.T) {
	q := NewQueue(1<<20, 1<<40)
	frame := make([]byte, 64<<10)
	var spare []segment
	for range 1000 {
		for q.Push(frame) == nil {
			if messages, _ := q.Depth(); messages >= 20 {
				break
			}
		}
		spare = takeTo(t, q, spare, func([]byte) {})
	}
	if n := cap(q.batch.segments); n > 200 {
		t.Errorf("a list of %d segments for 20 messages", n)
	}
}

// TestIdleLists checks that an empty queue keeps short lists, and no long ones.
func TestIdleLists(t *testing.T) {
	for name, test := range map[string]struct {
		queue *Queue
		take  func(*Queue) (taken int)
		list  func(*Queue) int
	}{
		"socket": {NewQueue(1, 1), func(q *Queue) int { all, _ := q.take(nil); return len(all) },
			func(q *Queue) int { return cap(q.batch.segments) }},
		"inproc": {NewInprocQueue(1, 1), func(q *Queue) int { all, _ := q.takeCopies(make([]run, 0, 1)); return len(all) },
			func(q *Queue) int { return cap(q.copies.runs) }},
	} {
		t.Run(name, func(t *testing.T) {
			q := test.queue
			q.batch.segments = make([]segment, 0, keepSegments)
			q.copies.runs = make([]run, 0, keepSegments)
			if test.take(q) != 0 || test.list(q) != keepSegments {
				t.Errorf("a list of %d is kept where one of %d was", test.list(q), keepSegments)
			}
			q.batch.segments = make([]segment, 0, keepSegments+1)
			q.copies.runs = make([]run, 0, keepSegments+1)
			if test.take(q) != 0 || test.list(q) != 0 {
				t.Errorf("a list of %d is kept", test.list(q))
			}
		})
	}
}

// TestQueueIdle checks when a queue is idle or drained: not before it has a connection, and not while a message waits or is in flight.
func TestQueueIdle(t *testing.T) {
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	q := NewQueue(10, 1000)
	if err := q.Idle(); err != ErrFull || !closed(q.Drained()) {
		t.Errorf("without a connection: idle %v, drained %v", err, closed(q.Drained()))
	}
	if err := q.attach(newConn(socket{script{}}, nil, q, Config{}), nil); err != nil {
		t.Fatal(err)
	}
	if err := q.Idle(); err != nil || q.idle.Load() {
		t.Errorf("before the first message: %v", err)
	}
	for round := range 2 {
		for range 2 {
			_ = q.Push(nil)
			if err := q.Idle(); err != ErrFull {
				t.Errorf("round %d, a message was pushed: idle %v", round, err)
			}
		}
		drained := q.Drained()
		for _, when := range []string{"two wait", "one is in flight"} {
			if err := q.Idle(); err != ErrFull || closed(drained) {
				t.Errorf("round %d, %s: idle %v, drained %v", round, when, err, closed(drained))
			}
			if when == "two wait" {
				_, _ = q.take(nil)
				q.noteWritten(1, shortHeader)
			}
		}
		q.noteWritten(1, shortHeader)
		if err := q.Idle(); err != nil || !closed(drained) || !closed(q.Drained()) {
			t.Errorf("round %d, all is written: idle %v, drained %v", round, err, closed(drained))
		}
	}
	q.Close(errTest)
	if err := q.Idle(); !errors.Is(err, errTest) || !closed(q.Drained()) {
		t.Errorf("closed: %v", err)
	}
	q = NewQueue(10, 1000)
	_ = q.Push(nil)
	drained := q.Drained()
	q.Close(nil)
	if !closed(drained) || !closed(q.Drained()) {
		t.Error("a queue that is closed with a message is not said to be drained")
	}
}

// TestRoomAtHalf checks that room is announced when the queue is half empty, of messages and of octets, and not before.
func TestRoomAtHalf(t *testing.T) {
	for name, test := range map[string]struct {
		messages int
		octets   int64
	}{"messages": {8, 1 << 30}, "bytes": {1 << 30, 8 * 102}} {
		t.Run(name, func(t *testing.T) {
			q := NewQueue(test.messages, test.octets)
			for q.Push(make([]byte, 100)) == nil {
			}
			room := q.Room()
			for left := 7; left >= 0; left-- {
				q.noteWritten(1, 102)
				select {
				case <-room:
					if left > 4 {
						t.Fatalf("room with %d of 8 left", left)
					}
				default:
					if left <= 4 {
						t.Fatalf("no room with %d of 8 left", left)
					}
				}
			}
		})
	}
}

// TestLinkRoomByOctets checks that large messages make room one by one.
func TestLinkRoomByOctets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := newRecorder(0)
		r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return theirs, nil })
		defer r.Close()
		defer close(theirs.release)
		q := NewInprocQueue(1000, 1<<30)
		for range 10 {
			_ = q.Push(make([]byte, countOctets-longHeader-frameCost)) // exactly what is counted at once
		}
		if _, err := r.Link(Config{}, q, nil, nullReceiver{}); err != nil {
			t.Fatal(err)
		}
		for left := 9; left >= 0; left-- {
			theirs.next(t)
			synctest.Wait()
			if n, octets := q.Depth(); n != left || octets != int64(left*countOctets) {
				t.Errorf("depth is %d, %d when %d are left", n, octets, left)
			}
		}
	})
}

// TestFlushCounts checks how many messages Flush says are left.
func TestFlushCounts(t *testing.T) {
	q := NewQueue(10, 1000)
	for range 5 {
		_ = q.Push(nil)
	}
	q.noteWritten(2, 2*shortHeader)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Flush(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), " 3 messages") {
		t.Errorf("3 of 5 messages are left: %v", err)
	}
	q.noteWritten(3, 3*shortHeader)
	if err := q.Flush(ctx); err != nil {
		t.Errorf("all is written: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(1, 1)
		_ = q.Push(nil)
		ctx, cancel := context.WithCancel(t.Context())
		flushed := make(chan error, 1)
		go func() { flushed <- q.Flush(ctx) }()
		synctest.Wait()
		q.noteWritten(1, shortHeader)
		cancel()
		if err := <-flushed; err != nil {
			t.Errorf("all was written when the context ended: %v", err)
		}
	})
}

// TestGuardAtLimit checks that a command in the handshake may be as long as the limit.
func TestGuardAtLimit(t *testing.T) {
	for size, good := range map[int]bool{300: true, 301: false, 200: true} {
		g := &guard{limit: 300, greetingLen: greetingSize}
		err := g.check(command("READY", strings.Repeat("x", size-6)))
		if (err == nil) != good {
			t.Errorf("a command of %d bytes: %v", size, err)
		}
	}
}

// TestPropertiesAtLimit checks the longest name of a property, and the longest READY.
func TestPropertiesAtLimit(t *testing.T) {
	name := func(n int) string { return "X-" + strings.Repeat("x", n-2) }
	fixed := len(prop("Socket-Type", "DEALER")+prop("Identity", "")+prop("X-a", "")) + len("\x05READY")
	for _, test := range []struct {
		name  string
		value int
		limit int64
		good  bool
	}{
		{name(255), 0, 0, true},
		{name(256), 0, 0, false},
		{"X-a", 100, int64(fixed + 100), true},
		{"X-a", 101, int64(fixed + 100), false},
	} {
		cfg := Config{Properties: map[string]string{test.name: strings.Repeat("v", test.value)}, Limits: Limits{CommandSize: test.limit}}
		if _, err := newMetadata("DEALER", cfg.withDefaults()); (err == nil) != test.good {
			t.Errorf("a name of %d bytes, a value of %d, READY of %d at most: %v", len(test.name), test.value, test.limit, err)
		}
	}
}

// TestIPOf extracts the address from what transports return.
func TestIPOf(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1:5":          "192.0.2.1",
		"[::ffff:192.0.2.1]:5": "192.0.2.1",
		"[fe80::1%eth0]:5":     "fe80::1%eth0",
		"a path":               "invalid IP",
	} {
		if got := ipOf(memAddr(text)).String(); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// TestLimitsDefaults checks that meaningless values mean the defaults, and others stay.
func TestLimitsDefaults(t *testing.T) {
	standard := Limits{FrameSize: 64 << 20, MessageSize: 64 << 20, Frames: 1024, CommandSize: 8 << 10,
		PendingHandshakes: 512, PendingPerAddress: 128, CurvePerAddress: 64, Connections: 4096}
	one := Limits{1, 1, 1, 1, 1, 1, 1, 1}
	for _, test := range []struct{ given, want Limits }{
		{Limits{}, standard},
		{Limits{-1, -1, -1, -1, -1, -1, -1, -1}, standard},
		{one, one},
		{Limits{MessageSize: 10}, func() Limits { l := standard; l.FrameSize, l.MessageSize = 10, 10; return l }()},
	} {
		if got := test.given.withDefaults(); got != test.want {
			t.Errorf("%+v becomes %+v, want %+v", test.given, got, test.want)
		}
	}
	if c := (Config{HandshakeTimeout: -1}).withDefaults(); c.HandshakeTimeout != 5*time.Second {
		t.Errorf("a handshake has %v", c.HandshakeTimeout)
	}
	if c := (Config{HandshakeTimeout: 1}).withDefaults(); c.HandshakeTimeout != 1 {
		t.Errorf("a handshake has %v, want 1 ns", c.HandshakeTimeout)
	}
}
