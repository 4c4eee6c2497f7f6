package zmtp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/z85"
)

// curveOptions returns the options of a libzmq socket that has the keys of that name, and more.
func curveOptions(t testing.TB, name, server string, more args) args {
	t.Helper()
	secret, public := sha256.Sum256([]byte(name)), keys(t, name).Public()
	options := args{"CURVE_SECRETKEY": z85.Encode(secret[:]), "CURVE_PUBLICKEY": z85.Encode(public[:])}
	if server == "" {
		options["CURVE_SERVER"] = 1
	} else {
		public := keys(t, server).Public()
		options["CURVE_SERVERKEY"] = z85.Encode(public[:])
	}
	for name, value := range more {
		options[name] = value
	}
	return options
}

// curveToBot opens our DEALER to the bot's ROUTER, which has the keys of "server".
func curveToBot(t *testing.T, endpoint string, curve *Curve) (*Conn, *recorder, error) {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	recv := newRecorder(1000)
	cfg := Config{Identity: ourID, Properties: map[string]string{"X-Colour": "red"}, Curve: curve}
	c, err := Open(t.Context(), nc, cfg, NewQueue(1000, 8<<20), nil, recv)
	if err == nil {
		t.Cleanup(func() { c.Close(nil); <-c.finished })
	}
	return c, recv, err
}

// serveBotCurve runs our ROUTER, and has the bot connect a DEALER with the keys of "client".
func serveBotCurve(t *testing.T, b *bot, curve *Curve, options args) *inbox {
	t.Helper()
	in, l := newInbox(), listen(t)
	serve(t, NewRouter(Config{Identity: ourID, Properties: map[string]string{"X-Colour": "red"}, Curve: curve}, in.accept), l)
	b.do("socket", args{"type": "DEALER", "identity": hex.EncodeToString(ourID),
		"connect": "tcp://" + l.Addr().String(), "options": curveOptions(t, "client", "server", options)})
	return in
}

func largeBodies() [][][]byte { return append(bodies(), [][]byte{{1}, make([]byte, 20<<20), {2}}) }

func TestCurveOurDealerTheirRouter(t *testing.T) {
	b := startBot(t)
	endpoint := b.do("socket", args{"type": "ROUTER", "options": curveOptions(t, "server", "", nil)}).Endpoint
	c, recv, err := curveToBot(t, endpoint, secure(t, "client", "server"))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Queue().Push([]byte("who"), []byte("am I"))
	got := b.do("recv", args{"property": "X-Colour"})
	if want := []string{hex.EncodeToString(ourID), hex.EncodeToString([]byte("who")), hex.EncodeToString([]byte("am I"))}; !slices.Equal(got.Frames, want) || got.Property != "red" {
		t.Errorf("libzmq got %q, property %q", got.Frames, got.Property)
	}
	all := largeBodies()
	echoed := b.start("echo", args{"n": len(all)})
	for i, body := range all {
		if err := push(c.Queue(), body...); err != nil {
			t.Fatal(err)
		}
		if got := recv.next(t); !equal(got, body) {
			t.Errorf("message %d came back changed", i)
		}
	}
	echoed()
	const many = 50_000
	counted := b.start("count", args{"n": many, "size": 16})
	body := bytes.Repeat([]byte("x"), 16)
	for i := range many {
		if err := push(c.Queue(), []byte{0, byte(i >> 16), byte(i >> 8), byte(i)}, body); err != nil {
			t.Fatal(err)
		}
	}
	if bad := counted().Bad; bad != 0 || c.Err() != nil {
		t.Errorf("%d of %d messages out of order; %v", bad, many, c.Err())
	}
	b.do("close", nil)
	recv.end(t)
}

func TestCurveTheirDealerOurRouter(t *testing.T) {
	b := startBot(t)
	in := serveBotCurve(t, b, secure(t, "server", ""), nil)
	recv := wait(t, in.conns, "libzmq's connection")
	if key, ok := recv.conn.PublicKey(); !ok || key != keys(t, "client").Public() || !bytes.Equal(recv.conn.Identity(), ourID) {
		t.Errorf("key %x, identity %x", key, recv.conn.Identity())
	}
	sendThereAndBack(t, b, recv)
	const many = 50_000
	b.start("flood", args{"n": many, "size": 16})
	for i := range many {
		got := recv.next(t)
		if want := []byte{0, byte(i >> 16), byte(i >> 8), byte(i)}; len(got) != 2 || !bytes.Equal(got[0], want) || len(got[1]) != 16 {
			t.Fatalf("message %d is %x", i, got)
		}
	}
}

