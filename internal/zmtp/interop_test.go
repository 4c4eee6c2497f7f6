package zmtp

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// bot is a libzmq socket in another process (testdata/bot.py).
type bot struct {
	t       testing.TB
	in      *json.Encoder
	out     *bufio.Scanner
	process *exec.Cmd
}

type args map[string]any

// answer has the fields of all answers.
type answer struct {
	Error    string
	Endpoint string
	Frames   []string
	Property string
	Bad      int
	Events   []string
}

func startBot(t testing.TB) *bot {
	t.Helper()
	b := &bot{t: t, process: exec.Command(testbed.Python(t), "testdata/bot.py")}
	b.process.Stderr = os.Stderr
	in, err := b.process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.process.Start(); err != nil {
		t.Fatal(err)
	}
	b.in, b.out = json.NewEncoder(in), bufio.NewScanner(out)
	b.out.Buffer(nil, 16<<20)
	t.Cleanup(func() {
		_ = in.Close()
		_ = b.process.Process.Kill()
		_ = b.process.Wait()
	})
	return b
}

// start sends a command; the function it returns waits for the answer.
func (b *bot) start(do string, a args) func() answer {
	b.t.Helper()
	if a == nil {
		a = args{}
	}
	a["do"] = do
	if err := b.in.Encode(a); err != nil {
		b.t.Fatal(err)
	}
	return func() answer {
		b.t.Helper()
		var got answer
		if !b.out.Scan() {
			b.t.Fatalf("the bot ended during %q", do)
		}
		if err := json.Unmarshal(b.out.Bytes(), &got); err != nil || got.Error != "" {
			b.t.Fatalf("bot: %s: %v %s", do, err, got.Error)
		}
		return got
	}
}

func (b *bot) do(do string, a args) answer { b.t.Helper(); return b.start(do, a)() }

var ourID = append([]byte{1}, "0123456789abcdef"...)

// dialBot opens our DEALER to the bot's ROUTER.
func dialBot(t *testing.T, endpoint string, q *Queue) (*Conn, *recorder) {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	recv := newRecorder(1000)
	cfg := Config{Identity: ourID, Properties: map[string]string{"X-Colour": "red"}}
	c, err := Open(t.Context(), nc, cfg, q, nil, recv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(nil); <-c.finished })
	return c, recv
}

// serveBot runs our ROUTER, and has the bot connect a DEALER.
func serveBot(t *testing.T, b *bot, options args) *inbox {
	t.Helper()
	in, l := newInbox(), listen(t)
	serve(t, NewRouter(Config{Identity: ourID, Properties: map[string]string{"X-Colour": "red"}}, in.accept), l)
	b.do("socket", args{"type": "DEALER", "identity": hex.EncodeToString(ourID),
		"connect": "tcp://" + l.Addr().String(), "options": options})
	return in
}

// bodies are messages of all kinds.
func bodies() [][][]byte {
	of := func(n int) []byte { return bytes.Repeat([]byte{byte(n), 1, 2, 3}, n/4+1)[:n] }
	all := [][][]byte{
		{{}}, {of(1)}, {of(16), of(17)}, {{}, {}}, {of(3), {}, of(5)}, {of(255)}, {of(256)}, {of(255), {}, of(256), of(70_000)},
	}
	for n := 4 << 10; n <= 1<<20; n *= 2 {
		all = append(all, [][]byte{of(6), of(n - 1)}, [][]byte{of(n)})
	}
	return all
}

