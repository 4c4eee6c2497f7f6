package zre_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// startPair starts two nodes that are closed by stop.
func startPair(ctx context.Context, port int, first, second string) (one, two *zre.Node, stop func()) {
	nodes := make([]*zre.Node, 2)
	for i, name := range []string{first, second} {
		node, err := zre.NewNode(onLoopback(port, zre.WithName(name))...)
		if err != nil {
			log.Fatal(err)
		}
		if err := node.Start(ctx); err != nil {
			log.Fatal(err)
		}
		nodes[i] = node
	}
	return nodes[0], nodes[1], func() {
		nodes[0].Close()
		nodes[1].Close()
	}
}

// A program waits until the peer that it needs is there. A header may be set while the node runs.
func ExampleNode_WaitFor() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	viewer, device, stop := startPair(ctx, 11510, "viewer", "device")
	defer stop()

	if err := device.SetHeader("role", "camera"); err != nil {
		log.Fatal(err)
	}
	cameras, err := viewer.WaitFor(ctx, 1, zre.HasHeader("role", "camera"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cameras[0].Name, "is a", cameras[0].Headers["role"])
	// Output: device is a camera
}

// Peers that come late get the last value, too: a sensor shouts each value to a group, and whispers the last one to each peer that joins the group.
// Both in one goroutine, so that no peer gets an older value after a newer one.
func Example_lastValue() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	sensor, display, stop := startPair(ctx, 11511, "sensor", "display")
	defer stop()

	values := make(chan string)
	go func() {
		last := ""
		for {
			select {
			case last = <-values:
				sensor.Shout(ctx, "TEMPERATURE", []byte(last))
			case event, ok := <-sensor.Events():
				if !ok {
					return
				}
				if join, ok := event.(zre.Join); ok && join.Group == "TEMPERATURE" && last != "" {
					sensor.Whisper(ctx, join.Peer.UUID, []byte(last))
				}
			}
		}
	}()
	values <- "20 degrees" // no peer is there yet
	display.Join("TEMPERATURE")
	for event := range display.AllEvents(ctx) {
		switch e := event.(type) {
		case zre.Whisper: // the last value
			fmt.Printf("%s\n", e.Frames[0])
			values <- "21 degrees"
		case zre.Shout: // each value that follows
			fmt.Printf("%s\n", e.Frames[0])
			return
		}
	}
	// Output:
	// 20 degrees
	// 21 degrees
}
