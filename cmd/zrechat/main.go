// Zrechat is a chat without a server: start it on a few machines of one network, and type.
//
// It is also an example of a program that uses package zre. room.go is the chat itself and knows nothing about terminals. The other files
// are the user interface: lines.go without a terminal, screen.go and its helpers with one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/internal/manual"
	"github.com/go-zre/go-zre/internal/termtext"
	"github.com/go-zre/go-zre/zre"
)

func main() {
	o, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		width, _, _ := term.GetSize(int(os.Stdout.Fd())) // 0 without a terminal
		fmt.Print(pages().Help(width))
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "zrechat: %s; see zrechat --help\n", termtext.Text(err.Error()))
		os.Exit(2)
	case o.version:
		fmt.Println("zrechat", manual.Version())
		return
	case o.man:
		fmt.Print(pages().Roff())
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), endSignals()...)
	defer stop()
	list, err := options(o)
	if err == nil {
		if warning := keyfiles.Exposed(o.cert); warning != "" {
			fmt.Fprintln(os.Stderr, warning)
		}
		err = chat(ctx, o.group, list)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "zrechat:", err)
		if _, ok := errors.AsType[*optionError](err); ok {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// endSignals returns the signals that end the chat with a farewell.
func endSignals() []os.Signal {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // writing to a closed pipe returns an error instead of ending the process
	list := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores SIGHUP
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// unsent lists, from an error of Close, the messages that were not sent. It returns nil if all were.
func unsent(err error) error {
	var list []error
	for _, l := range zre.Losses(err) {
		list = append(list, fmt.Errorf("%s to %s not sent: %w", count(l.Messages, "message"), termtext.Text(l.Name), l.Err))
	}
	return errors.Join(list...)
}

func count[N int | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
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
