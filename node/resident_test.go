package node

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/msg"
)

// Memory is measured on a process that holds only the node; its peers are in the test's process.

// nodeOfATest, in the environment, says that this process runs the node of a test in another process.
const nodeOfATest = "GO_ZRE_NODE_OF_A_TEST"

// A nodeProcess is a node in its own process. It has joined the group G, and keeps silent peers.
type nodeProcess struct {
	t     testing.TB
	in    io.Writer
	out   *bufio.Reader
	stub  *testNode // for fake peers, which only need its ports
	began int64     // resident bytes at the beginning
}

func startProcess(t *testing.T) *nodeProcess {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestNodeOfATest$", "-test.v=false")
	cmd.Env, cmd.Stderr = append(os.Environ(), nodeOfATest+"=1"), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // which ends it
		_ = cmd.Wait()
	})
	p := &nodeProcess{t: t, in: in, out: bufio.NewReader(out), stub: &testNode{Node: &Node{}}}
	p.scan(&p.stub.port, &p.stub.cfg.BeaconPort, &p.began)
	return p
}

// scan reads a line from the process.
func (p *nodeProcess) scan(values ...any) {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if err == nil {
		_, err = fmt.Sscan(line, values...)
	}
	if err != nil {
		rest, _ := io.ReadAll(p.out)
		p.t.Fatalf("the node's process printed %q: %v", line+string(rest), err)
	}
}

// send makes the node send messages of the given size, WHISPER or SHOUT, until none of the peers has room. It returns the largest number of
// resident bytes of the process.
func (p *nodeProcess) send(kind msg.ID, size, peers int) (octets int64) {
	p.t.Helper()
	fmt.Fprintln(p.in, kind, size, peers)
	p.scan(&octets)
	return octets
}

// resident returns the largest number of resident bytes of the process.
func (p *nodeProcess) resident() int64 { return p.send(msg.Ping, 0, 0) }

// hang adds peers that read nothing.
func (p *nodeProcess) hang(peers int) {
	p.t.Helper()
	for range peers {
		f := newFakePeer(p.t, p.stub)
		f.beacon(f.port())
		f.expect(msg.Hello)
		f.send(f.hello(1, nil))
		f.freeze()
	}
}

// halves adds peers that send most of a message of the given size.
func (p *nodeProcess) halves(peers, size int) {
	p.t.Helper()
	a := attackers(p.t, p.stub.port)
	for range peers {
		r := a.connect(1, zmtpGreeting())
		for _, octets := range [][]byte{zmtpReady(uuid.New()), rawHello(p.t), longFrame(true, 6), msg.AppendWhisper(nil, 2), longFrame(false, size)} {
			if _, err := r.Write(octets); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	writeZeros(a.all, size-1000)
}

// TestNodeOfATest runs in the node's process.
func TestNodeOfATest(t *testing.T) {
	if os.Getenv(nodeOfATest) == "" {
		t.Skip("other tests run this one in a process of its own")
	}
	n := start(t, onLoopback(beaconPort(), Config{Linger: -1, SendTimeout: time.Hour, EvasiveTimeout: time.Hour, ExpiredTimeout: 2 * time.Hour,
		Limits: Limits{QueueMessages: 1 << 30}}))
	fmt.Println(n.port, n.cfg.BeaconPort, mostResident())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		kind, size, peers := "", 0, 0
		if _, err := fmt.Sscan(lines.Text(), &kind, &size, &peers); err != nil {
			t.Fatal(err)
		}
		if size > 0 {
			eventually(t, "all have joined", func() bool { return len(n.PeersIn("G")) == peers })
			sendAll(n, kind == msg.Shout.String(), make([]byte, size))
		}
		fmt.Println(mostResident())
	}
}

// sendAll sends to all members of the group until none has room.
func sendAll(n *testNode, shout bool, message []byte) {
	try := func(send func(ctx context.Context) error) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		for send(ctx) == nil {
		}
	}
	for last, same := int64(-1), 0; same < 3; {
		if shout {
			try(func(ctx context.Context) error { return n.Shout(ctx, "G", message) })
		} else {
			for _, p := range n.PeersIn("G") {
				try(func(ctx context.Context) error { return n.Whisper(ctx, p.UUID, message) })
			}
		}
		used := n.queues.Used()
		if same++; used != last {
			last, same = used, 0
		}
	}
}

// mostResident returns the largest number of resident bytes of this process; 0 if the system does not say.
func mostResident() (octets int64) {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if kib, is := strings.CutPrefix(line, "VmHWM:"); is {
			_, _ = fmt.Sscan(kib, &octets)
		}
	}
	return octets << 10
}

// A hung peer adds at most its queue and half as much again, whatever the messages are.
func TestProcessWithHungPeer(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector needs memory of its own")
	}
	for _, kind := range []msg.ID{msg.Whisper, msg.Shout} {
		for _, size := range []int{100, 1_000, 8_000, 100_000} {
			t.Run(fmt.Sprintf("%v of %d", kind, size), func(t *testing.T) {
				p := startProcess(t)
				p.hang(1)
				added := p.send(kind, size, 1) - p.began
				t.Logf("%d MiB", added>>20)
				if added > 96<<20 {
					t.Errorf("the hung peer adds %d bytes, want %d at most", added, 96<<20)
				}
			})
		}
	}
}

// A hundred hung peers, and at the same time a hundred that have sent most of a message.
func TestProcessWithHungPeersAndHalfMessages(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector needs memory of its own")
	}
	for _, test := range []struct {
		kind msg.ID
		size int
	}{
		{msg.Whisper, 20_000},
		{msg.Shout, 100_000},
	} {
		t.Run(fmt.Sprintf("%v of %d", test.kind, test.size), func(t *testing.T) {
			const peers = 100
			p := startProcess(t)
			p.hang(peers)
			hung := p.send(test.kind, test.size, peers)
			p.halves(peers, 63<<20)
			both := p.resident()
			t.Logf("%d MiB with peers that hang, %d with half messages too", hung>>20, both>>20)
			if both > 300<<20 {
				t.Errorf("the process has %d resident bytes, want %d at most", both, 300<<20)
			}
		})
	}
}
