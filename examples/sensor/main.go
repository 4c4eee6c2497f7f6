// Sensor publishes a temperature. Subscribers that join later get the last value at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/go-zre/go-zre/zre"
)

const group = "TEMPERATURE"

func main() {
	name := flag.String("name", "", "the `name` that others see")
	every := flag.Duration("every", time.Second, "the `time` between two values")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: sensor [--name NAME] [--every TIME] publish|show")
		flag.PrintDefaults()
	}
	flag.Parse()
	run, ok := map[string]func(context.Context, *zre.Node, time.Duration) error{"publish": publish, "show": show}[flag.Arg(0)]
	if !ok || flag.NArg() != 1 || *every <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	// A subscriber that is slow misses values, and does not slow the sensor down.
	node, err := zre.NewNode(zre.WithName(*name), zre.WithShoutPolicy(zre.ShoutSkipsBusy))
	if err == nil {
		err = errors.Join(run(ctx, node, *every), node.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sensor:", err)
	}
	switch {
	case errors.Is(err, zre.ErrInvalidOption): // --name
		os.Exit(2)
	case err != nil:
		os.Exit(1)
	}
}

// publish shouts a value every so often. One goroutine sends all, so no peer gets an older value after a newer one.
func publish(ctx context.Context, node *zre.Node, every time.Duration) error {
	if err := node.Start(ctx); err != nil {
		return err
	}
	last, ticker := measure(20), time.NewTicker(every)
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			last = measure(last)
			err = node.Shout(ctx, group, encode(last))
		case event := <-node.Events():
			switch e := event.(type) {
			case zre.Join:
				if e.Group == group {
					err = node.Whisper(ctx, e.Peer.UUID, encode(last))
				}
			case zre.Problem:
				err = errors.New(e.String())
			}
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, zre.ErrUnknownPeer) { // one that has just left needs no value
			fmt.Fprintln(os.Stderr, "sensor:", err)
		}
	}
}

// show prints what sensors tell.
func show(ctx context.Context, node *zre.Node, _ time.Duration) error {
	if err := node.Join(group); err != nil {
		return err
	}
	if err := node.Start(ctx); err != nil {
		return err
	}
	for event := range node.AllEvents(ctx) {
		switch e := event.(type) {
		case zre.Whisper: // the last value, for this node that came later
			tell(e.Peer, e.Frames[0])
		case zre.Shout:
			tell(e.Peer, e.Frames[0])
		case zre.Exit:
			fmt.Printf("%q is gone: %v\n", e.Peer.Name, e.Reason)
		case zre.Problem:
			fmt.Fprintln(os.Stderr, "sensor:", e)
		}
	}
	return nil
}

func tell(peer *zre.Peer, frame []byte) {
	value, err := strconv.ParseFloat(string(frame), 64)
	if err != nil {
		fmt.Fprintf(os.Stderr, "sensor: %q does not send a number\n", peer.Name)
		return
	}
	fmt.Printf("%q: %.1f °C\n", peer.Name, value)
}

func encode(value float64) []byte { return strconv.AppendFloat(nil, value, 'f', 2, 64) }

// measure stands for a real thermometer.
func measure(last float64) float64 { return last + rand.Float64() - 0.5 }
