package zmtp

import (
	"context"
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

var roles = []struct{ role, peer string }{{"ROUTER", "DEALER"}, {"DEALER", "ROUTER"}}

func TestHandshake(t *testing.T) {
	for _, r := range roles {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := memPair(64 << 10)
			said := readAll(theirs)
			// What follows READY directly must be left in the connection.
			theirs.Write(join(greet(),
				command("READY", prop("socket-type", r.peer)+prop("X-Colour", "red")+prop("Identity", "you")), message("a")))
			cfg := Config{Identity: []byte("me"), Properties: map[string]string{"X-Size": "L"}}
			peer, err := handshakeWith(ours, cfg, r.role)
			if err != nil || peer.get("x-colour") != "red" || peer.get("Identity") != "you" {
				t.Fatalf("as %s: got %v, %v", r.role, peer, err)
			}
			elapse(time.Hour) // no deadline is left
			rest := make([]byte, 10)
			if n, err := ours.Read(rest); err != nil || string(rest[:n]) != string(message("a")) {
				t.Errorf("as %s: the rest is %q, %v", r.role, rest[:n], err)
			}
			ours.Close()
			want := greet()
			want[8], want[11] = 0, 0 // zmq4 greets as 3.0 and leaves the padding empty
			want = append(want, command("READY",
				prop("Socket-Type", r.role)+prop("Identity", "me")+prop("X-Size", "L"))...)
			if got := <-said; string(got) != string(want) {
				t.Errorf("as %s: said\n%q, want\n%q", r.role, got, want)
			}
		})
	}
}

