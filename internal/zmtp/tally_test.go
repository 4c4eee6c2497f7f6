package zmtp

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
)

// Each connection counts as accepted, and once more for what became of it.
func TestTally(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newMemListener()
		r := NewRouter(Config{Limits: Limits{FrameSize: 100, MessageSize: 100}}, func(c *Conn) (Receiver, error) {
			if string(c.Identity()) == "unwanted" {
				return nil, errors.New("not you")
			}
			return nullReceiver{}, nil
		})
		allowed := true
		r.Allow = func(_, _ net.Addr) bool { return allowed }
		serve(t, r, l)
		for _, octets := range [][]byte{
			[]byte("GET / HTTP/1.1\r\n\r\nthis is not ZMTP, however long it may get to be ......."),
			hello("DEALER", "unwanted"),
			hello("DEALER", "good"),
			append(hello("DEALER", "large"), 0, 200), // a frame of 200 octets
		} {
			nc := l.dial()
			_, _ = nc.Write(octets)
			synctest.Wait()
		}
		allowed = false
		l.dial()
		synctest.Wait()
		if got, want := r.Tally(), (Tally{Accepted: 5, Failed: 1, Refused: 2, Broken: 1}); got != want {
			t.Errorf("tally %+v, want %+v", got, want)
		}
	})
}
