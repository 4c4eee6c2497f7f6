package zmtp

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// TestReason ends TCP connections in each way, before or after a write notices, and checks the error that Closed gets.
func TestReason(t *testing.T) {
	reset := func(peer *net.TCPConn) { _ = peer.SetLinger(0); peer.Close() }
	for name, test := range map[string]struct {
		end   func(peer *net.TCPConn)
		write bool // until a write fails, and read only then
		want  error
	}{
		"FIN":                         {func(peer *net.TCPConn) { peer.Close() }, false, io.EOF},
		"FIN, and a write":            {func(peer *net.TCPConn) { peer.Close() }, true, io.EOF},
		"FIN in a message":            {func(peer *net.TCPConn) { peer.Write([]byte{1}); peer.Close() }, false, io.ErrUnexpectedEOF},
		"FIN in a message, and write": {func(peer *net.TCPConn) { peer.Write([]byte{1}); peer.Close() }, true, io.ErrUnexpectedEOF},
		"reset":                       {reset, false, syscall.ECONNRESET},
		"reset, and a write":          {reset, true, syscall.ECONNRESET},
		"reset in a message, and a write": {
			func(peer *net.TCPConn) { peer.Write([]byte{1}); reset(peer) }, true, syscall.ECONNRESET},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t)
			defer l.Close()
			nc, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			peer, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			peer.Write(hello("ROUTER", ""))
			recv := &held{newRecorder(10), make(chan struct{})}
			q := NewQueue(1000, 1<<20)
			c, err := Open(t.Context(), nc, Config{}, q, nil, recv)
			if err != nil {
				t.Fatal(err)
			}
			peer.Write(message("held"))
			_, _ = io.ReadFull(peer, make([]byte, len(hello("DEALER", "")))) // what is unread would be reset
			test.end(peer.(*net.TCPConn))
			for deadline := time.Now().Add(10 * time.Second); test.write && q.Push(nil) == nil; {
				_ = q.Flush(t.Context())
				if time.Now().After(deadline) {
					t.Fatal("no write fails")
				}
			}
			close(recv.until)
			if err := recv.end(t); !errors.Is(err, test.want) || c.Err() != err {
				t.Errorf("closed with %v, %v; want %v", err, c.Err(), test.want)
			}
		})
	}
}
