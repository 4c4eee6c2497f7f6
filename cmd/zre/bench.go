package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-zre/go-zre/zre"
)

const benchUsage = `Measures a network with its own messages: servers on one machine, a measurement on another (or the same).

Usage: zre bench serve [options]      answers, until it is interrupted
       zre bench whisper [options]    messages to one server after the other: how many a second
       zre bench shout [options]      messages to the group of all servers: how many a second
       zre bench latency [options]    there and back: how long a message takes
       zre bench mesh [options]       starts nodes, here alone: how long until all know each other, and what they cost then

Servers are nodes in the group ZRE-BENCH. A measurement loads the network as much as it can; --port keeps it apart from other nodes.

`

// benches are the kinds of zre bench. Each has options of its own beside those that all have.
var benches = map[string]struct {
	options string // of those in benchConfig.flags
	run     func(ctx context.Context, c *benchConfig, s *screen) (any, error)
}{
	"serve":   {"nodes", benchServe},
	"whisper": {"time size peers given", benchSend},
	"shout":   {"time size peers given", benchSend},
	"latency": {"time size", benchLatency},
	"mesh":    {"time nodes peers stay", benchMesh},
}

// benchConfig is what the options ask for.
type benchConfig struct {
	kind               string
	time               time.Duration
	size, peers, nodes int
	node               []zre.Option
	stay, json, given  bool
}

// maxBenchSize is the largest message: the limit of a node is on all frames together.
const maxBenchSize = 63 << 20

// runBench is the subcommand.
func runBench(args []string, _ io.Reader, out, errs io.Writer) int {
	c, err := newBenchConfig(args, out)
	if err != nil {
		return refuse("bench", err, errs)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := newScreen(out, errs, c.json)
	result, err := benches[c.kind].run(ctx, c, s)
	s.progress.clear()
	if err != nil {
		fmt.Fprintf(errs, "zre bench %s: %v\n", c.kind, err)
		return 1
	}
	if result != nil {
		s.result(result)
	}
	return 0
}

// newBenchConfig reads the command line. Asked for help it prints that on out and returns flag.ErrHelp.
func newBenchConfig(args []string, out io.Writer) (*benchConfig, error) {
	c := new(benchConfig)
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		c.kind, args = args[0], args[1:]
	}
	kind, known := benches[c.kind]
	if !known && c.kind != "" {
		return nil, fmt.Errorf("there is no bench %q: choose serve, whisper, shout, latency or mesh", c.kind)
	}
	flags := c.flags(kind.options)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, benchUsage)
		printOptions(out, flags)
	case err != nil:
		if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
			err = fmt.Errorf("%s has no option --%s", strings.TrimSpace("zre bench "+c.kind), name)
		}
	case c.kind == "":
		err = errors.New("choose serve, whisper, shout, latency or mesh")
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case c.kind == "mesh" && c.peers == 0:
		c.peers = c.nodes - 1
	case c.kind == "mesh" && c.peers < c.nodes-1:
		err = fmt.Errorf("--peers %d: each of %d nodes has at least the %d others", c.peers, c.nodes, c.nodes-1)
	case c.kind == "latency" && c.size == 0:
		err = errors.New("--size 0: an echo has at least 1 octet")
	}
	return c, err
}

// flags declares the options of a kind: those named, or all for the help text, and those that all kinds have.
func (c *benchConfig) flags(names string) *flag.FlagSet {
	flags := flag.NewFlagSet("zre bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are printed once, by the caller
	has := func(name string) bool { return c.kind == "" || strings.Contains(" "+names+" ", " "+name+" ") }
	number := func(name, usage string, into *int, standard, least, most int) {
		*into = standard
		if has(name) {
			flags.Func(name, usage, func(s string) (err error) {
				if *into, err = strconv.Atoi(s); err != nil || *into < least || *into > most {
					err = fmt.Errorf("want a number from %d to %d", least, most)
				}
				return err
			})
		}
	}
	c.time = 5 * time.Second
	if has("time") {
		flags.Func("time", "how `long` to measure, as 500ms or 10s (default 5s); mesh: to watch the nodes once they have met", func(s string) (err error) {
			if c.time, err = parseDuration(s); err == nil && c.time <= 0 {
				err = errors.New("want a time above 0")
			}
			return err
		})
	}
	number("size", "`octets` of a message (default 16)", &c.size, 16, 0, maxBenchSize)
	peers, nodes := 1, 1
	if c.kind == "mesh" {
		peers, nodes = 0, 10
	}
	number("peers", "`number` of servers to wait for (default 1); mesh: of peers that each node is to meet, elsewhere too (default: all here)",
		&c.peers, peers, 1, 4095)
	number("nodes", "`number` of nodes to start here (default 1; mesh: 10)", &c.nodes, nodes, 1, 1000)
	if has("given") {
		flags.BoolVar(&c.given, "given", false, "give each message away in memory of its own, in place of having it copied")
	}
	if has("stay") {
		flags.BoolVar(&c.stay, "stay", false, "mesh: go on after the result until interrupted, since nodes elsewhere count those that end")
	}
	flags.Func("interface", "a network `interface` to use, by name or address (repeatable; default: every usable one)", func(s string) error {
		c.node = append(c.node, zre.WithInterfaces(s))
		return nil
	})
	flags.Func("port", "the UDP `port` of the beacons (default 5670); use another one to leave a running network alone", func(s string) error {
		port, err := strconv.Atoi(s)
		if err != nil || port < 1 || port > 55535 {
			return errors.New("want a port from 1 to 55535")
		}
		c.node = append(c.node, zre.WithBeaconPort(port))
		return nil
	})
	flags.Func("transport", "`name` of how messages travel: tcp alone, ipc within a host, or inproc within a process (default: the best that leads there)",
		func(s string) error {
			switch s {
			case "tcp", "ipc", "inproc":
				c.node = append(c.node, zre.WithTransports("tcp", s))
				return nil
			}
			return errors.New("choose tcp, ipc or inproc")
		})
	flags.BoolVar(&c.json, "json", false, "print the result as one line of JSON")
	return flags
}