// attacks are what hostile, broken or foolish peers send up to READY, with a part of the resulting error. Those that leave the connection
// open and send too little run into the time limit.
func attacks(peer string) map[string]struct {
	bytes []byte
	want  string
} {
	type attack = struct {
		bytes []byte
		want  string
	}
	edit := func(at int, octets string) []byte {
		b := hello(peer, "x")
		copy(b[at:], octets)
		return b
	}
	ready := func(body string) []byte { return join(greet(), command("READY", body)) }
	typed := prop("Socket-Type", peer)
	long := func(flags byte, size ...byte) []byte { return join(greet(), []byte{flags}, size) }
	return map[string]attack{
		"silence":                      {nil, "not finished within 5s"},
		"one byte, then silence":       {[]byte{0xff}, "not finished within 5s"},
		"greeting, then silence":       {greet(), "not finished within 5s"},
		"half a READY, then silence":   {hello(peer, "x")[:80], "not finished within 5s"},
		"HTTP":                         {[]byte("GET / HTTP/1.1\r\n\r\n"), "no ZMTP greeting"},
		"TLS":                          {[]byte{0x16, 3, 1}, "no ZMTP greeting"},
		"ZMTP 1":                       {[]byte{1, 0}, "perhaps ZMTP 1"},
		"ZMTP 1, long identity":        {edit(9, "\x00"), "perhaps ZMTP 1"},
		"ZMTP 2 (libzmq 3)":            {edit(10, "\x01")[:12], "ZMTP version 2"},
		"PLAIN":                        {edit(mechanismAt, "PLAIN"), `mechanism "PLAIN"`},
		"CURVE":                        {edit(mechanismAt, "CURVE"), `mechanism "CURVE"`},
		"no mechanism":                 {edit(mechanismAt, "\x00\x00\x00\x00"), `mechanism ""`},
		"mechanism NULL with a tail":   {edit(mechanismAt, "NULL\x00x"), "mechanism"},
		"message first":                {join(greet(), message("a")), "only commands"},
		"endless frames with MORE":     {join(greet(), []byte(strings.Repeat("\x05\x00", 1000))), "only commands"},
		"reserved flag":                {join(greet(), []byte{0x0c, 0}), "only commands"},
		"command of 8193":              {long(6, 0, 0, 0, 0, 0, 0, 0x20, 1), "8193 bytes"},
		"command of 2^31":              {long(6, 0, 0, 0, 0, 0x80, 0, 0, 0), "2147483648 bytes"},
		"command of 2^40":              {long(6, 0, 0, 1, 0, 0, 0, 0, 0), "1099511627776 bytes"},
		"command of 2^63-1":            {long(6, 0x7f, 255, 255, 255, 255, 255, 255, 255), "9223372036854775807 bytes"},
		"command of 2^64-1":            {long(6, 255, 255, 255, 255, 255, 255, 255, 255), "18446744073709551615 bytes"},
		"empty command":                {join(greet(), []byte{4, 0}), "closed the connection"},
		"command name longer than it":  {join(greet(), []byte{4, 2, 9, 'R'}), "handshake failed"},
		"HELLO":                        {join(greet(), command("HELLO", "")), `command "HELLO"`},
		"ready in lower case":          {join(greet(), command("ready", typed)), `command "ready"`},
		"ERROR":                        {join(greet(), command("ERROR", "\x03bad")), `refused the connection: "bad"`},
		"ERROR, empty":                 {join(greet(), command("ERROR", "")), "without a whole reason"},
		"ERROR, cut":                   {join(greet(), command("ERROR", "\x04bad")), "without a whole reason"},
		"READY, empty":                 {ready(""), `socket type ""`},
		"READY without Socket-Type":    {ready(prop("Identity", "x")), `socket type ""`},
		"unknown socket type":          {ready(prop("Socket-Type", "FOO")), `socket type "FOO"`},
		"socket type of 8 KiB":         {ready(prop("Socket-Type", strings.Repeat("x", 8000))), "socket type"},
		"our own socket type":          {ready(prop("Socket-Type", map[string]string{"DEALER": "ROUTER", "ROUTER": "DEALER"}[peer])), "socket type"},
		"REQ":                          {ready(prop("Socket-Type", "REQ")), `socket type "REQ"`},
		"REP":                          {ready(prop("Socket-Type", "REP")), `socket type "REP"`},
		"SUB":                          {ready(prop("Socket-Type", "SUB")), `socket type "SUB"`},
		"metadata cut in a name":       {ready(typed + "\x09Ident"), "name of 9 bytes"},
		"metadata cut in a value":      {ready(typed + "\x08Identity\x00\x00\x00\x05abc"), "of 5 bytes where 3"},
		"metadata cut before a length": {ready(typed + "\x08Identity"), "truncated after"},
		"property name of 0":           {ready(typed + "\x00\x00\x00\x00\x00"), "name of 0 bytes"},
		"property value of 2^31":       {ready(typed + "\x01a\x80\x00\x00\x00"), "2147483648"},
		"property value of 2^32-1":     {ready(typed + "\x01a\xff\xff\xff\xff"), "4294967295"},
		"Socket-Type twice":            {ready(typed + typed), "twice"},
		"Identity twice":               {ready(typed + prop("identity", "a") + prop("Identity", "b")), "twice"},
		"identity of 256":              {ready(typed + prop("Identity", strings.Repeat("x", 256))), "identity of 256"},
	}
}

func TestHostileHandshake(t *testing.T) {
	for _, r := range roles {
		for name, attack := range attacks(r.peer) {
			t.Run(r.role+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ours, theirs := memPair(64 << 10)
					theirs.Write(attack.bytes)
					if name == "empty command" {
						theirs.closeWrite() // zmq4 reads an empty command as the end of the stream
					}
					begin := time.Now()
					var err error
					spent := allocated(func() { _, err = handshakeWith(ours, Config{}, r.role) })
					if err == nil || !strings.Contains(err.Error(), attack.want) {
						t.Errorf("got %v, want %q", err, attack.want)
					}
					if spent > 256<<10 {
						t.Errorf("took %d bytes of memory", spent)
					}
					limit := time.Duration(0)
					if strings.Contains(attack.want, "5s") {
						limit = 5 * time.Second
						if !errors.Is(err, os.ErrDeadlineExceeded) {
							t.Errorf("%v is no time-out", err)
						}
					}
					if took := time.Since(begin); took != limit {
						t.Errorf("took %v, want %v", took, limit)
					}
				})
			})
		}
	}
}

