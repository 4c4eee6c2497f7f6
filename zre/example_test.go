package zre_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// onLoopback keeps the examples' nodes on loopback and apart from all others.
func onLoopback(port int, options ...zre.Option) []zre.Option {
	return append(options, zre.WithInterfaces("127.0.0.1"), zre.WithBeaconPort(port))
}

// Two nodes meet, and one welcomes the other.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	alice, err := zre.NewNode(onLoopback(11501, zre.WithName("alice"))...)
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close()
	bob, err := zre.NewNode(onLoopback(11501, zre.WithName("bob"), zre.WithHeader("role", "camera"))...)
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()
	for _, node := range []*zre.Node{alice, bob} {
		if err := node.Start(ctx); err != nil {
			log.Fatal(err)
		}
	}

	for event := range alice.All(ctx) {
		if enter, ok := event.(zre.Enter); ok {
			fmt.Println(enter.Peer.Name, "is here, a", enter.Peer.Headers["role"])
			if err := alice.Whisper(ctx, enter.Peer.UUID, []byte("welcome")); err != nil {
				log.Fatal(err)
			}
			break
		}
	}
	for event := range bob.All(ctx) {
		if whisper, ok := event.(zre.Whisper); ok {
			fmt.Printf("%s whispers %s\n", whisper.Peer.Name, whisper.Frames[0])
			break
		}
	}
	// Output:
	// bob is here, a camera
	// alice whispers welcome
}

// A group: its members hear what is shouted to it.
func ExampleNode_Shout() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var nodes []*zre.Node
	for _, name := range []string{"sensor", "display"} {
		node, err := zre.NewNode(onLoopback(11502, zre.WithName(name))...)
		if err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		if err := node.Join("TEMPERATURE"); err != nil {
			log.Fatal(err)
		}
		if err := node.Start(ctx); err != nil {
			log.Fatal(err)
		}
		nodes = append(nodes, node)
	}
	sensor, display := nodes[0], nodes[1]

	for event := range sensor.Events() {
		if join, ok := event.(zre.Join); ok && join.Group == "TEMPERATURE" {
			if err := sensor.Shout(ctx, join.Group, []byte("21.5"), []byte("°C")); err != nil {
				log.Fatal(err)
			}
			break
		}
	}
	for event := range display.Events() {
		if shout, ok := event.(zre.Shout); ok {
			fmt.Printf("%s in %s: %s %s\n", shout.Peer.Name, shout.Group, shout.Frames[0], shout.Frames[1])
			break
		}
	}
	// Output: sensor in TEMPERATURE: 21.5 °C
}

// Errors are told apart with errors.Is; a PeerError says which peer.
func ExampleNode_Whisper() {
	node, err := zre.NewNode(onLoopback(11503)...)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if err := node.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	err = node.Whisper(context.Background(), node.UUID(), []byte("hello?"))
	fmt.Println(errors.Is(err, zre.ErrUnknownPeer)) // a node is no peer of its own
	var failed *zre.PeerError
	if errors.As(err, &failed) {
		fmt.Println(failed.UUID == node.UUID())
	}
	// Output:
	// true
	// true
}

// Who is present can be asked at any time.
func ExampleNode_Peers() {
	node, err := zre.NewNode(onLoopback(11504)...)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if err := node.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	for _, peer := range node.Peers() {
		fmt.Println(peer.Name, "at", peer.Endpoint, "in", peer.Groups)
	}
	fmt.Println(len(node.Peers()), "peers")
	// Output: 0 peers
}

// An option with a value that cannot be used is an error that names it.
func ExampleWithBeaconPort() {
	_, err := zre.NewNode(zre.WithBeaconPort(70_000))
	fmt.Println(err)
	// Output: zre: WithBeaconPort(70000): choose a port from 1 to 55535
}
