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

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/internal/plain"
	"github.com/go-zre/go-zre/zre"
)

const usage = `Zrechat is a chat without a server: everybody who runs it on one network, in one group, sees what the others type.

Usage: zrechat [--name NAME] [--group GROUP] [--interface NAME] [--listen ENDPOINT] [--peer ENDPOINT]… [--no-beacons]
               [--cert PATH [--authorize PATH]…]

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
	var n nodeOptions
	flag.StringVar(&n.name, "name", os.Getenv("USER"), "the `name` that others see")
	group := flag.String("group", "CHAT", "the `group` to join")
	flag.StringVar(&n.iface, "interface", "", "the network `interface` to use (default: every usable one)")
	flag.Func("peer", "the `endpoint` of a chat on another network, as tcp://host:5671; with --cert 'tcp://host:5671|KEY' (repeatable)", appendTo(&n.peers))
	flag.StringVar(&n.listen, "listen", "", "the `endpoint` to listen at, as tcp://*:5671, for those who give it as --peer (default: any free port)")
	flag.BoolVar(&n.noBeacons, "no-beacons", false, "neither send nor hear beacons: find others by --peer alone")
	flag.StringVar(&n.cert, "cert", "", "the `path` of a certificate, as zre keygen makes it: the chat is encrypted, and with others that have one alone")
	flag.Func("authorize", "with --cert: let in those alone whose certificates are at the `path`, a file or a folder (repeatable; default: all with a certificate)",
		appendTo(&n.authorize))
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "zrechat: unexpected argument %q; see zrechat --help\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()
	list, err := n.options()
	if err == nil {
		if warning := keyfiles.Exposed(n.cert); warning != "" {
			fmt.Fprintln(os.Stderr, warning)
		}
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
	for _, prefix := range []string{"node: ", "not a name for a node: ", "msg: ", "join: ", "group ", "WithPeers: ", "WithListen: ", "beacon: Interfaces: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return e.flag + ": " + text
}

// appendTo is an option that may be given several times.
func appendTo(list *[]string) func(string) error {
	return func(s string) error {
		*list = append(*list, s)
		return nil
	}
}

// nodeOptions are the options of the command that are about its node.
type nodeOptions struct {
	name, iface, listen string
	peers               []string
	noBeacons           bool
	cert                string
	authorize           []string
}

// options makes options of the node of them. The error is an optionError, unless it is of a file.
func (n *nodeOptions) options() ([]zre.Option, error) {
	list, err := keyfiles.Options(n.cert, n.authorize)
	if err != nil {
		return nil, err
	}
	secure := len(list)
	var wrong error
	add := func(flag string, option zre.Option) {
		if _, err := zre.NewNode(append(list[:secure:secure], option)...); err != nil && wrong == nil { // whether keys are of use depends on --cert
			wrong = &optionError{flag, err}
		}
		list = append(list, option)
	}
	add("--name", zre.WithName(n.name))
	add("--listen", zre.WithListen(n.listen))
	add("--peer", zre.WithPeers(n.peers...))
	if n.iface != "" {
		add("--interface", zre.WithInterfaces(n.iface))
	}
	if n.noBeacons {
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