// TestCutHandshake cuts libzmq's recorded streams at every octet of the handshake.
func TestCutHandshake(t *testing.T) {
	s := sessions(t)[0]
	for _, r := range roles {
		stream := octets(t, s.Client)
		if r.peer == "ROUTER" {
			stream = octets(t, s.Server)
		}
		whole := greetingSize + shortHeader + int(stream[greetingSize+1])
		for cut := range whole + 1 {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := memPair(64 << 10)
				theirs.Write(stream[:cut])
				theirs.closeWrite()
				_, err := handshakeWith(ours, Config{}, r.role)
				switch {
				case cut == whole && err != nil:
					t.Errorf("as %s: the whole handshake failed: %v", r.role, err)
				case cut < whole && !errors.Is(err, io.EOF):
					t.Errorf("as %s, cut at %d: got %v", r.role, cut, err)
				}
			})
		}
	}
}

// slow reads one octet at a time.
type slow struct{ net.Conn }

func (c *slow) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(len(p), 1)]) }

func TestHandshakeOctetByOctet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := memPair(64 << 10)
		theirs.Write(hello("DEALER", strings.Repeat("i", 255))) // a long command, so a long header
		if _, err := handshakeWith(&slow{ours}, Config{}, "ROUTER"); err != nil {
			t.Error(err)
		}
	})
}

func TestHandshakeVersions(t *testing.T) {
	for _, version := range [][]byte{{3, 0}, {3, 1}, {3, 9}, {4, 0}} { // a higher one falls back to ours (RFC 23)
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := memPair(64 << 10)
			b := hello("DEALER", "")
			copy(b[10:], version)
			theirs.Write(b)
			if _, err := handshakeWith(ours, Config{}, "ROUTER"); err != nil {
				t.Errorf("version %d: %v", version, err)
			}
		})
	}
}

func TestHandshakeEnds(t *testing.T) {
	t.Run("context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ours, _ := memPair(64 << 10)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(errTest) })
			begin := time.Now()
			c, err := Open(ctx, ours, Config{}, NewQueue(1, 1), nil, nullReceiver{})
			if c != nil || !errors.Is(err, errTest) || time.Since(begin) != time.Second {
				t.Errorf("got %v after %v", err, time.Since(begin))
			}
			if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("connection not closed: %v", err)
			}
		})
	})
	t.Run("own timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ours, _ := memPair(64 << 10)
			begin := time.Now()
			_, err := Open(t.Context(), ours, Config{HandshakeTimeout: time.Minute}, NewQueue(1, 1), nil, nullReceiver{})
			if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Minute {
				t.Errorf("got %v after %v", err, time.Since(begin))
			}
		})
	})
	t.Run("peer reads nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := memPair(10)
			go theirs.Write(hello("ROUTER", ""))
			_, err := Open(t.Context(), ours, Config{}, NewQueue(1, 1), nil, nullReceiver{})
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Open at a silent peer: got %v, want a passed deadline", err)
			}
		})
	})
	t.Run("no deadlines", func(t *testing.T) {
		ours, _ := memPair(10)
		_, err := Open(t.Context(), &noDeadline{ours}, Config{}, NewQueue(1, 1), nil, nullReceiver{})
		if !errors.Is(err, errTest) {
			t.Errorf("Open without deadlines: got %v, want the error of SetDeadline", err)
		}
	})
}

type noDeadline struct{ net.Conn }

func (*noDeadline) SetDeadline(time.Time) error { return errTest }

// TestPanicInHandshake uses a connection that panics, to stand for other faults of zmq4.
func TestPanicInHandshake(t *testing.T) {
	ours, _ := memPair(100)
	_, err := handshakeWith(&panicking{ours}, Config{}, "ROUTER")
	if _, ok := errors.AsType[*ProtocolError](err); !ok || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("a panic in the handshake: got %v, want a ProtocolError", err)
	}
}

type panicking struct{ net.Conn }

func (*panicking) Read([]byte) (int, error) { panic("ouch") }

func TestErrorTexts(t *testing.T) {
	if !errors.Is(ErrClosed, net.ErrClosed) {
		t.Error("ErrClosed is no net.ErrClosed")
	}
	var texts []string
	for _, err := range []error{ErrFull, ErrQueueClosed, ErrClosed, ErrReplaced, violation("x %d", 1), &PeerError{"no\n"}} {
		texts = append(texts, err.Error())
		if !strings.HasPrefix(err.Error(), "zmtp: ") {
			t.Errorf("%q does not start with the package's name", err)
		}
	}
	slices.Sort(texts)
	if len(slices.Compact(texts)) != 6 {
		t.Error("two errors say the same")
	}
}
