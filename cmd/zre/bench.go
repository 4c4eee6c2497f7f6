package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/zre"
)

const aboutBench = `Measures a network with ZRE messages. Servers run on one machine, the measurement on another one (or on the same).

Servers are nodes in the group ZRE-BENCH. A measurement loads the network as much as it can. Use --port to keep it apart from other nodes.`

// benches are the kinds of zre bench. Each has its own options in addition to the common ones.
var benches = []struct {
	kind    string
	about   string
	options string // names of options in benchConfig.flags
	json    string
	run     func(ctx context.Context, c *benchConfig, s *screen) (any, error)
}{
	{"serve", "Answers measurements until it is interrupted.", "nodes", "event (ready) and nodes", benchServe},
	{"whisper", "Measures the rate of messages to single servers.", "time size peers given", sendKeys, benchSend},
	{"shout", "Measures the rate of messages to the group of all servers.", "time size peers given", sendKeys, benchSend},
	{"latency", "Measures round trips: how long a message takes.", "time size", "bench, size, transport, messages, p50_us, p99_us and max_us", benchLatency},
	{"mesh", "Starts nodes here, and measures how long they take to meet and what they cost.", "time nodes peers stay",
		"first event (met), milliseconds and unix_ms, then bench, nodes, peers, milliseconds, watched_seconds, lost (reason and seconds of each exit without a farewell), " +
			"idle_percent, resident_mib, resident_peak_mib and goroutines", benchMesh},
}

const sendKeys = "bench, size, peers, transport, seconds, sent, delivered, messages_per_second, megabytes_per_second, processor_us_here and processor_us_there"

// benchConfig is what the options ask for.
type benchConfig struct {
	kind               string
	time               time.Duration
	size, peers, nodes int
	node               []zre.Option
	stay, json, given  bool
}

// maxBenchSize is the largest message. A node limits the total size of all frames.
const maxBenchSize = 63 << 20

const chooseBench = "choose serve, whisper, shout, latency or mesh"

func (c *cli) bench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measures a network: message rates, round trips, and how soon nodes meet.",
		Long:  aboutBench,
		Example: `  zre bench serve                      runs a server on one machine
  zre bench latency                    measures round trips from another machine
  zre bench whisper --size 1000        measures the rate of messages
  zre bench mesh --nodes 50            measures 50 nodes on this machine`,
		Annotations: map[string]string{noteExit: exitStatus, noteAll: ""},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageErrorf("there is no bench %q: %s", args[0], chooseBench)
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error { return usageErrorf("%s", chooseBench) },
	}
	new(benchConfig).addFlags(c, cmd, "time size peers nodes given stay")
	for _, b := range benches {
		config := &benchConfig{kind: b.kind}
		sub := &cobra.Command{
			Use:               b.kind + " [options]",
			Short:             b.about,
			Annotations:       map[string]string{noteExit: exitStatus, noteJSON: "With --json it prints an object: " + b.json + "."},
			Args:              noArguments,
			ValidArgsFunction: cobra.NoFileCompletions,
		}
		flags := config.addFlags(c, sub, b.options)
		sub.RunE = func(cmd *cobra.Command, _ []string) error {
			if err := config.check(); err != nil {
				return err
			}
			var err error
			if config.node, err = flags.options(cmd); err != nil {
				return err
			}
			s := newScreen(c.out, c.errs, config.json)
			result, err := b.run(cmd.Context(), config, s)
			s.progress.clear()
			if err == nil && result != nil {
				s.result(result)
			}
			return keyfiles.PlainError(err)
		}
		cmd.AddCommand(sub)
	}
	return cmd
}

// check verifies that the options are consistent.
func (c *benchConfig) check() error {
	switch {
	case c.kind == "mesh" && c.peers == 0:
		c.peers = c.nodes - 1
	case c.kind == "mesh" && c.peers < c.nodes-1:
		return usageErrorf("--peers %d: each of %d nodes meets at least the %d others", c.peers, c.nodes, c.nodes-1)
	case c.kind == "latency" && c.size == 0:
		return usageErrorf("--size 0: an echo has at least 1 byte")
	}
	return nil
}

// addFlags adds the options of one kind: the named ones and those that all kinds share.
func (c *benchConfig) addFlags(cli *cli, cmd *cobra.Command, names string) *nodeFlags {
	has := func(name string) bool { return strings.Contains(" "+names+" ", " "+name+" ") }
	number := func(name, usage string, into *int, standard, least, most int) {
		*into = standard
		if has(name) {
			numberFlag(cmd, into, name, usage, least, most)
		}
	}
	c.time = 5 * time.Second
	if has("time") {
		funcFlag(cmd, "time", "time", "how long to measure, such as 500ms or 10s (default 5s); mesh: how long to watch the nodes after they met", func(s string) (err error) {
			if c.time, err = parseDuration(s); err == nil && c.time <= 0 {
				err = fmt.Errorf("want a time above 0")
			}
			return err
		})
	}
	number("size", "the bytes of a message", &c.size, 16, 0, maxBenchSize)
	peers, nodes := 1, 1
	if c.kind == "mesh" {
		peers, nodes = 0, 10
	}
	number("peers", "how many servers to wait for (default 1); mesh: how many peers each node must meet, some of them elsewhere (default: all here)", &c.peers, peers, 1, 4095)
	number("nodes", "how many nodes to start here (default 1; mesh: 10)", &c.nodes, nodes, 1, 1000)
	if has("given") {
		switchFlag(cmd, &c.given, "given", "give away the memory of each message, instead of having the message copied")
	}
	if has("stay") {
		switchFlag(cmd, &c.stay, "stay", "mesh: keep the nodes running after the result until interrupted")
	}
	jsonFlag(cmd, &c.json, "print the result as a JSON object")
	return cli.nodeFlags(cmd, "interface", "port", "transport", "peer", "no-beacons", "cert", "authorize", "log")
}
