//go:build linux

package harness

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/bench"
	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/zre"
)

type size struct {
	name   string
	bytes  int
	count  int // messages of a round of some 0.2 to 0.5 s between processes
	within int // and within one
}

var sizes = []size{{"16B", 16, 1_000_000, 2_000_000}, {"1KiB", 1 << 10, 250_000, 600_000}, {"64KiB", 64 << 10, 8_000, 80_000}}

// loopback are the options of a node on lo.
func loopback(port int, transport string) []zre.Option {
	return []zre.Option{zre.WithInterfaces("127.0.0.1"), zre.WithBeaconPort(port), zre.WithTransports("tcp", transport)}
}

// freePort returns a port for the beacons of a measurement: those of the one before must not be heard.
func freePort() int { return 12_000 + rand.IntN(10_000) }

// program is a program that runs beside this process, until the end of the measurement at the latest.
type program struct {
	in    io.Writer
	lines *bufio.Scanner // its output
	pid   int
	end   func()
	errs  *bytes.Buffer // to be read after end
}

func start(t testing.TB, name string, args ...string) *program {
	t.Helper()
	cmd := exec.Command(name, args...)
	errs := new(bytes.Buffer)
	cmd.Stderr = errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
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
	end := sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	t.Cleanup(end)
	return &program{in, bufio.NewScanner(out), cmd.Process.Pid, end, errs}
}

// next reads the program's next line. A program that is silent for far longer than any measurement takes is ended.
func (p *program) next(t testing.TB) string {
	t.Helper()
	defer time.AfterFunc(3*time.Minute, p.end).Stop()
	if !p.lines.Scan() {
		p.end()
		t.Fatalf("a program that is measured ended, or said nothing for long: %s", cmp.Or(strings.TrimSpace(p.errs.String()), "it does not say why"))
	}
	return p.lines.Text()
}

// tool starts "zre bench" on lo, which prints lines of JSON.
func tool(t testing.TB, port int, args ...string) *program {
	t.Helper()
	args = append([]string{"bench"}, args...)
	args = append(args, "--interface", "127.0.0.1", "--port", strconv.Itoa(port), "--json")
	return start(t, testbed.ZreTool(t), args...)
}

// decode reads a line of JSON.
func (p *program) decode(t testing.TB, into any) {
	t.Helper()
	line := p.next(t)
	if err := json.Unmarshal([]byte(line), into); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
}

// node starts one on lo.
func node(t testing.TB, port int, transport string, options ...zre.Option) *zre.Node {
	t.Helper()
	node, err := zre.NewNode(append(loopback(port, transport), options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return node
}

// serve starts servers: in a process of their own, which end ends, or for inproc in this one.
func serve(t testing.TB, port, servers int, transport string, args ...string) (end func()) {
	t.Helper()
	if transport == "inproc" {
		for range servers {
			node := node(t, port, transport)
			go bench.Serve(t.Context(), node) // its group has a valid name
		}
		return func() {}
	}
	p := tool(t, port, append([]string{"serve", "--nodes", strconv.Itoa(servers), "--transport", transport}, args...)...)
	p.next(t)
	return p.end
}

// meet returns a client, a node of this process, once it reaches servers by a transport.
func meet(t testing.TB, port, servers int, transport string, options ...zre.Option) (*bench.Client, *zre.Node) {
	t.Helper()
	node := node(t, port, transport, options...)
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	client, err := bench.Meet(ctx, node, servers)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if by := client.Transports(); len(by) == 1 && by[0] == transport {
			return client, node
		}
		if ctx.Err() != nil {
			t.Fatalf("servers are reached by %v, not by %s", client.Transports(), transport)
		}
		runtime.Gosched()
	}
}

// send sends a load, which must arrive completely.
func send(t testing.TB, client *bench.Client, load bench.Load) bench.Rate {
	t.Helper()
	rate, err := client.Send(t.Context(), load)
	if err != nil {
		t.Fatal(err)
	}
	return rate
}

// whispers returns rounds of whispers to one server.
func whispers(t testing.TB, transport string, load bench.Load) func() sample {
	t.Helper()
	port := freePort()
	serve(t, port, 1, transport)
	client, _ := meet(t, port, 1, transport)
	return func() sample { return whisper(t, client, load) }
}

// whisper is a round of them.
func whisper(t testing.TB, client *bench.Client, load bench.Load) sample {
	t.Helper()
	rate := send(t, client, load)
	return sample{[]float64{rate.PerSecond(), rate.Processor()}, rate.Processor()}
}
