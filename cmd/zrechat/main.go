// Zrechat is a chat without a server: start it on a few machines of one network, and type.
//
// It is also an example of a program that uses package zre: room.go is the chat itself, and knows no terminal. The other files are how
// it looks: lines.go where standard input or output is no terminal, screen.go and what it uses where both are.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/go-zre/go-zre/internal/plain"
	"github.com/go-zre/go-zre/zre"
)

const usage = `Zrechat is a chat without a server: everybody who runs it on one network, in one group, sees what the others type.

Usage: zrechat [--name NAME] [--group GROUP] [--interface NAME] [--listen ENDPOINT] [--peer ENDPOINT]… [--no-beacons]

`

func main() {
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
		fmt.Fprintln(flag.CommandLine.Output(), "\nWhat you type is said to the group, but for these:")
		for _, line := range help {
			fmt.Fprintln(flag.CommandLine.Output(), "  "+line)
		}
		fmt.Fprint(flag.CommandLine.Output(), keys)
	}
	name := flag.String("name", os.Getenv("USER"), "the `name` that others see")
	group := flag.String("group", "CHAT", "the `group` to join")
	iface := flag.String("interface", "", "the network `interface` to use (default: every usable one)")
	var peers []string
	flag.Func("peer", "the `endpoint` of a chat on another network, as tcp://host:5671 (repeatable)", func(s string) error {
		peers = append(peers, s)
		return nil
	})
	listen := flag.String("listen", "", "the `endpoint` to listen at, as tcp://*:5671, for those who give it as --peer (default: any free port)")
	noBeacons := flag.Bool("no-beacons", false, "neither send nor hear beacons: find others by --peer alone")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "zrechat: unexpected argument %q; see zrechat --help\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()
	list, err := options(*name, *iface, *listen, peers, *noBeacons)
	if err == nil {
		err = chat(ctx, *group, list)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "zrechat:", err)
		if _, ok := errors.AsType[*optionError](err); ok {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// endings are the signals on which the chat says farewell and ends.
func endings() []os.Signal {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // a reader that is gone is an error of a write, and no sudden end
	list := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// unsent says, of an error of Close, whose messages were not sent; nil if all were.
func unsent(err error) error {
	var list []error
	for _, l := range zre.Losses(err) {
		list = append(list, fmt.Errorf("%s to %s not sent: %w", count(l.Messages, "message"), plain.Text(l.Name), l.Err))
	}
	return errors.Join(list...)
}

func count[N int | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// An optionError says that the value of an option of the command cannot be used.
type optionError struct {
	flag string
	err  error
}

// Error speaks of the option, not of what it is for package zre.
func (e *optionError) Error() string {
	text := e.err.Error()
	for _, prefix := range []string{"node: ", "msg: ", "join: ", "group ", "WithPeers: ", "WithListen: ", "beacon: Interfaces: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return e.flag + ": " + text
}

// options are those of the node. The error is an optionError.
func options(name, iface, listen string, peers []string, noBeacons bool) (list []zre.Option, err error) {
	var wrong error
	add := func(flag string, option zre.Option) {
		if _, err := zre.NewNode(option); err != nil && wrong == nil {
			wrong = &optionError{flag, err}
		}
		list = append(list, option)
	}
	add("--name", zre.WithName(name))
	add("--listen", zre.WithListen(listen))
	add("--peer", zre.WithPeers(peers...))
	if iface != "" {
		add("--interface", zre.WithInterfaces(iface))
	}
	if noBeacons {
		add("--no-beacons", zre.WithoutBeacons())
	}
	return list, wrong
}

// chat runs until /quit, the end of input, or ctx.
func chat(ctx context.Context, group string, options []zre.Option) (err error) {
	node, err := zre.NewNode(options...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unsent(node.Close())) }()
	if err := node.Join(group); err != nil {
		return &optionError{"--group", err}
	}
	if err := node.Start(ctx); err != nil {
		return err
	}
	if onTerminal() {
		return runScreen(ctx, node, group)
	}
	return runLines(ctx, node, group, os.Stdin, os.Stdout)
}

// onTerminal reports whether the chat may take the whole screen.
func onTerminal() bool {
	return term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("TERM") != "dumb"
}
