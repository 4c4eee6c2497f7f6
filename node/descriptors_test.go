//go:build linux

package node

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// fewDescriptors, in the environment, turns TestFewDescriptors into the node of a process with few file descriptors, on that beacon port,
// until standard input ends. It whispers back what it receives, and logs to standard error.
const fewDescriptors = "ZRE_TEST_FEW_DESCRIPTORS"

// A process without free file descriptors keeps its peers, reports the problem once, and recovers when descriptors are free again.
func TestFewDescriptors(t *testing.T) {
	if port := os.Getenv(fewDescriptors); port != "" {
		if err := runWithFewDescriptors(port); err != nil {
			t.Fatal(err)
		}
		return
	}
	port := beaconPort()
	good := start(t, onLoopback(port, Config{Name: "good"}))
	child := newChild(t, port)
	enter := good.wait("the child", func(e Event) bool { return e.Kind == Enter && e.Peer.Name == "child" })
	id := enter.Peer.UUID
	echo := func(n *testNode, content string) {
		t.Helper()
		if err := n.Whisper(t.Context(), id, []byte(content)); err != nil {
			t.Fatal(err)
		}
		n.wait("the answer "+content, func(e Event) bool { return e.Kind == Whisper && string(e.Frames[0]) == content })
	}
	echo(good, "before")

	endpoint, err := parseEndpoint(enter.Peer.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	a := attackers(t, endpoint.Port())
	for range 100 { // the node has fewer descriptors; the system queues the rest
		a.connect(9, nil)
	}
	child.expect("cannot accept now", 1)
	echo(good, "during")
	late := start(t, onLoopback(port, Config{Name: "late"}))
	child.expect("cannot connect", 3) // it cannot dial either
	for i := range 20 {               // each free descriptor goes to the next connection, or to a dial of the node itself
		a.all[i].reset()
		a.connect(9, nil)
	}
	echo(good, "after that")
	if got := good.count(Exit, id); got != 0 {
		t.Errorf("the child exited: %q", good.eventsOf(id))
	}

	a.close()
	late.waitKind(Enter, id)
	echo(late, "late")
	echo(good, "again")
	if got := good.count(Exit, id); got != 0 {
		t.Errorf("the child exited: %q", good.eventsOf(id))
	}
	child.close()
	for what, times := range child.warnings {
		t.Logf("%d times: %s", times, what)
		if times > 1 {
			t.Errorf("a warning is logged %d times: %s", times, what)
		}
	}
	if len(child.warnings) > 4 { // from two listeners, the interfaces, and ipc
		t.Errorf("%d different warnings, want 4 at most", len(child.warnings))
	}
	if exits := child.count("exit"); exits > 0 {
		t.Errorf("%d peers of the child exited", exits)
	}
}

// runWithFewDescriptors is the node with few descriptors.
func runWithFewDescriptors(port string) error {
	const most = 40
	var beaconPort int
	if _, err := fmt.Sscan(port, &beaconPort); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
		return err
	}
	n, err := New(onLoopback(beaconPort, Config{Name: "child", Log: zerolog.New(os.Stderr)}))
	if err != nil {
		return err
	}
	defer n.Close()
	n.zmtp.HandshakeTimeout = time.Minute // otherwise the flood would be over at once
	if err := n.Start(context.Background()); err != nil {
		return err
	}
	go func() {
		var batch []Event
		for ok := true; ok; {
			if batch, ok = n.Take(batch, nil); ok {
				for _, e := range batch {
					if e.Kind == Whisper {
						_ = n.Whisper(context.Background(), e.Peer.UUID, e.Frames...)
					}
				}
			}
		}
	}()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// child is the process with few descriptors, and its log.
type child struct {
	t     testing.TB
	stdin io.Closer
	wait  func() error

	mu       sync.Mutex
	messages map[string]int
	warnings map[string]int // messages at level warn and above
}

func newChild(t testing.TB, port int) *child {
	cmd := exec.Command(os.Args[0], "-test.run=^TestFewDescriptors$")
	cmd.Env = append(os.Environ(), fmt.Sprint(fewDescriptors, "=", port))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, stdin: stdin, messages: make(map[string]int), warnings: make(map[string]int)}
	var reading sync.WaitGroup
	reading.Go(func() { c.read(stderr) })
	c.wait = sync.OnceValue(func() error {
		reading.Wait()
		return cmd.Wait()
	})
	t.Cleanup(c.close)
	return c
}

func (c *child) read(log io.Reader) {
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var line struct{ Level, Message, Error, About string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			c.t.Logf("the child: %s", lines.Text())
			continue
		}
		c.mu.Lock()
		c.messages[line.Message]++
		if line.Level != "debug" && line.Level != "info" {
			c.warnings[line.Message+": "+line.About+line.Error]++
		}
		c.mu.Unlock()
	}
}

// count counts the lines that contain some words.
func (c *child) count(words string) (count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for message, times := range c.messages {
		if strings.Contains(message, words) {
			count += times
		}
	}
	return count
}

func (c *child) expect(words string, times int) {
	c.t.Helper()
	eventually(c.t, "the child logs "+words, func() bool { return c.count(words) >= times })
}

func (c *child) close() {
	_ = c.stdin.Close()
	if err := c.wait(); err != nil {
		c.t.Errorf("the child: %v", err)
	}
}