func equal(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

func TestOurDealerTheirRouter(t *testing.T) {
	b := startBot(t)
	endpoint := b.do("socket", args{"type": "ROUTER"}).Endpoint
	c, recv := dialBot(t, endpoint, NewQueue(1000, 4<<20))
	if c.Property("Socket-Type") != "ROUTER" || len(c.Identity()) != 0 {
		t.Errorf("peer is %q %q", c.Property("Socket-Type"), c.Identity())
	}

	_ = c.Queue().Push([]byte("who"), []byte("am I"))
	got := b.do("recv", args{"property": "X-Colour"})
	if want := []string{hex.EncodeToString(ourID), hex.EncodeToString([]byte("who")), hex.EncodeToString([]byte("am I"))}; !slices.Equal(got.Frames, want) || got.Property != "red" {
		t.Errorf("libzmq got %q, property %q", got.Frames, got.Property)
	}

	all := bodies()
	echoed := b.start("echo", args{"n": len(all)})
	for _, body := range all {
		if err := push(c.Queue(), body...); err != nil {
			t.Fatal(err)
		}
	}
	for i, body := range all {
		if got := recv.next(t); !equal(got, body) {
			t.Errorf("message %d came back changed", i)
		}
	}
	echoed()

	const many = 100_000
	counted := b.start("count", args{"n": many, "size": 16})
	body := bytes.Repeat([]byte("x"), 16)
	for i := range many {
		if err := push(c.Queue(), []byte{0, byte(i >> 16), byte(i >> 8), byte(i)}, body); err != nil {
			t.Fatal(err)
		}
	}
	if bad := counted().Bad; bad != 0 {
		t.Errorf("%d of %d messages out of order", bad, many)
	}
	if c.Err() != nil {
		t.Error(c.Err())
	}
	b.do("close", nil)
	recv.end(t)
}

func TestTheirDealerOurRouter(t *testing.T) {
	b := startBot(t)
	in := serveBot(t, b, nil)
	recv := wait(t, in.conns, "libzmq's connection")
	if !bytes.Equal(recv.conn.Identity(), ourID) {
		t.Errorf("libzmq's identity: got %x, want %x", recv.conn.Identity(), ourID)
	}
	sendThereAndBack(t, b, recv)
	const many = 100_000
	b.start("flood", args{"n": many, "size": 16})
	for i := range many {
		got := recv.next(t)
		if want := []byte{0, byte(i >> 16), byte(i >> 8), byte(i)}; len(got) != 2 || !bytes.Equal(got[0], want) || len(got[1]) != 16 {
			t.Fatalf("message %d is %x", i, got)
		}
	}
}

// Heartbeats of libzmq: a PING every 50 ms, and the connection is cut when nothing comes back for 200 ms.
var heartbeat = args{"HEARTBEAT_IVL": 50, "HEARTBEAT_TIMEOUT": 200, "HEARTBEAT_TTL": 200}

// TestHeartbeat has libzmq watch an idle connection for a second. Without a PONG it would cut it.
func TestHeartbeat(t *testing.T) {
	check := func(t *testing.T, b *bot, c *Conn) {
		t.Helper()
		if events := b.do("events", args{"ms": 1000}).Events; slices.Contains(events, "DISCONNECTED") {
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
		endpoint := b.do("socket", args{"type": "ROUTER", "options": heartbeat}).Endpoint
		c, _ := dialBot(t, endpoint, NewQueue(10, 1000))
		check(t, b, c)
	})
	t.Run("our ROUTER", func(t *testing.T) {
		b := startBot(t)
		in := serveBot(t, b, heartbeat)
		check(t, b, wait(t, in.conns, "libzmq's connection").conn)
	})
}

// TestReconnect has libzmq reconnect after we closed, and take over from a connection that still lives.
func TestReconnect(t *testing.T) {
	b := startBot(t)
	in := serveBot(t, b, args{"RECONNECT_IVL": 10})
	first := wait(t, in.conns, "libzmq's connection")
	first.conn.Close(nil)
	first.end(t)
	second := wait(t, in.conns, "libzmq's second connection")
	b.do("send", args{"frames": []string{"61"}})
	if got := strs(second.next(t)); !slices.Equal(got, []string{"a"}) {
		t.Errorf("message after libzmq reconnected: got %q, want a", got)
	}

	other := startBot(t)
	other.do("socket", args{"type": "DEALER", "identity": hex.EncodeToString(ourID), "connect": "tcp://" + second.conn.LocalAddr().String()})
	third := wait(t, in.conns, "another libzmq's connection")
	if err := second.end(t); err != ErrReplaced {
		t.Errorf("the older connection ended with %v", err)
	}
	if !bytes.Equal(third.conn.Identity(), ourID) {
		t.Errorf("identity of the third connection: got %x, want %x", third.conn.Identity(), ourID)
	}
}

// TestHandoverAtTheirs has us reconnect to a libzmq ROUTER under the same identity.
func TestHandoverAtTheirs(t *testing.T) {
	b := startBot(t)
	endpoint := b.do("socket", args{"type": "ROUTER", "options": args{"ROUTER_HANDOVER": 1}}).Endpoint
	for i := range 5 {
		c, _ := dialBot(t, endpoint, NewQueue(10, 1000))
		_ = c.Queue().Push([]byte{byte(i)})
		got := b.do("recv", nil).Frames
		if want := []string{hex.EncodeToString(ourID), fmt.Sprintf("%02x", i)}; !slices.Equal(got, want) {
			t.Errorf("round %d: got %q", i, got)
		}
	}
}

// TestWrongPeers connects libzmq sockets of other types, which we refuse.
func TestWrongPeers(t *testing.T) {
	b := startBot(t)
	in, l := newInbox(), listen(t)
	serve(t, NewRouter(Config{}, in.accept), l)
	for _, kind := range []string{"REQ", "ROUTER", "PUSH", "SUB"} {
		b.do("socket", args{"type": kind, "connect": "tcp://" + l.Addr().String()})
		events := b.do("events", args{"ms": 100}).Events
		if !slices.ContainsFunc(events, func(e string) bool { return e == "DISCONNECTED" || strings.HasPrefix(e, "HANDSHAKE_FAILED") }) {
			t.Errorf("%s: %q", kind, events)
		}
		b.do("close", nil)
	}
	if len(in.conns) != 0 {
		t.Error("a peer of another socket type was accepted")
	}
	b.do("socket", args{"type": "DEALER", "connect": "tcp://" + l.Addr().String()})
	wait(t, in.conns, "a DEALER's connection")
}

// BenchmarkDialHandshake measures what a new connection costs, both sides.
func BenchmarkDialHandshake(b *testing.B) {
	l := listen(b)
	r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return nullReceiver{}, nil })
	defer r.Close()
	go r.Serve(l)
	for b.Loop() {
		nc, err := net.DialTimeout("tcp", l.Addr().String(), time.Second)
		if err != nil {
			b.Fatal(err)
		}
		c, err := Open(b.Context(), nc, Config{Identity: ourID}, NewQueue(10, 1000), nil, nullReceiver{})
		if err != nil {
			b.Fatal(err)
		}
		c.Close(nil)
		<-c.finished
	}
}

// sendThereAndBack has libzmq send messages of all kinds, and sends each back.
func sendThereAndBack(t *testing.T, b *bot, recv *recorder) {
	t.Helper()
	for i, body := range bodies() {
		var frames []string
		for _, f := range body {
			frames = append(frames, hex.EncodeToString(f))
		}
		b.do("send", args{"frames": frames})
		got := recv.next(t)
		if !equal(got, body) {
			t.Errorf("message %d arrived changed", i)
		}
		_ = recv.conn.Queue().Push(got...)
		back := b.do("recv", args{"property": "X-Colour"})
		if !slices.Equal(back.Frames, frames) || back.Property != "red" {
			t.Errorf("message %d: libzmq got it back changed, or property %q", i, back.Property)
		}
	}
}
