package curve

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/internal/z85"
)

// zmtpConn is the part of ZMTP that a handshake with libzmq needs.
type zmtpConn struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func newZMTP(t *testing.T, nc net.Conn) *zmtpConn {
	t.Helper()
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	c := &zmtpConn{t, nc, bufio.NewReader(nc)}
	greeting := make([]byte, 64)
	copy(greeting, "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x01CURVE")
	c.write(greeting)
	if _, err := io.ReadFull(c.in, greeting); err != nil || !bytes.Contains(greeting, []byte("CURVE")) {
		t.Fatalf("greeting %q, %v", greeting, err)
	}
	return c
}

func (c *zmtpConn) write(b []byte) {
	c.t.Helper()
	if _, err := c.Conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *zmtpConn) command(body []byte, err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	if len(body) > longestShort {
		c.write(binary.BigEndian.AppendUint64([]byte{4 | flagLong}, uint64(len(body))))
	} else {
		c.write([]byte{4, byte(len(body))})
	}
	c.write(body)
}

// frame reads one frame's body; false at the end of the stream.
func (c *zmtpConn) frame() ([]byte, bool) {
	c.t.Helper()
	header := make([]byte, longHeader)
	if _, err := io.ReadFull(c.in, header[:shortHeader]); err != nil {
		return nil, false
	}
	size := uint64(header[1])
	if header[0]&flagLong != 0 {
		if _, err := io.ReadFull(c.in, header[shortHeader:]); err != nil {
			return nil, false
		}
		size = binary.BigEndian.Uint64(header[1:])
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return nil, false
	}
	return body, true
}

func (c *zmtpConn) need() []byte {
	c.t.Helper()
	body, ok := c.frame()
	if !ok {
		c.t.Fatal("libzmq closed the connection")
	}
	return body
}

func property(name, value string) string {
	return string(rune(len(name))) + name + "\x00\x00\x00" + string(rune(len(value))) + value
}

func text(key [32]byte) string { return z85.Encode(key[:]) }

func secretOf(p *KeyPair) string { return z85.Encode(p.secret.Bytes()) }

// TestLibzmqServer runs our client against a ROUTER of libzmq.
func TestLibzmqServer(t *testing.T) {
	ours, theirs := pair(t, "client"), pair(t, "server")
	bot := exec.Command(testbed.Python(t), "testdata/libzmq.py", "server", secretOf(theirs))
	bot.Stderr = os.Stderr
	out, err := bot.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := bot.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bot.Process.Kill(); _ = bot.Wait() }()
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", "127.0.0.1:"+strings.TrimSpace(port))
	if err != nil {
		t.Fatal(err)
	}
	c := newZMTP(t, nc)
	client, err := NewClient(ours, theirs.Public(), maxCommand)
	if err != nil {
		t.Fatal(err)
	}
	c.command(client.Hello())
	if err := client.Welcome(c.need()); err != nil {
		t.Fatal(err)
	}
	c.command(client.Initiate([]byte(property("Socket-Type", "DEALER") + property("Identity", "me"))))
	metadata, sealer, opener, err := client.Ready(c.need())
	if err != nil || !bytes.Contains(metadata, []byte("ROUTER")) {
		t.Fatalf("metadata %q, %v", metadata, err)
	}
	for _, size := range []int{0, 1, 222, 223, 100_000} {
		sent := [2]string{"size", strings.Repeat("x", size)}
		frame, _ := sealer.Append(nil, More, []byte(sent[0]))
		frame, _ = sealer.Append(frame, 0, []byte(sent[1]))
		c.write(frame)
		for i, want := range sent {
			flags, plain, err := opened(opener, c.need())
			if err != nil || string(plain) != want || flags != byte(More*(1-i)) {
				t.Fatalf("%d bytes: flags %d, %d bytes, %v", size, flags, len(plain), err)
			}
		}
	}
}

// TestLibzmqClient runs our server against a DEALER of libzmq with heartbeats.
func TestLibzmqClient(t *testing.T) {
	ours, theirs := pair(t, "server"), pair(t, "client")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	port := strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
	bot := exec.Command(testbed.Python(t), "testdata/libzmq.py", "client", port, text(ours.Public()), text(theirs.Public()), secretOf(theirs))
	bot.Stderr = os.Stderr
	var out bytes.Buffer
	bot.Stdout = &out
	if err := bot.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bot.Process.Kill() })
	_ = ln.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := newZMTP(t, nc)
	server := NewServer(ours, maxCommand)
	c.command(server.Hello(c.need()))
	key, metadata, err := server.Initiate(c.need())
	if err != nil || key != theirs.Public() || !bytes.Contains(metadata, []byte("DEALER")) {
		t.Fatalf("key %x, metadata %q, %v", key, metadata, err)
	}
	ready, sealer, opener, err := server.Ready([]byte(property("Socket-Type", "ROUTER")))
	c.command(ready, err)
	for body, ok := c.frame(); ok; body, ok = c.frame() {
		flags, plain, err := opened(opener, body)
		if err != nil {
			t.Fatal(err)
		}
		if flags&Command != 0 {
			plain = []byte("\x04PONG") // to its PING, which has no context
		}
		frame, err := sealer.Append(nil, flags, plain)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Conn.Write(frame); err != nil {
			break
		}
	}
	if err := bot.Wait(); err != nil || strings.TrimSpace(out.String()) != "ok" {
		t.Errorf("libzmq printed %q, %v", out.String(), err)
	}
}
