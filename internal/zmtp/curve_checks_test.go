package zmtp

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// Commands of the handshake have known sizes: one of another size ends the connection at its header, before its octets come.
func TestSizesOfCurveCommands(t *testing.T) {
	for name, c := range map[string]struct {
		size uint64
		ends bool
	}{
		"HELLO": {200, false}, "an octet less": {199, true}, "an octet more": {201, true}, "as long as other commands": {4096, true},
		"empty": {0, true}, "2^40": {1 << 40, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in, l := newInbox(), newMemListener()
				serve(t, NewRouter(Config{Curve: secure(t, "server", ""), HandshakeTimeout: 10 * time.Second}, in.accept), l)
				nc := l.dial()
				defer nc.Close()
				greeting := make([]byte, greetingSize)
				greeting[0], greeting[9], greeting[10] = signatureFirst, signatureLast, majorVersion
				copy(greeting[mechanismAt:], "CURVE")
				began := time.Now()
				if _, err := nc.Write(append(greeting, binary.BigEndian.AppendUint64([]byte{flagCommand | flagLong}, c.size)...)); err != nil {
					t.Fatal(err)
				}
				var err error
				for b := make([]byte, 100); err == nil; {
					_, err = nc.Read(b)
				}
				if took := time.Since(began); (took == 0) != c.ends {
					t.Errorf("a command of %d octets is announced: the connection ends after %v (%v)", c.size, took, err)
				}
			})
		})
	}
}

// A peer with the right key and another identity than expected is not the one that is meant.
func TestExpectWithCurve(t *testing.T) {
	for identity, want := range map[string]error{"it": nil, "": nil, "another": ErrWrongPeer} {
		synctest.Test(t, func(t *testing.T) {
			in, l := newInbox(), newMemListener()
			serve(t, NewRouter(Config{Identity: []byte(identity), Curve: secure(t, "server", "")}, in.accept), l)
			cfg := Config{Identity: ourID, Expect: []byte("it"), Curve: secure(t, "client", "server")}
			c, err := Open(t.Context(), l.dial(), cfg, NewQueue(1, 1), nil, newRecorder(1))
			if !errors.Is(err, want) {
				t.Errorf("a ROUTER with the identity %q: got %v, want %v", identity, err, want)
			}
			if err == nil {
				c.Close(nil)
				<-c.finished
			}
		})
	}
}

// Handshakes within the host are not limited.
func TestNoBucketWithinTheHost(t *testing.T) {
	var b buckets
	for range 1000 {
		if err := b.take(netip.Addr{}, 1); err != nil {
			t.Fatal(err)
		}
	}
}
