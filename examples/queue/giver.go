package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-zre/go-zre/zre"
)

const (
	tries = 3   // a job that fails with three workers may be what kills them
	ahead = 100 // jobs that are given, or wait for a worker, at a time
)

// A giver has workers do the jobs of its input, and prints the results as they come.
type giver struct {
	node     *zre.Node
	limit    time.Duration
	choosing sync.Mutex
}

// all gives all jobs, and returns how many failed as an error.
func (g *giver) all(ctx context.Context) error {
	if err := g.node.Start(ctx); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "queue: waiting for workers")
	mux := zre.NewMux()
	mux.HandleOther(problems)
	go g.node.Serve(ctx, mux) // until the node is closed
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
		go func() { failed <- g.some(ctx, jobs) }()
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

// some gives jobs, one after the other, and returns how many failed.
func (g *giver) some(ctx context.Context, jobs <-chan string) (failed int) {
	for {
		select {
		case <-ctx.Done():
			return failed
		case job, ok := <-jobs:
			if !ok {
				return failed
			}
			if result, err := g.give(ctx, job); err == nil {
				fmt.Printf("%q: %.200q\n", job, result)
			} else if ctx.Err() == nil {
				fmt.Fprintf(os.Stderr, "queue: %q: %v\n", job, err)
				failed++
			}
		}
	}
}

// give has a worker do a job, and another one if that one dies, hangs, or does no such jobs. Therefore a job may be done twice.
func (g *giver) give(ctx context.Context, job string) (result string, err error) {
	for range tries {
		var reply zre.Reply
		if reply, err = g.attempt(ctx, job); err == nil {
			return string(reply.Frames[0]), nil
		}
		var refused *zre.ReplyError
		if ctx.Err() != nil || errors.As(err, &refused) && !errors.Is(err, zre.ErrNoHandler) {
			return "", err // another worker would say the same
		}
		fmt.Fprintf(os.Stderr, "queue: %q is given again: %v\n", job, err)
	}
	return "", err
}

// attempt gives a job to one worker, once one has time, and waits for the result.
func (g *giver) attempt(ctx context.Context, job string) (zre.Reply, error) {
	g.choosing.Lock()
	worker, err := g.choose(ctx)
	ctx, cancel := context.WithTimeout(ctx, g.limit)
	defer cancel()
	var pending *zre.PendingReply
	if err == nil {
		pending, err = g.node.StartRequest(ctx, worker.UUID, []byte("job"), []byte(job))
	}
	g.choosing.Unlock() // now that the worker has the job, Choose knows that it is busy
	if err != nil {
		return zre.Reply{}, err
	}
	return pending.Result()
}

// choose waits until a worker has time.
func (g *giver) choose(ctx context.Context) (*zre.Peer, error) {
	for {
		if worker, ok := g.node.Choose(group, zre.StateIdle); ok {
			return worker, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
