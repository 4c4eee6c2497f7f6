package zmtp

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A probe learns the ROUTER's identity and sends nothing but the greeting: a connection from the same peer to that ROUTER continues.
func TestProbe(t *testing.T) {
	for _, id := range []string{string(ourID), "", "abc", strings.Repeat("x", 255)} {
		synctest.Test(t, func(t *testing.T) {
			in, l := newInbox(), newMemListener()
			serve(t, NewRouter(Config{Identity: []byte(id)}, in.accept), l)
			me := Config{Identity: []byte("me"), Properties: map[string]string{"X-Size": "L"}}
			before, _ := dialMem(t, l, me)
			<-in.conns
			nc := l.dial()
			got, err := Probe(t.Context(), nc, me)
			if err != nil || string(got) != id {
				t.Errorf("identity %q: got %q, %v", id, got, err)
			}
			if _, err := nc.Write([]byte{0}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the connection is not closed: %v", err)
			}
			synctest.Wait()
			if before.Err() != nil || len(in.conns) != 0 {
				t.Errorf("the ROUTER took the probe for a peer; the connection from before: %v", before.Err())
			}
		})
	}
}

func TestProbeSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := memPair(64 << 10)
		sent := readAll(theirs)
		theirs.Write(hello("ROUTER", "you"))
		if got, err := Probe(t.Context(), ours, Config{Identity: []byte("me")}); err != nil || string(got) != "you" {
			t.Errorf("got %q, %v", got, err)
		}
		if got := <-sent; len(got) != greetingSize || bytes.Contains(got, []byte("me")) {
			t.Errorf("said %q", got)
		}
	})
}

// Anything that is no ROUTER gives an error that says so, within the time limit.
func TestProbeOfOthers(t *testing.T) {
	for name, attack := range attacks("ROUTER") {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := memPair(64 << 10)
				theirs.Write(attack.bytes)
				if name == "empty command" {
					theirs.closeWrite() // as in TestHostileHandshake
				}
				if got, err := Probe(t.Context(), ours, Config{}); err == nil || !strings.Contains(err.Error(), attack.want) {
					t.Errorf("got %q, %v, want %q", got, err, attack.want)
				}
				if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the connection is not closed: %v", err)
				}
			})
		})
	}
}

func TestProbeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ours, _ := memPair(64)
		if _, err := Probe(t.Context(), ours, Config{HandshakeTimeout: time.Second}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("silence: %v", err)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("silence took %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ours, _ = memPair(64)
		time.AfterFunc(time.Second, cancel)
		if _, err := Probe(ctx, ours, Config{}); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that ended: %v", err)
		}
		ours, theirs := memPair(64)
		theirs.Close()
		if _, err := Probe(t.Context(), ours, Config{}); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a peer that hung up: %v", err)
		}
	})
}

// What ProbeLarge sends has the requested length and arrives at a ROUTER of ours, which hangs up on it and does not take it for a peer.
func TestProbeLarge(t *testing.T) {
	for _, octets := range []int{524, 1228, 1448, 6 << 10} {
		if got := len(largeReady(octets)); got != octets {
			t.Errorf("%d bytes for %d", got, octets)
		}
		synctest.Test(t, func(t *testing.T) {
			in, l := newInbox(), newMemListener()
			serve(t, NewRouter(Config{}, in.accept), l)
			if answered, err := ProbeLarge(t.Context(), l.dial(), Config{}, octets); !answered || err != nil {
				t.Errorf("%d bytes: answered %v, %v", octets, answered, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ours, theirs := memPair(64 << 10)
		theirs.Write(hello("ROUTER", ""))
		if answered, err := ProbeLarge(t.Context(), ours, Config{HandshakeTimeout: time.Second}, 1000); answered || err != nil || time.Since(begin) != time.Second {
			t.Errorf("no answer: %v, %v after %v", answered, err, time.Since(begin))
		}
		ours, _ = memPair(64)
		if answered, err := ProbeLarge(t.Context(), ours, Config{HandshakeTimeout: time.Second}, 1000); answered || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("no greeting: %v, %v", answered, err)
		}
		ours, theirs = memPair(64 << 10)
		theirs.Write(hello("ROUTER", ""))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if answered, err := ProbeLarge(ctx, ours, Config{}, 1000); answered || !errors.Is(err, context.Canceled) {
			t.Errorf("a context that ended: %v, %v", answered, err)
		}
	})
}

// libzmq's ROUTER sends READY without waiting for ours. Its connection from us, under our identity, continues; with ZMQ_ROUTER_HANDOVER it
// would not if the probe had given that identity.
func TestProbeOfTheirs(t *testing.T) {
	for _, id := range []string{"", hex.EncodeToString(append([]byte{1}, "fedcba9876543210"...))} {
		b := startBot(t)
		endpoint := b.do("socket", args{"type": "ROUTER", "identity": id, "options": args{"ROUTER_HANDOVER": 1}}).Endpoint
		c, _ := dialBot(t, endpoint, NewQueue(10, 1000))
		_ = c.Queue().Push([]byte("before"))
		b.do("recv", nil)
		for range 5 {
			nc, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := Probe(t.Context(), nc, Config{Identity: ourID})
			if err != nil || hex.EncodeToString(got) != id {
				t.Errorf("identity %q: got %x, %v", id, got, err)
			}
		}
		_ = c.Queue().Push([]byte("after"))
		want := []string{hex.EncodeToString(ourID), hex.EncodeToString([]byte("after"))}
		if got := b.do("recv", nil).Frames; !slices.Equal(got, want) {
			t.Errorf("libzmq got %q, want %q", got, want)
		}
		if c.Err() != nil {
			t.Errorf("the connection from before: %v", c.Err())
		}
	}
}
