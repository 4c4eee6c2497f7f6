// Partition is a setting that all nodes share, such as a volume. It shows what a program does about a network that is cut in two:
// both sides go on, and when they meet again they agree. Its test cuts a simulated network.
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

	"github.com/go-zre/go-zre/zre"
)

func main() {
	flag.Usage = func() { fmt.Fprintln(flag.CommandLine.Output(), "Usage: partition, then one value a line") }
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	lines, input := make(chan string), error(nil)
	go func() { // it may wait for input until the program ends
		defer close(lines)
		scanner := bufio.NewScanner(os.Stdin)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
		input = scanner.Err()
	}()
	err := share(ctx, lines, os.Stdout)
	if err == nil && ctx.Err() == nil {
		err = input
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "partition:", err)
		os.Exit(1)
	}
}

// share sets what comes from lines, and prints each value that is set anywhere, until lines or ctx ends. A test gives it options,
// for a node on a simulated network.
func share(ctx context.Context, lines <-chan string, out io.Writer, options ...zre.Option) (err error) {
	node, err := zre.NewNode(options...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	if err := node.Join(group); err != nil {
		return err
	}
	if err := node.Start(ctx); err != nil {
		return err
	}
	var now setting
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case line, ok := <-lines:
			if !ok {
				return nil
			}
			now = setting{now.version + 1, line}
			err = node.Shout(ctx, group, now.frames()...)
		case event := <-node.Events():
			switch e := event.(type) {
			case zre.Join: // new, or back after a cut: it gets what this node has, and sends what it has
				if e.Group == group && now.version > 0 {
					err = node.Whisper(ctx, e.Peer.UUID, now.frames()...)
				}
			case zre.Whisper:
				err = now.take(e.Frames, e.Peer, out)
			case zre.Shout:
				err = now.take(e.Frames, e.Peer, out)
			case zre.Exit:
				fmt.Fprintf(out, "%q is gone: %v\n", e.Peer.Name, e.Reason)
			case zre.Problem:
				err = errors.New(e.String())
			}
		}
		if err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "partition:", err)
		}
	}
}
