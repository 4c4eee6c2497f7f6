package gossip

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// eventually waits for a condition.
func eventually(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// learned keeps what a Hub or a Client reports.
type learned struct {
	mu      sync.Mutex
	tuples  map[string]Tuple
	changes []Change
}

func (l *learned) config() Config {
	l.tuples = make(map[string]Tuple)
	return Config{
		Learned: func(t Tuple) { l.mu.Lock(); defer l.mu.Unlock(); l.tuples[t.Key] = t },
		Changed: func(c Change) { l.mu.Lock(); defer l.mu.Unlock(); l.changes = append(l.changes, c) },
	}
}

func (l *learned) value(key string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tuples[key].Value
}

func (l *learned) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tuples)
}

// ups returns how often a connection came up.
func (l *learned) ups() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.changes {
		if c.Up {
			n++
		}
	}
	return n
}

var build = sync.OnceValues(func() (string, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "gossip-peer-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "peer")
	source := filepath.Join(testbed.Root(), "testdata", "gossip", "peer.c")
	if out, err := exec.Command(cc, "-o", binary, source, "-lczmq", "-lzmq").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %.300s", err, out)
	}
	return binary, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if binary, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(code)
}

// czmq is a process with a zgossip actor of the real czmq.
type czmq struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	port   chan string
	status chan string
	ended  chan struct{} // the actor has ended by itself
	gone   chan struct{}

	mu     sync.Mutex
	tuples map[string]string
}

func startCzmq(t testing.TB) *czmq {
	t.Helper()
	binary, err := build()
	if err != nil {
		testbed.Missing(t, "czmq (apt-get install gcc libczmq-dev): %v", err)
	}
	c := &czmq{
		t: t, cmd: exec.Command(binary), port: make(chan string, 1), status: make(chan string, 1),
		ended: make(chan struct{}), gone: make(chan struct{}), tuples: make(map[string]string),
	}
	c.in, err = c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go c.read(out)
	t.Cleanup(c.kill)
	return c
}

func (c *czmq) read(out io.Reader) {
	defer close(c.gone)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		words := append(strings.SplitN(lines.Text(), " ", 3), "", "")
		switch words[0] {
		case "DELIVER":
			c.mu.Lock()
			c.tuples[words[1]] = words[2]
			c.mu.Unlock()
		case "PORT":
			c.port <- words[1]
		case "STATUS":
			c.status <- words[1]
		case "ENDED":
			close(c.ended)
		}
	}
}

func (c *czmq) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		c.t.Fatal(err)
	}
}

// bind makes it a hub, and returns its address.
func (c *czmq) bind(address string) string {
	c.t.Helper()
	c.send("BIND tcp://%s", address)
	select {
	case port := <-c.port:
		return "127.0.0.1:" + port
	case <-time.After(patience):
		c.t.Fatal("czmq does not bind")
		return ""
	}
}

func (c *czmq) value(key string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tuples[key]
}

func (c *czmq) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.tuples)
}

func (c *czmq) kill() {
	_ = c.cmd.Process.Kill()
	<-c.gone
	_ = c.cmd.Wait()
}

// serveHub runs a Hub on an address until the test ends, or the returned function is called.
func serveHub(t testing.TB, address string, cfg Config) (*Hub, string, func()) {
	t.Helper()
	var l net.Listener
	eventually(t, "listening on "+address, func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", address)
		return err == nil
	})
	h := NewHub(cfg)
	served := make(chan struct{})
	go func() { defer close(served); _ = h.Serve(l) }()
	stop := func() { _ = h.Close(); <-served }
	t.Cleanup(stop)
	return h, l.Addr().String(), stop
}

const anyPort = "127.0.0.1:0"

func newTestClient(t testing.TB, address string, cfg Config) *Client {
	t.Helper()
	c, err := NewClient(address, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func publish(t testing.TB, to interface{ Publish(Tuple) error }, key, value string) {
	t.Helper()
	if err := to.Publish(Tuple{Key: key, Value: value}); err != nil {
		t.Fatal(err)
	}
}

func hundred(do func(key, value string)) {
	for i := range 100 {
		do(fmt.Sprintf("key-%d", i), fmt.Sprintf("value-%d", i))
	}
}
