package zre_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// met waits until one node knows another.
func met(ctx context.Context, node *zre.Node, peer uuid.UUID) {
	for event := range node.AllEvents(ctx) {
		if enter, ok := event.(zre.Enter); ok && enter.Peer.UUID == peer {
			return
		}
	}
}

// A node asks another one, which has a handler for what is asked.
func ExampleNode_Request() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	sensor, err := zre.NewNode(onLoopback(11520, zre.WithName("sensor"))...)
	if err != nil {
		log.Fatal(err)
	}
	defer sensor.Close()
	display, err := zre.NewNode(onLoopback(11520, zre.WithName("display"))...)
	if err != nil {
		log.Fatal(err)
	}
	defer display.Close()
	for _, node := range []*zre.Node{sensor, display} {
		if err := node.Start(ctx); err != nil {
			log.Fatal(err)
		}
	}

	mux := zre.NewMux()
	mux.HandleRequest("temperature", func(ctx context.Context, r zre.Request) {
		if len(r.Frames) != 2 || string(r.Frames[1]) != "kitchen" {
			r.ReplyError(ctx, "there is no such room")
			return
		}
		r.Reply(ctx, []byte("21 °C"))
	})
	go sensor.Serve(ctx, mux)

	met(ctx, display, sensor.UUID())
	ask := func(frames ...[]byte) {
		reply, err := display.Request(ctx, sensor.UUID(), frames...)
		var failed *zre.ReplyError
		switch {
		case errors.Is(err, zre.ErrNoHandler):
			fmt.Println("no handler")
		case errors.As(err, &failed):
			fmt.Println("error:", failed.Text)
		case err != nil: // the peer is gone or ctx has ended
			log.Fatal(err)
		default:
			fmt.Printf("%s\n", reply.Frames[0])
		}
	}
	ask([]byte("temperature"), []byte("kitchen"))
	ask([]byte("temperature"), []byte("garage"))
	ask([]byte("pressure"))
	// Output:
	// 21 °C
	// error: there is no such room
	// no handler
}

// Handlers take the place of the loop over the events.
func ExampleNode_Serve() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node, err := zre.NewNode(onLoopback(11521, zre.WithName("node"))...)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	other, err := zre.NewNode(onLoopback(11521, zre.WithName("other"))...)
	if err != nil {
		log.Fatal(err)
	}
	defer other.Close()

	mux := zre.NewMux()
	mux.HandleEnter(func(_ context.Context, e zre.Enter) { fmt.Println(e.Peer.Name, "is here") })
	mux.HandleShout("news.*", func(_ context.Context, e zre.Shout) { fmt.Printf("%s: %s\n", e.Group, e.Frames[0]) })
	mux.HandleWhisper(func(_ context.Context, e zre.Whisper) {
		fmt.Printf("%s whispers %s\n", e.Peer.Name, e.Frames[0])
		node.Close() // this ends Serve
	})

	if err := node.Join("news.weather"); err != nil {
		log.Fatal(err)
	}
	for _, n := range []*zre.Node{node, other} {
		if err := n.Start(ctx); err != nil {
			log.Fatal(err)
		}
	}
	go func() {
		for event := range other.AllEvents(ctx) {
			if join, ok := event.(zre.Join); ok {
				other.Shout(ctx, join.Group, []byte("sunny"))
				other.Whisper(ctx, join.Peer.UUID, []byte("good bye"))
			}
		}
	}()
	if err := node.Serve(ctx, mux); !errors.Is(err, zre.ErrClosed) {
		log.Fatal(err)
	}
	// Output:
	// other is here
	// news.weather: sunny
	// other whispers good bye
}

// A part of a program listens to what it needs, beside the program's own loop.
func ExampleNode_Subscribe() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node, err := zre.NewNode(onLoopback(11522)...)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	comings := node.Subscribe(ctx, zre.SubscribeBuffer(100), zre.SubscribeFilter(func(event zre.Event) bool {
		switch event.(type) {
		case zre.Enter, zre.Exit:
			return true
		}
		return false
	}))
	go node.Serve(ctx, zre.NewMux()) // the program's own loop
	if err := node.Start(ctx); err != nil {
		log.Fatal(err)
	}
	guest, err := zre.NewNode(onLoopback(11522, zre.WithName("guest"))...)
	if err != nil {
		log.Fatal(err)
	}
	if err := guest.Start(ctx); err != nil {
		log.Fatal(err)
	}
	for event := range comings {
		switch e := event.(type) {
		case zre.Enter:
			fmt.Println(e.Peer.Name, "came")
			guest.Close()
		case zre.Exit:
			fmt.Println(e.Peer.Name, "went:", e.Reason)
			return
		case zre.Missed:
			fmt.Println("missed", e.Events)
		}
	}
	// Output:
	// guest came
	// guest went: left
}
