// Request asks another program and waits for its reply: here for a sum.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/go-zre/go-zre/zre"
)

func main() {
	wait := flag.Duration("wait", 5*time.Second, "how long to wait for a server and its reply")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: request serve\n       request [--wait TIME] add NUMBER…")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	var err error
	switch {
	case flag.Arg(0) == "serve" && flag.NArg() == 1:
		err = serve(ctx)
	case flag.Arg(0) == "add":
		err = ask(ctx, *wait, flag.Args())
	default:
		flag.Usage()
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "request:", err)
		os.Exit(1)
	}
}

// serve answers requests until ctx ends.
func serve(ctx context.Context) (err error) {
	node, err := zre.NewNode(zre.WithHeader("service", "calculator"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	mux := zre.NewMux()
	mux.HandleRequest("add", add)
	mux.HandleProblem(func(_ context.Context, problem zre.Problem) { fmt.Fprintln(os.Stderr, "request:", problem) })
	if err := node.Start(ctx); err != nil {
		return err
	}
	return node.Serve(ctx, mux)
}

// add is a handler. Peers may send anything, so it checks all, and answers in any case.
func add(ctx context.Context, r zre.Request) {
	sum := 0.0
	for _, frame := range r.Frames[1:] { // the first is the name, "add"
		number, err := strconv.ParseFloat(string(frame), 64)
		if err != nil {
			_ = r.ReplyError(ctx, fmt.Sprintf("%.100q is not a number", frame)) // it fails only if the peer is gone
			return
		}
		sum += number
	}
	fmt.Printf("%q: a sum of %d numbers\n", r.Peer.Name, len(r.Frames)-1)
	_ = r.Reply(ctx, strconv.AppendFloat(nil, sum, 'g', -1, 64))
}

// ask finds a calculator, sends it the words as frames of a request, and prints the reply.
func ask(ctx context.Context, wait time.Duration, words []string) (err error) {
	node, err := zre.NewNode(zre.WithSendOnly()) // it asks, and wants no messages
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	if err := node.Start(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	peers, err := node.WaitFor(ctx, 1, zre.HasHeader("service", "calculator"))
	if err != nil {
		return fmt.Errorf("no calculator is on this network: %w", err)
	}
	frames := make([][]byte, len(words))
	for i, word := range words {
		frames[i] = []byte(word)
	}
	reply, err := node.Request(ctx, peers[0].UUID, frames...)
	if err != nil { // errors.Is and errors.As tell zre.ErrPeerGone, *zre.ReplyError and others
		return err
	}
	fmt.Printf("%s\n", strconv.QuoteToGraphic(string(reply.Frames[0])))
	return nil
}
