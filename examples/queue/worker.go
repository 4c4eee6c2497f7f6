package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// work does the jobs that it is given, one at a time, until ctx ends.
func work(ctx context.Context, node *zre.Node, takes time.Duration) error {
	mux := zre.NewMux()
	mux.HandleRequest("job", func(ctx context.Context, r zre.Request) {
		if len(r.Frames) != 2 {
			_ = r.ReplyError(ctx, "a job has one frame") // it fails only if the peer is gone
			return
		}
		_ = node.SetState(zre.StateProcessing) // givers see it, and choose others
		fmt.Printf("working on %.200q\n", r.Frames[1])
		result, err := do(ctx, string(r.Frames[1]), takes)
		_ = node.SetState(zre.StateIdle)
		switch {
		case ctx.Err() != nil: // this program ends: the giver sees that, and gives the job to another one
		case err != nil:
			_ = r.ReplyError(ctx, err.Error())
		default:
			_ = r.Reply(ctx, []byte(result))
		}
	})
	mux.HandleProblem(problem)
	if err := node.Join(group); err != nil {
		return err
	}
	if err := node.Start(ctx); err != nil {
		return err
	}
	return node.Serve(ctx, mux, zre.ServeConcurrency(1))
}

// do stands for real work.
func do(ctx context.Context, job string, takes time.Duration) (string, error) {
	if job == "" {
		return "", fmt.Errorf("the job is empty")
	}
	select {
	case <-ctx.Done():
	case <-time.After(takes):
	}
	return strings.ToUpper(job), ctx.Err()
}
