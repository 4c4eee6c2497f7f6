package zretest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre/zretest"
)

const (
	addrA, addrB = "10.0.0.1", "10.0.0.2"
	mailbox      = addrB + ":7"
)

// onConnection runs a test on a connection between two hosts, with a latency of one millisecond.
func onConnection(t *testing.T, test func(t *testing.T, lan *zretest.LAN, a, b *zretest.Host, client, server net.Conn)) {
	t.Helper()
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a, b := lan.Host(addrA), lan.Host(addrB)
		client, server := connect(t, a, b, mailbox)
		test(t, lan, a, b, client, server)
	})
}

func write(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
		t.Errorf("write: %d, %v", n, err)
	}
}

func TestStream(t *testing.T) {
	onConnection(t, func(t *testing.T, _ *zretest.LAN, _, _ *zretest.Host, client, server net.Conn) {
		for _, c := range []net.Conn{client, server} {
			if _, err := netip.ParseAddrPort(c.LocalAddr().String()); err != nil || c.LocalAddr().Network() != "tcp" {
				t.Errorf("local address %v: %v", c.LocalAddr(), err)
			}
		}
		if client.RemoteAddr().String() != mailbox || server.RemoteAddr().String() != client.LocalAddr().String() {
			t.Errorf("addresses: %v to %v", client.LocalAddr(), client.RemoteAddr())
		}
		got := reading(server, false)
		write(t, client, "hello")
		(<-got).expect(t, "hello", nil, time.Millisecond)

		got = reading(server, true)
		write(t, client, "to the ")
		write(t, client, "end")
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		(<-got).expect(t, "to the end", nil, time.Millisecond)
		if _, err := client.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
		if err := client.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second close: %v", err)
		}
		// Data for a closed end is answered with a reset.
		write(t, server, "x")
		advance(2 * time.Millisecond)
		if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write to the closed: %v", err)
		}
	})
}

func TestCloseUnread(t *testing.T) {
	onConnection(t, func(t *testing.T, _ *zretest.LAN, _, _ *zretest.Host, client, server net.Conn) {
		write(t, client, "nobody reads this")
		write(t, server, "but this")
		advance(time.Second)
		server.Close()
		advance(time.Second)
		(<-reading(client, false)).expect(t, "but this", nil, 0)
		(<-reading(client, false)).expect(t, "", syscall.ECONNRESET, 0)
	})
}

// A writer waits while 256 KiB are unread.
func TestBackpressure(t *testing.T) {
	onConnection(t, func(t *testing.T, _ *zretest.LAN, _, _ *zretest.Host, client, server net.Conn) {
		const window = 256 << 10
		big := strings.Repeat("x", window+1)
		client.SetWriteDeadline(time.Now().Add(time.Minute))
		if n, err := client.Write([]byte(big)); n != window || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %d, %v", n, err)
		}
		client.SetWriteDeadline(time.Time{})
		written := make(chan struct{})
		go func() {
			write(t, client, "x")
			close(written)
		}()
		advance(time.Minute)
		select {
		case <-written:
			t.Error("the writer did not wait")
		default:
		}
		(<-reading(server, false)).expect(t, big[1:], nil, 0)
		<-written
	})
}

func TestSlowLink(t *testing.T) {
	onConnection(t, func(t *testing.T, lan *zretest.LAN, _, _ *zretest.Host, client, server net.Conn) {
		lan.SetLink(zretest.Link{Latency: 10 * time.Millisecond, Bandwidth: 1000})
		for _, part := range []string{"100 octets", "more"} {
			got := reading(server, false)
			text := strings.Repeat("x", 100-len(part)) + part
			write(t, client, text)
			(<-got).expect(t, text, nil, 110*time.Millisecond)
		}
		lan.SetLink(zretest.Link{Latency: time.Millisecond, Jitter: 100 * time.Millisecond, Loss: 0.3})
		got := reading(server, true)
		var want strings.Builder
		for i := range 1000 {
			text := strings.Repeat("x", i%7) + "."
			write(t, client, text)
			want.WriteString(text)
		}
		client.Close()
		if r := <-got; r.text != want.String() || r.err != nil || r.after < 200*time.Millisecond {
			t.Errorf("%d bytes and %v after %v, want the %d sent, late", len(r.text), r.err, r.after, want.Len())
		}
	})
}

