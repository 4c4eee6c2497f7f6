package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-zre/go-zre/zre"
)

const ahead = 100 // jobs that are given, or wait for a worker, at a time

// give has workers do the jobs of the input, and prints the results as they come. A job whose worker dies, hangs, or does no such jobs is given to another
// one. Therefore a job may be done twice.
func give(ctx context.Context, node *zre.Node, limit time.Duration) error {
	if err := node.Start(ctx); err != nil {
		return err
	}
	mux := zre.NewMux()
	mux.HandleProblem(problem)
	go node.Serve(ctx, mux) // until the node is closed
	fmt.Fprintln(os.Stderr, "queue: waiting for workers")
	jobs, input := make(chan string), error(nil)
	go func() { // it may wait for input until the program ends
		defer close(jobs)
		scanner := bufio.NewScanner(os.Stdin)
		for scanner.Scan() {
			jobs <- scanner.Text()
		}
		input = scanner.Err()
	}()
	failed := make(chan int, ahead)
	for range ahead {
		go func() { failed <- giveSome(ctx, node, limit, jobs) }()
	}
	sum := 0
	for range ahead {
		sum += <-failed
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted: some jobs may not be done")
	case sum > 0:
		return fmt.Errorf("%d jobs failed", sum)
	}
	return input
}

// giveSome gives jobs, one after the other, and returns how many failed.
func giveSome(ctx context.Context, node *zre.Node, limit time.Duration, jobs <-chan string) (failed int) {
	for {
		select {
		case <-ctx.Done():
			return failed
		case job, ok := <-jobs:
			if !ok {
				return failed
			}
			workers := zre.Workers{Node: node, Group: group, Timeout: limit, OnRetry: func(err error) {
				fmt.Fprintf(os.Stderr, "queue: %q is given again: %v\n", job, err)
			}}
			if reply, err := workers.Request(ctx, []byte("job"), []byte(job)); err == nil {
				fmt.Printf("%q: %.200q\n", job, reply.Frames[0])
			} else if ctx.Err() == nil {
				fmt.Fprintf(os.Stderr, "queue: %q: %v\n", job, err)
				failed++
			}
		}
	}
}
