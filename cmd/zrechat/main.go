// Zrechat is a chat without a server: start it on a few machines of one network, and type.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/google/uuid"
	"golang.org/x/term"

	"github.com/go-zre/go-zre/zre"
)

const usage = `Zrechat is a chat without a server: everybody who runs it on one network, in one group, sees what the others type.

Usage: zrechat [--name NAME] [--group GROUP] [--interface NAME] [--listen ENDPOINT] [--peer ENDPOINT]… [--no-beacons]

`

const commands = "/who  who is here    /msg NAME TEXT  whispers    /away  and  /back    /quit"

const help = `
What you type is said to the group, but for these:
  /who            lists who is here, with their state and how they are reached
  /msg NAME TEXT  whispers to one of them
  /away, /back    tell the others that you are busy, and that you are not any more; they see (away) beside your name
  /quit           leaves, as does the end of the input`

func main() {
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
		fmt.Fprintln(flag.CommandLine.Output(), help)
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := chat(ctx, *group, options(*name, *iface, *listen, peers, *noBeacons)); err != nil {
		fmt.Fprintln(os.Stderr, "zrechat:", err)
		os.Exit(1)
	}
}

// unsent says, of an error of Close, whose messages were not sent; nil if all were.
func unsent(err error) error {
	var list []error
	for _, l := range zre.Losses(err) {
		messages := "messages"
		if l.Messages == 1 {
			messages = "message"
		}
		list = append(list, fmt.Errorf("%d %s to %s not sent: %w", l.Messages, messages, clean(l.Name), l.Err))
	}
	return errors.Join(list...)
}

// options are those of the node.
func options(name, iface, listen string, peers []string, noBeacons bool) []zre.Option {
	list := []zre.Option{zre.WithName(name), zre.WithListen(listen), zre.WithPeers(peers...)}
	if iface != "" {
		list = append(list, zre.WithInterfaces(iface))
	}
	if noBeacons {
		list = append(list, zre.WithoutBeacons())
	}
	return list
}

// chat runs until /quit, the end of input, or ctx.
func chat(ctx context.Context, group string, options []zre.Option) (err error) {
	node, err := zre.NewNode(options...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unsent(node.Close())) }()
	if err := node.Join(group); err != nil {
		return err
	}
	if err := node.Start(ctx); err != nil {
		return err
	}

	lines, out, restore := console()
	defer restore()
	fmt.Fprintf(out, "* you are %s in %s\n* %s\n", clean(node.Name()), clean(group), commands)
	room := &room{node: node, group: group, out: out, told: make(map[uuid.UUID]zre.State)}
	for {
		select {
		case event, ok := <-node.Events():
			if !ok {
				return nil
			}
			room.show(event)
		case line, ok := <-lines:
			if !ok || line == "/quit" {
				return nil
			}
			if err := room.say(ctx, line); err != nil {
				fmt.Fprintln(out, "!", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// console gives the lines that are typed and where to print. On a terminal what is printed does not disturb the line being
// typed; otherwise both are plain.
func console() (lines <-chan string, out io.Writer, restore func()) {
	typed := make(chan string)
	in, screen := int(os.Stdin.Fd()), int(os.Stdout.Fd())
	if term.IsTerminal(in) && term.IsTerminal(screen) {
		if state, err := term.MakeRaw(in); err == nil {
			t := term.NewTerminal(struct {
				io.Reader
				io.Writer
			}{os.Stdin, os.Stdout}, "> ")
			if width, height, err := term.GetSize(screen); err == nil {
				t.SetSize(width, height)
			}
			go func() {
				defer close(typed)
				for {
					line, err := t.ReadLine()
					if err != nil {
						return
					}
					typed <- line
				}
			}()
			return typed, t, func() { term.Restore(in, state) }
		}
	}
	go func() {
		defer close(typed)
		for scanner := bufio.NewScanner(os.Stdin); scanner.Scan(); {
			typed <- scanner.Text()
		}
	}()
	return typed, os.Stdout, func() {}
}
