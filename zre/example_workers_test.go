package zre_test

import (
	"context"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// Several jobs are given to the members of a group, each of which does one at a time.
func ExampleNode_RequestAny() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker, err := zre.NewNode(onLoopback(11523, zre.WithSendOnly())...) // it reads no events
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	if err := broker.Start(ctx); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		worker, err := zre.NewNode(onLoopback(11523)...)
		if err != nil {
			log.Fatal(err)
		}
		defer worker.Close()
		mux := zre.NewMux()
		mux.HandleRequest("double", func(ctx context.Context, r zre.Request) {
			worker.SetState(zre.StateProcessing) // other brokers see it
			result := append(r.Frames[1], r.Frames[1]...)
			worker.SetState(zre.StateIdle)
			r.Reply(ctx, result)
		})
		go worker.Serve(ctx, mux, zre.ServeConcurrency(1))
		if err := worker.Join("WORKERS"); err != nil {
			log.Fatal(err)
		}
		if err := worker.Start(ctx); err != nil {
			log.Fatal(err)
		}
	}

	var jobs sync.WaitGroup
	for _, job := range []string{"a", "b", "c"} {
		jobs.Go(func() {
			reply, err := broker.RequestAny(ctx, "WORKERS", []byte("double"), []byte(job))
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%s: %s\n", job, reply.Frames[0])
		})
	}
	jobs.Wait()
	// Unordered output:
	// a: aa
	// b: bb
	// c: cc
}
