package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// pipeConfig is what the options of zre pipe ask for.
type pipeConfig struct {
	node   []zre.Option
	groups []string
	state  *zre.State // from the start, if one was given

	contests []string
	discards bool
}

// newPipeConfig reads the options of zre pipe. Asked for help it prints that on out and returns flag.ErrHelp.
func newPipeConfig(args []string, out io.Writer) (*pipeConfig, error) {
	c := &pipeConfig{}
	flags := flag.NewFlagSet("zre pipe", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are printed once, by the caller
	set := func(name, usage string, parse func(string) (zre.Option, error)) {
		flags.Func(name, usage, func(value string) error {
			option, err := parse(value)
			c.node = append(c.node, option)
			return err
		})
	}
	set("name", "the `name` that peers see (default: from the UUID)", func(s string) (zre.Option, error) {
		return zre.WithName(s), nil
	})
	set("uuid", "the node's `UUID` (default: random)", func(s string) (zre.Option, error) {
		id, err := uuid.Parse(s)
		return zre.WithUUID(id), err
	})
	flags.Func("group", "a `group` to join before starting (repeatable)", func(s string) error {
		c.groups = append(c.groups, s)
		return nil
	})
	flags.Func("contest", "a `group` to join before starting, and to contest for the leadership of (repeatable)", func(s string) error {
		c.contests = append(c.contests, s)
		return nil
	})
	switchFlag(flags, "elections-to-all", "send ELECT and LEADER to every member of a group, for C zyre's that do not contest; pyre and zyre.js drop this node for them, gyre dies",
		c.optionIf(zre.WithElectionsToAll()))
	set("header", "a header `K=V` that peers see (repeatable)", func(s string) (zre.Option, error) {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return nil, errors.New("want NAME=VALUE")
		}
		return zre.WithHeader(name, value), nil
	})
	set("interface", "a network `interface` to use, by name or address (repeatable; default: every usable one)",
		func(s string) (zre.Option, error) {
			_, err := zre.NewNode(zre.WithInterfaces(s))
			return zre.WithInterfaces(s), err
		})
	set("port", "the UDP `port` of the beacons (default 5670)", func(s string) (zre.Option, error) {
		port, err := strconv.Atoi(s)
		return zre.WithBeaconPort(port), err
	})
	switchFlag(flags, "discard", "discard whispers and shouts that come, for programs that only send; the last line tells how many", func(on bool) { c.discards = on })
	switchFlag(flags, "skip-busy", "leave members of a group that are busy out of a shout, with an error, instead of waiting for them",
		c.optionIf(zre.WithShoutPolicy(zre.ShoutSkipsBusy)))
	c.stateFlags(flags)
	c.sourceFlags(flags)
	for _, d := range []struct {
		name, usage string
		option      func(time.Duration) zre.Option
	}{
		{"interval", "`time` between beacons, as 500ms or 2s; a bare number counts milliseconds (default 1s)", zre.WithBeaconInterval},
		{"evasive", "`time` of silence until a peer is asked for a sign of life (default 5s)", zre.WithEvasiveTimeout},
		{"expired", "`time` of silence until a peer is given up (default 30s)", zre.WithExpiredTimeout},
		{"send-timeout", "`time` to wait for a peer that takes no messages, until it is given up (default 5s)", zre.WithSendTimeout},
		{"linger", "`time` to go on sending what is queued, at the end (default 5s)", zre.WithLinger},
	} {
		set(d.name, d.usage, func(s string) (zre.Option, error) {
			duration, err := parseDuration(s)
			return d.option(duration), err
		})
	}
	err := flags.Parse(args)
	if c.discards {
		c.node = append(c.node, zre.WithSendOnly())
	}
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, pipeUsage)
		printOptions(out, flags)
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return c, err
}

// optionIf gives the node an option if a flag is on.
func (c *pipeConfig) optionIf(option zre.Option) func(on bool) {
	return func(on bool) {
		if on {
			c.node = append(c.node, option)
		}
	}
}

// switchFlag adds an option that is on or off, and off by default.
func switchFlag(flags *flag.FlagSet, name, usage string, set func(on bool)) {
	flags.BoolFunc(name, usage, func(s string) error {
		on, err := strconv.ParseBool(s)
		if err != nil {
			return errors.New("want true or false")
		}
		set(on)
		return nil
	})
}

// refuse ends a command whose options ask for help, which was printed, or are wrong. It returns the exit status.
func refuse(command string, err error, errs io.Writer) int {
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintf(errs, "zre %s: %v; see zre %s --help\n", command, err, command)
	return 2
}

// printOptions lists the options of a command.
func printOptions(out io.Writer, flags *flag.FlagSet) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	flags.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(table, "  --%s %s\t%s\n", f.Name, value, usage)
	})
	table.Flush()
}

func parseDuration(s string) (time.Duration, error) {
	if n, err := strconv.Atoi(s); err == nil {
		return time.Duration(n) * time.Millisecond, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New("want a time such as 500ms or 2s, or a number of milliseconds")
	}
	return d, nil
}
