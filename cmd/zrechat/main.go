// Zrechat is a chat without a server: start it on a few machines of one network, and type.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"

	"golang.org/x/term"

	"github.com/go-zre/go-zre/zre"
)

const usage = `Zrechat is a chat without a server: everybody who runs it on one network, in one group, sees what the others type.

Usage: zrechat [--name NAME] [--group GROUP] [--interface NAME]

`

const commands = "/who  lists who is here    /msg NAME TEXT  whispers    /quit  leaves"

func main() {
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
		fmt.Fprintln(flag.CommandLine.Output(), "\nWhile it runs: "+commands)
	}
	name := flag.String("name", os.Getenv("USER"), "the `name` that others see")
	group := flag.String("group", "CHAT", "the `group` to join")
	iface := flag.String("interface", "", "the network `interface` to use (default: every usable one)")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "zrechat: unexpected argument %q; see zrechat --help\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := chat(ctx, *name, *group, *iface); err != nil {
		fmt.Fprintln(os.Stderr, "zrechat:", err)
		os.Exit(1)
	}
}

// chat runs until /quit, the end of input, or ctx.
func chat(ctx context.Context, name, group, iface string) error {
	options := []zre.Option{zre.WithName(name)}
	if iface != "" {
		options = append(options, zre.WithInterfaces(iface))
	}
	node, err := zre.NewNode(options...)
	if err != nil {
		return err
	}
	defer node.Close()
	if err := node.Join(group); err != nil {
		return err
	}
	if err := node.Start(ctx); err != nil {
		return err
	}

	lines, out, restore := console()
	defer restore()
	fmt.Fprintf(out, "* you are %s in %s; %s\n", clean(node.Name()), group, commands)
	for {
		select {
		case event, ok := <-node.Events():
			if !ok {
				return nil
			}
			show(out, group, event)
		case line, ok := <-lines:
			if !ok || line == "/quit" {
				return nil
			}
			if err := say(ctx, node, out, group, line); err != nil {
				fmt.Fprintln(out, "!", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// show prints what happened.
func show(out io.Writer, group string, event zre.Event) {
	name := clean(event.From().Name)
	switch e := event.(type) {
	case zre.Join:
		if e.Group == group {
			fmt.Fprintf(out, "* %s enters\n", name)
		}
	case zre.Leave:
		if e.Group == group {
			fmt.Fprintf(out, "* %s leaves\n", name)
		}
	case zre.Exit:
		fmt.Fprintf(out, "* %s is gone: %s\n", name, e.Reason)
	case zre.Shout:
		fmt.Fprintf(out, "%s: %s\n", name, text(e.Frames))
	case zre.Whisper:
		fmt.Fprintf(out, "(%s whispers) %s\n", name, text(e.Frames))
	}
}

// say does what a typed line asks for.
func say(ctx context.Context, node *zre.Node, out io.Writer, group, line string) error {
	command, rest, _ := strings.Cut(line, " ")
	switch {
	case strings.TrimSpace(line) == "":
		return nil
	case command == "/who":
		fmt.Fprintf(out, "* %s (you)\n", clean(node.Name()))
		for _, peer := range node.PeersIn(group) {
			fmt.Fprintf(out, "* %s at %s\n", clean(peer.Name), peer.Endpoint)
		}
		return nil
	case command == "/msg":
		name, message, _ := strings.Cut(strings.TrimSpace(rest), " ")
		for _, peer := range node.Peers() {
			if peer.Name == name {
				return node.Whisper(ctx, peer.UUID, []byte(message))
			}
		}
		return fmt.Errorf("nobody here is called %q; /who lists who is", name)
	case strings.HasPrefix(line, "/"):
		return fmt.Errorf("there is no command %s; try %s", command, commands)
	}
	return node.Shout(ctx, group, []byte(line))
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

func text(frames [][]byte) string {
	parts := make([]string, len(frames))
	for i, frame := range frames {
		parts[i] = clean(string(frame))
	}
	return strings.Join(parts, " | ")
}

// clean keeps what strangers send from commanding the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