func TestDial(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a, b := lan.Host(addrA), lan.Host(addrB, "10.1.0.2")
		l, err := b.Listen(t.Context(), "tcp", ":7")
		if err != nil {
			t.Fatal(err)
		}
		try := func(what, address string, patience, after time.Duration, want error) {
			t.Helper()
			start := time.Now()
			c, err := a.Dial(contextFor(t, patience), "tcp", address)
			if !errors.Is(err, want) && (want != errNotNil || err == nil) || time.Since(start) != after {
				t.Errorf("%s: %v after %v, want %v after %v", what, err, time.Since(start), want, after)
			}
			if ne, ok := err.(net.Error); err != nil && (!ok || ne.Timeout() != errors.Is(want, context.DeadlineExceeded)) {
				t.Errorf("%s: timeout or not: %v", what, err)
			}
			if err == nil {
				server, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				server.Close()
				c.Close()
			}
		}
		try("open", mailbox, time.Minute, 2*time.Millisecond, nil)
		try("refused", addrB+":8", time.Minute, 2*time.Millisecond, syscall.ECONNREFUSED)
		try("no route", "10.1.0.2:7", time.Minute, 0, syscall.ENETUNREACH)
		try("nobody", "10.0.0.9:7", time.Minute, 2990*time.Millisecond, syscall.EHOSTUNREACH)
		try("not an address", "bob:7", time.Minute, 0, errNotNil)
		lan.Block(b, a)
		try("blocked", mailbox, time.Minute, time.Minute, context.DeadlineExceeded)
		time.AfterFunc(2*time.Second, lan.Heal)
		try("healed", mailbox, time.Minute, 3*time.Second+4*time.Millisecond, nil)
		a.Freeze()
		time.AfterFunc(500*time.Millisecond, a.Thaw)
		try("frozen", mailbox, time.Minute, time.Second+2*time.Millisecond, nil)
		lan.SetLink(zretest.Link{Loss: 1})
		try("lost", mailbox, time.Second, time.Second, context.DeadlineExceeded)
		lan.SetLink(zretest.Link{})
		b.Crash()
		try("crashed", mailbox, time.Minute, time.Minute, context.DeadlineExceeded)
		b.Boot()
		try("booted", mailbox, time.Minute, 0, syscall.ECONNREFUSED)
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after a crash: %v", err)
		}
	})
}

// errNotNil stands for any error.
var errNotNil = errors.New("any error")

func TestListen(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		h := lan.Host(addrA)
		sibling := h.Process()
		try := func(p *zretest.Host, network, address string, want error) net.Listener {
			t.Helper()
			l, err := p.Listen(t.Context(), network, address)
			if !errors.Is(err, want) {
				t.Errorf("%s %s: %v, want %v", network, address, err, want)
			}
			if err == nil {
				t.Cleanup(func() { l.Close() })
			}
			return l
		}
		all := try(h, "tcp", ":7", nil)
		try(sibling, "tcp", ":7", syscall.EADDRINUSE)
		try(sibling, "tcp", addrA+":7", syscall.EADDRINUSE)
		one := try(h, "tcp", addrA+":8", nil)
		try(sibling, "tcp", ":8", syscall.EADDRINUSE)
		try(h, "tcp", "127.0.0.1:8", nil)
		try(h, "tcp", addrB+":9", syscall.EADDRNOTAVAIL)
		free := try(h, "tcp", ":0", nil)
		if ap, err := netip.ParseAddrPort(free.Addr().String()); err != nil || ap.Port() == 0 {
			t.Errorf("listens on %v", free.Addr())
		}
		try(h, "unix", "/a", nil)
		try(sibling, "unix", "/a", syscall.EADDRINUSE)
		all.Close()
		try(sibling, "tcp", ":7", nil)

		for _, address := range []string{addrA + ":8", "127.0.0.1:8", "127.0.0.1:7"} {
			if c, err := sibling.Dial(t.Context(), "tcp", address); err != nil {
				t.Error(err)
			} else {
				c.Close()
			}
		}
		if _, err := h.Dial(t.Context(), "unix", "/b"); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("no such socket: %v", err)
		}
		if _, err := lan.Host(addrB).Dial(t.Context(), "unix", "/a"); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("a socket of another host: %v", err)
		}
		if err := one.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A connection that is cut off stays for half a minute. Then keepalive ends it if nothing was sent.
