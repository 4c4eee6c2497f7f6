// Chat is a chat without a server: everyone who runs it on one network sees what the others type.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"

	"github.com/go-zre/go-zre/zre"
)

const group = "CHAT"

func main() {
	name := flag.String("name", os.Getenv("USER"), "the `name` that others see")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "chat: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	err := chat(ctx, *name)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
	}
	switch {
	case errors.Is(err, zre.ErrInvalidOption): // --name
		os.Exit(2)
	case err != nil:
		os.Exit(1)
	}
}

// chat runs until ctx or the input ends.
func chat(ctx context.Context, name string) (err error) {
	node, err := zre.NewNode(zre.WithName(name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }() // says goodbye; the error tells what was not sent
	if err := node.Join(group); err != nil {
		return err
	}
	if err := node.Start(ctx); err != nil {
		return err
	}
	lines, input := make(chan string), error(nil)
	go func() { // it may wait for input until the program ends
		defer close(lines)
		scanner := bufio.NewScanner(os.Stdin)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
		input = scanner.Err()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, ok := <-lines:
			if !ok {
				return input
			}
			if err := node.Shout(ctx, group, []byte(line)); err != nil && ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "chat: not sent to all:", err)
			}
		case event := <-node.Events():
			show(event)
		}
	}
}

func show(event zre.Event) {
	switch e := event.(type) {
	case zre.Join:
		if e.Group == group {
			fmt.Println("*", plain(e.Peer.Name), "is here")
		}
	case zre.Shout:
		fmt.Printf("%s: %s\n", plain(e.Peer.Name), plain(string(e.Frames[0])))
	case zre.Exit:
		fmt.Printf("* %s is gone: %v\n", plain(e.Peer.Name), e.Reason)
	case zre.Problem:
		fmt.Fprintln(os.Stderr, "chat:", e)
	}
}

// plain replaces what could steer the terminal: peers may send anything.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, text)
}
