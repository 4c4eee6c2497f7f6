// Leader has the members of a group elect one that does a job, here: to tell the time. If it ends, another one takes its place.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-zre/go-zre/zre"
)

func main() {
	name := flag.String("name", "", "the `name` that others see")
	group := flag.String("group", "CLOCK", "the `group` that elects its leader")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "leader: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	err := lead(ctx, *name, *group)
	if err != nil {
		fmt.Fprintln(os.Stderr, "leader:", err)
	}
	switch {
	case errors.Is(err, zre.ErrInvalidOption): // --name or --group
		os.Exit(2)
	case err != nil:
		os.Exit(1)
	}
}

// lead takes part in the election, and does the job whenever this node leads, until ctx ends.
func lead(ctx context.Context, name, group string) (err error) {
	node, err := zre.NewNode(zre.WithName(name), zre.WithContest(group))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }() // the farewell lets the others elect at once
	if err := node.Start(ctx); err != nil {
		return err
	}
	job := time.NewTicker(time.Second)
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-job.C:
			// It asks each time, since leadership may have passed to another node. During a partition each side has a leader,
			// so the job must be one that may be done twice.
			if leader, ok := node.Leader(group); ok && leader.UUID == node.UUID() {
				fmt.Println("I say it is", now.Format(time.TimeOnly))
				err := node.Shout(ctx, group, []byte(now.Format(time.TimeOnly)))
				if err != nil && ctx.Err() == nil {
					fmt.Fprintln(os.Stderr, "leader: not sent to all:", err)
				}
			}
		case event := <-node.Events():
			switch e := event.(type) {
			case zre.Leader:
				if e.Peer.UUID == node.UUID() {
					fmt.Println("I lead")
				} else {
					fmt.Printf("%q leads\n", e.Peer.Name)
				}
			case zre.Shout:
				fmt.Printf("%q says it is %.20q\n", e.Peer.Name, e.Frames[0])
			case zre.Exit:
				fmt.Printf("%q is gone: %v\n", e.Peer.Name, e.Reason)
			case zre.Problem:
				fmt.Fprintln(os.Stderr, "leader:", e)
			}
		}
	}
}