func TestCutConnection(t *testing.T) {
	onConnection(t, func(t *testing.T, lan *zretest.LAN, a, _ *zretest.Host, client, server net.Conn) {
		lan.Partition(a)
		got := reading(server, false)
		write(t, client, "late")
		time.Sleep(time.Second)
		lan.Heal()
		// Retransmitted after 200, 600 and 1400 ms.
		(<-got).expect(t, "late", nil, 1401*time.Millisecond)

		lan.Partition(a)
		got = reading(server, false)
		time.Sleep(29 * time.Second)
		write(t, client, "x")
		(<-got).expect(t, "", syscall.ETIMEDOUT, 30*time.Second)
		lan.Heal()
		advance(time.Minute)
		if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write to an end that was given up: %v", err)
		}
	})
}

func TestOneWay(t *testing.T) {
	onConnection(t, func(t *testing.T, lan *zretest.LAN, a, b *zretest.Host, client, server net.Conn) {
		lan.Block(a, b)
		got := reading(server, false)
		write(t, client, "x")
		(<-got).expect(t, "", syscall.ETIMEDOUT, 30*time.Second)
		advance(15 * time.Minute)
		(<-reading(client, false)).expect(t, "", syscall.ETIMEDOUT, 0)
	})
}

func TestEnds(t *testing.T) {
	for _, test := range []struct {
		name  string
		do    func(b *zretest.Host)
		err   error
		after time.Duration
	}{
		{"kill", (*zretest.Host).Kill, io.EOF, time.Millisecond},
		{"reset", (*zretest.Host).ResetConnections, syscall.ECONNRESET, 0},
		{"crash", (*zretest.Host).Crash, syscall.ETIMEDOUT, 30 * time.Second},
		{"interface down", func(b *zretest.Host) { b.InterfaceDown("eth0") }, syscall.ETIMEDOUT, 30 * time.Second},
		{"another address", func(b *zretest.Host) { b.SetAddresses("eth0", "10.0.0.3") }, syscall.ETIMEDOUT, 30 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			onConnection(t, func(t *testing.T, _ *zretest.LAN, _, b *zretest.Host, client, server net.Conn) {
				got := reading(client, false)
				test.do(b)
				(<-got).expect(t, "", test.err, test.after)
			})
		})
	}
}

// After a power cut the other end is half open. It notices when it sends, or by a probe.
func TestHalfOpen(t *testing.T) {
	for _, sends := range []bool{true, false} {
		onConnection(t, func(t *testing.T, _ *zretest.LAN, _, b *zretest.Host, client, server net.Conn) {
			b.Crash()
			if _, err := server.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("read at the crashed end: %v", err)
			}
			time.Sleep(time.Second)
			b.Boot()
			got := reading(client, false)
			if sends {
				write(t, client, "x")
				(<-got).expect(t, "", syscall.ECONNRESET, 2*time.Millisecond)
			} else if r := <-got; !errors.Is(r.err, syscall.ECONNRESET) || r.after > 15*time.Second {
				t.Errorf("a probe: %v after %v", r.err, r.after)
			}
		})
	}
}

func TestFrozenStream(t *testing.T) {
	onConnection(t, func(t *testing.T, lan *zretest.LAN, a, b *zretest.Host, client, server net.Conn) {
		b.Freeze()
		got := reading(server, false)
		write(t, client, "hello")
		wrote := make(chan struct{})
		go func() {
			write(t, server, "answer")
			close(wrote)
		}()
		time.Sleep(time.Minute)
		b.Thaw()
		(<-got).expect(t, "hello", nil, time.Minute)
		<-wrote
		(<-reading(client, false)).expect(t, "answer", nil, time.Millisecond)

		// The system still accepts for a frozen process.
		l, err := b.Listen(t.Context(), "tcp", ":8")
		if err != nil {
			t.Fatal(err)
		}
		b.Freeze()
		c, err := a.Dial(t.Context(), "tcp", addrB+":8")
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan net.Conn, 1)
		go func() {
			c, _ := l.Accept()
			accepted <- c
		}()
		synctest.Wait()
		if len(accepted) > 0 {
			t.Error("a frozen process accepted")
		}
		b.Thaw()
		(<-accepted).Close()
		c.Close()
		l.Close()
	})
}
