package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

// ZMTP byte by byte, for peers that stop in the middle of it.

// zmtpGreeting returns libzmq's greeting with the mechanism NULL.
func zmtpGreeting() []byte {
	b := make([]byte, 64)
	b[0], b[8], b[9], b[10], b[11] = 0xff, 1, 0x7f, 3, 1
	copy(b[12:], "NULL")
	return b
}

// zmtpReady returns a DEALER's READY command with a node's routing id.
func zmtpReady(id uuid.UUID) []byte {
	body := []byte("\x05READY")
	for _, p := range [][2]string{{"Socket-Type", "DEALER"}, {"Identity", string(identity(id))}} {
		body = append(append(body, byte(len(p[0]))), p[0]...)
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(p[1]))), p[1]...)
	}
	return append([]byte{4, byte(len(body))}, body...)
}

// zmtpMessage returns a message of frames with long headers.
func zmtpMessage(frames ...[]byte) (b []byte) {
	for i, frame := range frames {
		flags := byte(2)
		if i < len(frames)-1 {
			flags |= 1
		}
		b = append(binary.BigEndian.AppendUint64(append(b, flags), uint64(len(frame))), frame...)
	}
	return b
}

// rawPeer is a connection to a node's mailbox. It reads and discards what the node sends.
type rawPeer struct {
	net.Conn
	closed chan struct{} // the node closed it, or we did
}

// rawPeers are the connections of one test.
type rawPeers struct {
	t       testing.TB
	port    uint16
	all     []*rawPeer
	reading sync.WaitGroup
}

func attackers(t testing.TB, port uint16) *rawPeers {
	a := &rawPeers{t: t, port: port}
	t.Cleanup(a.close)
	return a
}

// connect makes a connection from 127.0.0.host and writes bytes to it.
func (a *rawPeers) connect(host byte, octets []byte) *rawPeer {
	a.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, host)}, Timeout: patience}
	nc, err := dialer.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", a.port))
	var op *net.OpError
	if host > 1 && errors.As(err, &op) && op.Op == "dial" && !op.Timeout() && a.all == nil {
		a.t.Skipf("this system has 127.0.0.1 alone: %v", err)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	p := &rawPeer{Conn: nc, closed: make(chan struct{})}
	a.all = append(a.all, p)
	_, _ = nc.Write(octets) // the node may have closed it already
	a.reading.Go(func() {
		defer close(p.closed)
		_, _ = io.Copy(io.Discard, nc)
	})
	return p
}

// open counts the connections that the node has not closed.
func (a *rawPeers) open() (count int) {
	for _, p := range a.all {
		select {
		case <-p.closed:
		default:
			count++
		}
	}
	return count
}

// reset ends a connection without FIN.
func (p *rawPeer) reset() {
	_ = p.Conn.(*net.TCPConn).SetLinger(0)
	_ = p.Close()
}

func (a *rawPeers) close() {
	for _, p := range a.all {
		_ = p.Close()
	}
	a.reading.Wait()
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timed out: %s", what)
		}
	}
}
