package outbox

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/internal/traffic"
)

// What Send accepts counts under the transport of that moment; what it refuses does not count.
func TestAccepted(t *testing.T) {
	cfg := roomy
	cfg.QueueMessages, cfg.Inproc = 2, false
	o := New(cfg)
	send := func(to Target) error { return o.Send(to, &Content{Frames: [][]byte{[]byte("abc")}, Size: 3}) }
	if err := send(Target{}); err != nil {
		t.Fatal(err)
	}
	o.SetTransport(traffic.IPC)
	if err := send(Target{Shout: true, Group: "G"}); err != nil {
		t.Fatal(err)
	}
	if err := send(Target{}); err == nil {
		t.Fatal("a full queue has room")
	}
	want := traffic.Table{traffic.TCP: {Whispers: 1, Octets: 3}, traffic.IPC: {Shouts: 1, Octets: 3}}
	if got := o.Accepted(); got != want {
		t.Errorf("accepted %+v, want %+v", got, want)
	}
}

// The first unanswered PING is timed, up to the next answer; PINGs behind it, and answers without a PING, are not.
func TestRTT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := New(roomy)
		expect := func(want time.Duration) {
			t.Helper()
			if got := o.RTT(); got != want {
				t.Errorf("round trip %v, want %v", got, want)
			}
		}
		pass := func() { time.Sleep(time.Second) } // fake time
		o.NotePingOK()
		expect(0)
		o.Ping()
		pass()
		o.Ping()
		pass()
		expect(0)
		o.NotePingOK()
		expect(2 * time.Second)
		pass()
		o.NotePingOK()
		expect(2 * time.Second)
		if _, err := o.AskBehind(); err != nil {
			t.Fatal(err)
		}
		pass()
		o.NotePingOK()
		expect(2 * time.Second)
		o.Ping()
		pass()
		o.NotePingOK()
		expect(time.Second)
	})
}
