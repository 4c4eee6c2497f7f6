package zretest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre/zretest"
)

// inFakeTime runs a test on a LAN with a latency of one millisecond.
func inFakeTime(t *testing.T, test func(t *testing.T, lan *zretest.LAN)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		lan.SetLink(zretest.Link{Latency: time.Millisecond})
		test(t, lan)
	})
}

// advance lets fake time pass, and waits until all work that is due then is done.
func advance(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A datagramLog is a UDP socket that collects its datagrams.
type datagramLog struct {
	beacon.PacketConn
	mu  sync.Mutex
	all []string // "octets from source to destination on interface"
	at  []time.Time
}

func listen(t testing.TB, h *zretest.Host, port int, groups ...string) *datagramLog {
	t.Helper()
	s, err := h.ListenPacket("udp4", port)
	if err != nil {
		t.Fatal(err)
	}
	e := logDatagrams(t, s)
	for _, group := range groups {
		if err := s.Join(netip.MustParseAddr(group), 2); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// logDatagrams collects the datagrams that a socket receives.
func logDatagrams(t testing.TB, s beacon.PacketConn) *datagramLog {
	e := &datagramLog{PacketConn: s}
	var reading sync.WaitGroup
	reading.Go(func() {
		b := make([]byte, 1000)
		for {
			n, from, err := s.ReadFrom(b)
			if err != nil {
				return
			}
			e.mu.Lock()
			e.all = append(e.all, fmt.Sprintf("%s from %v to %v on %d", b[:n], from.Src, from.Dst, from.IfIndex))
			e.at = append(e.at, time.Now())
			e.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		s.Close()
		reading.Wait()
	})
	return e
}

// sendFrom sends a datagram from an address of interface eth0.
func (e *datagramLog) sendFrom(t testing.TB, data, src, dst string) {
	t.Helper()
	to := beacon.Destination{Dst: netip.MustParseAddrPort(dst), Src: netip.MustParseAddr(src), IfIndex: 2}
	if err := e.WriteTo([]byte(data), to); err != nil {
		t.Error(err)
	}
}

func (e *datagramLog) takeAll() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.all
	e.all, e.at = nil, nil
	return all
}

// connect returns both ends of a connection from a to b.
func connect(t testing.TB, a, b *zretest.Host, address string) (client, server net.Conn) {
	t.Helper()
	l, err := b.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = a.Dial(t.Context(), "tcp", address); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// result is the outcome of a Read and its time.
type result struct {
	text  string
	err   error
	after time.Duration
}

// reading reads once, or to the end of the stream, in another goroutine.
func reading(c io.Reader, whole bool) <-chan result {
	results := make(chan result, 1)
	start := time.Now()
	go func() {
		b := make([]byte, 1<<20)
		n, err := 0, error(nil)
		if whole {
			var all []byte
			all, err = io.ReadAll(c)
			n = copy(b, all)
		} else {
			n, err = c.Read(b)
		}
		results <- result{string(b[:n]), err, time.Since(start)}
	}()
	return results
}

func (r result) expect(t testing.TB, text string, err error, after time.Duration) {
	t.Helper()
	if r.text != text || !errors.Is(r.err, err) || r.after != after {
		t.Errorf("read %q, %v after %v; want %q, %v after %v", r.text, r.err, r.after, text, err, after)
	}
}

func expectEqual[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func contextFor(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// endpointOf returns the first endpoint of a node, or "" if it has none.
func endpointOf(node interface{ Endpoints() []string }) string {
	if list := node.Endpoints(); len(list) > 0 {
		return list[0]
	}
	return ""
}
