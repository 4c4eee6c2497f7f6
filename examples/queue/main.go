// Queue gives jobs to the workers that have time. A job whose worker dies midway is given to another one.
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

const group = "WORKERS"

func main() {
	name := flag.String("name", "", "the `name` that others see")
	takes := flag.Duration("takes", time.Second, "how long a job takes: of work")
	limit := flag.Duration("limit", time.Minute, "how long a worker may take for a job: of give")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: queue [--name NAME] [--takes TIME] work\n       queue [--name NAME] [--limit TIME] give <JOBS, one a line")
		flag.PrintDefaults()
	}
	flag.Parse()
	run := map[string]func(context.Context, *zre.Node) error{
		"work": func(ctx context.Context, node *zre.Node) error { return work(ctx, node, *takes) },
		"give": func(ctx context.Context, node *zre.Node) error { return give(ctx, node, *limit) },
	}[flag.Arg(0)]
	if run == nil || flag.NArg() != 1 || *limit <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	node, err := zre.NewNode(zre.WithName(*name))
	if err == nil {
		err = errors.Join(run(ctx, node), node.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "queue:", err)
	}
	switch {
	case errors.Is(err, zre.ErrInvalidOption): // --name
		os.Exit(2)
	case err != nil:
		os.Exit(1)
	}
}

// problem shows what keeps the node from working as it should.
func problem(_ context.Context, problem zre.Problem) { fmt.Fprintln(os.Stderr, "queue:", problem) }
