package zmtp

import (
	"net"
	"runtime"
	"testing"
	"time"
)

// reportingConn is a connection that reports its Delivery.
type reportingConn struct{ net.Conn }

func (reportingConn) Delivery() (acknowledged, unacknowledged int64, onWay bool) { return 7, 5, true }

func TestDeliveryThatTheConnectionTells(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	c := newConn(socket{reportingConn{ours}}, metadata{}, NewQueue(1, 1), Config{})
	if d := c.Delivery(); d != (Delivery{7, 5, true}) {
		t.Errorf("Delivery of a connection that reports it: got %+v", d)
	}
	// Without a report, what was written counts.
	c = newConn(socket{ours}, metadata{}, NewQueue(10, 100), Config{})
	if err := c.queue.Push([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	c.queue.noteWritten(1, 5)
	if d := c.Delivery(); d != (Delivery{Acknowledged: 5}) {
		t.Errorf("Delivery of a connection that reports nothing: got %+v", d)
	}
}

// A peer that reads nothing acknowledges what its system has room for, so nothing is on its way.
func TestDeliveryOfTheSystem(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	l := listen(t)
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c := newConn(socket{client}, metadata{}, NewQueue(1, 1), Config{})
	if d := c.Delivery(); d.Unacknowledged != 0 || d.InFlight {
		t.Errorf("before anything is written: %+v", d)
	}
	const size = 32 << 20
	written := make(chan error, 1)
	go func() {
		_, err := client.Write(make([]byte, size))
		written <- err
	}()
	eventually(t, "the peer has no room", func() bool {
		d := c.Delivery()
		return d.Acknowledged > 0 && d.Unacknowledged > 0 && !d.InFlight
	})
	before := c.Delivery().Acknowledged
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		b := make([]byte, 1<<20)
		for n := 0; n < size; {
			k, err := server.Read(b)
			if n += k; err != nil {
				t.Error(err)
				return
			}
		}
	}()
	<-drained
	if err := <-written; err != nil {
		t.Error(err)
	}
	eventually(t, "all is acknowledged", func() bool {
		d := c.Delivery()
		return d.Acknowledged >= before && d.Acknowledged >= size && d.Unacknowledged == 0 && !d.InFlight
	})
	client.Close()
	if d := c.Delivery(); d.InFlight || d.Unacknowledged != 0 {
		t.Errorf("when it is closed: %+v", d)
	}
}

// Octets are a sign of life before a message is complete.
func TestHeard(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	c := newConn(socket{ours}, metadata{}, NewQueue(1, 1), Config{Limits: Limits{}.withDefaults()})
	closed := make(chan error, 1)
	c.run(receiving{closed: closed})
	if c.Heard() {
		t.Error("heard before anything came")
	}
	for range 2 {
		if _, err := theirs.Write([]byte{0}); err != nil { // of a header of two octets, then of a body
			t.Fatal(err)
		}
		eventually(t, "it is heard", c.Heard)
		if c.Heard() {
			t.Error("heard twice for one byte")
		}
	}
	theirs.Close()
	<-closed
}

// receiving accepts everything.
type receiving struct{ closed chan<- error }

func (receiving) Receive([][]byte) error { return nil }
func (r receiving) Closed(err error)     { r.closed <- err }

// eventually waits until something is true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); elapse(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in time: " + what)
		}
	}
}