// TestCurveHeartbeat has libzmq watch an idle connection for some seconds, with PINGs inside MESSAGE.
func TestCurveHeartbeat(t *testing.T) {
	patient := args{"HEARTBEAT_IVL": 50, "HEARTBEAT_TIMEOUT": 1500, "HEARTBEAT_TTL": 1500}
	check := func(t *testing.T, b *bot, c *Conn) {
		t.Helper()
		if events := b.do("events", args{"ms": 2500}).Events; slices.Contains(events, "DISCONNECTED") {
			t.Errorf("libzmq cut the connection: %q", events)
		}
		if err := c.Err(); err != nil {
			t.Error(err)
		}
		q := c.Queue()
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.written < 5 {
			t.Errorf("only %d PONGs were written: the test tests nothing", q.written)
		}
	}
	t.Run("our DEALER", func(t *testing.T) {
		b := startBot(t)
		endpoint := b.do("socket", args{"type": "ROUTER", "options": curveOptions(t, "server", "", patient)}).Endpoint
		c, _, err := curveToBot(t, endpoint, secure(t, "client", "server"))
		if err != nil {
			t.Fatal(err)
		}
		check(t, b, c)
	})
	t.Run("our ROUTER", func(t *testing.T) {
		b := startBot(t)
		in := serveBotCurve(t, b, secure(t, "server", ""), patient)
		check(t, b, wait(t, in.conns, "libzmq's connection").conn)
	})
}

// A refused peer is told so, and libzmq does not reconnect.
func TestCurveRefused(t *testing.T) {
	t.Run("by libzmq", func(t *testing.T) {
		b := startBot(t)
		public := keys(t, "client").Public()
		b.do("auth", args{"keys": []string{z85.Encode(public[:])}})
		endpoint := b.do("socket", args{"type": "ROUTER", "options": curveOptions(t, "server", "", nil)}).Endpoint
		if _, _, err := curveToBot(t, endpoint, secure(t, "client", "server")); err != nil {
			t.Errorf("the key on the list: %v", err)
		}
		_, _, err := curveToBot(t, endpoint, secure(t, "stranger", "server"))
		if refused, ok := errors.AsType[*PeerError](err); !ok || refused.Reason != "400" {
			t.Errorf("another key: %v", err)
		}
	})
	t.Run("by us", func(t *testing.T) {
		b, asked := startBot(t), make(chan Candidate, 100)
		server := secure(t, "server", "")
		server.Authorize = func(_ context.Context, c Candidate) error { asked <- c; return errTest }
		in := serveBotCurve(t, b, server, args{"RECONNECT_IVL": 10})
		if c := wait(t, asked, "the question"); !bytes.Equal(c.Identity, ourID) || c.PublicKey != keys(t, "client").Public() {
			t.Errorf("asked about %+v", c)
		}
		if events := b.do("events", args{"ms": 500}).Events; !slices.Contains(events, "HANDSHAKE_FAILED_AUTH") {
			t.Errorf("libzmq tells %q", events)
		}
		if len(in.conns) != 0 || len(asked) != 0 {
			t.Errorf("%d connections; it came back %d times", len(in.conns), len(asked))
		}
	})
}

// The errors for another key and for another mechanism differ.
func TestCurveMismatch(t *testing.T) {
	b := startBot(t)
	endpoint := b.do("socket", args{"type": "ROUTER", "options": curveOptions(t, "server", "", nil)}).Endpoint
	if _, _, err := curveToBot(t, endpoint, secure(t, "client", "other")); err != ErrNoWelcome {
		t.Errorf("another key: %v", err)
	}
	probe := func(endpoint string, cfg Config) error {
		nc, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Probe(t.Context(), nc, cfg)
		return err
	}
	if other, ok := errors.AsType[*MechanismError](probe(endpoint, Config{})); !ok || other.Theirs != "CURVE" {
		t.Errorf("a plain probe of a CURVE ROUTER: %v", other)
	}
	if err := probe(endpoint, Config{Curve: secure(t, "client", "server")}); err != nil {
		t.Errorf("a probe with the right key: %v", err)
	}
	plain := startBot(t).do("socket", args{"type": "ROUTER"}).Endpoint
	if err := probe(plain, Config{}); err != nil {
		t.Errorf("a plain probe of a plain ROUTER: %v", err)
	}
	if other, ok := errors.AsType[*MechanismError](probe(plain, Config{Curve: secure(t, "client", "server")})); !ok || other.Theirs != "NULL" {
		t.Errorf("a CURVE probe of a plain ROUTER: %v", other)
	}
	if _, _, err := curveToBot(t, plain, secure(t, "client", "server")); err == nil {
		t.Error("a plain ROUTER is no downgrade")
	}
}
