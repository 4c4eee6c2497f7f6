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

// onLoopback keeps the nodes of the examples on loopback, apart from all others.
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

	for event := range alice.AllEvents(ctx) {
		if enter, ok := event.(zre.Enter); ok {
			fmt.Println(enter.Peer.Name, "is here, a", enter.Peer.Headers["role"])
			if err := alice.Whisper(ctx, enter.Peer.UUID, []byte("welcome")); err != nil {
				log.Fatal(err)
			}
			break
		}
	}
	for event := range bob.AllEvents(ctx) {
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
	fmt.Println(errors.Is(err, zre.ErrUnknownPeer)) // a node is not its own peer
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

// What goes wrong comes as an event when it begins and when it is solved; Problems has what stands.
func ExampleProblem() {
	node, err := zre.NewNode(onLoopback(11510, zre.WithPeers("tcp://127.0.0.1:9"))...)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if err := node.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	for event := range node.Events() {
		if problem, ok := event.(zre.Problem); ok && problem.Kind == zre.ProblemUnreachable && !problem.Solved {
			fmt.Println("cannot reach", problem.About) // problem.Err says why
			break
		}
	}
	for _, problem := range node.Problems() {
		fmt.Println(problem.Kind, problem.About)
	}
	// Output:
	// cannot reach tcp://127.0.0.1:9
	// unreachable tcp://127.0.0.1:9
}

// An option with a value that cannot be used is an error that names it.
func ExampleWithBeaconPort() {
	_, err := zre.NewNode(zre.WithBeaconPort(70_000))
	fmt.Println(err)
	// Output: zre: WithBeaconPort(70000): choose a port from 1 to 55535
}

// A broker gives its jobs to nodes that have time, and leaves an overloaded node alone.
func ExampleNode_Choose() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker, err := zre.NewNode(onLoopback(11505, zre.WithName("broker"))...)
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	if err := broker.Start(ctx); err != nil {
		log.Fatal(err)
	}
	var workers []*zre.Node
	for _, name := range []string{"ann", "ben"} {
		worker, err := zre.NewNode(onLoopback(11505, zre.WithName(name))...)
		if err != nil {
			log.Fatal(err)
		}
		defer worker.Close()
		if err := errors.Join(worker.Join("WORKERS"), worker.Start(ctx)); err != nil {
			log.Fatal(err)
		}
		workers = append(workers, worker)
	}
	ann, ben := workers[0], workers[1]

	ann.SetState(zre.StateProcessing) // ann has enough work and reports it
	for range broker.AllEvents(ctx) {
		busy, known := broker.Peer(ann.UUID())
		if known && busy.State == zre.StateProcessing && len(broker.PeersIn("WORKERS")) == 2 {
			break // both are present, and ann's state is known
		}
	}
	if worker, ok := broker.Choose("WORKERS"); ok {
		fmt.Println("the job goes to", worker.Name)
	}

	ben.SetState(zre.StateProcessing)
	for event := range broker.AllEvents(ctx) {
		change, ok := event.(zre.StateChange)
		if !ok || change.Peer.UUID != ben.UUID() {
			continue
		}
		if _, ok := broker.Choose("WORKERS"); !ok {
			fmt.Println("no node has time: wait for the next StateChange")
		}
		break
	}
	// Output:
	// the job goes to ben
	// no node has time: wait for the next StateChange
}

// Members of a group that contest for its leadership: the lowest UUID leads, and another one when its node ends.
func ExampleNode_Contest() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var nodes []*zre.Node
	for i, name := range []string{"ann", "ben"} {
		node, err := zre.NewNode(onLoopback(11512, zre.WithName(name), zre.WithUUID(uuid.UUID{byte(i), 15: 1}), zre.WithContest("ROBOTS"))...)
		if err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		if err := node.Start(ctx); err != nil {
			log.Fatal(err)
		}
		nodes = append(nodes, node)
	}
	ann, ben := nodes[0], nodes[1]

	for event := range ben.AllEvents(ctx) {
		e, ok := event.(zre.Leader)
		switch {
		case ok && e.Peer.UUID == ann.UUID():
			fmt.Println(e.Peer.Name, "leads", e.Group)
			ann.Close()
		case ok && ann.State() == zre.StateExit: // otherwise ann was slow to start
			fmt.Println("now I lead", e.Group)
			return
		}
	}
	// Output:
	// ann leads ROBOTS
	// now I lead ROBOTS
}

// Whether a peer answers, and how long that takes.
func ExampleNode_Ping() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var nodes []*zre.Node
	for _, name := range []string{"alice", "bob"} {
		node, err := zre.NewNode(onLoopback(11507, zre.WithName(name))...)
		if err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		if err := node.Start(ctx); err != nil {
			log.Fatal(err)
		}
		nodes = append(nodes, node)
	}

	alice := nodes[0]
	for event := range alice.AllEvents(ctx) {
		if enter, ok := event.(zre.Enter); ok {
			took, err := alice.Ping(ctx, enter.Peer.UUID)
			fmt.Println(enter.Peer.Name, "answers:", took > 0, err)
			break
		}
	}
	// Output: bob answers: true <nil>
}

// A program sends something, makes sure that it was read, and ends.
func ExampleNode_Shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	alice, err := zre.NewNode(onLoopback(11509, zre.WithName("alice"))...)
	if err != nil {
		log.Fatal(err)
	}
	bob, err := zre.NewNode(onLoopback(11509, zre.WithName("bob"))...)
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()
	for _, node := range []*zre.Node{alice, bob} {
		if err := node.Start(ctx); err != nil {
			log.Fatal(err)
		}
	}
	for event := range alice.AllEvents(ctx) {
		if enter, ok := event.(zre.Enter); ok {
			if err := alice.Whisper(ctx, enter.Peer.UUID, []byte("the file")); err != nil {
				log.Fatal(err)
			}
			if err := alice.Flush(ctx, enter.Peer.UUID); err != nil {
				log.Fatal(err) // bob may not have everything
			}
			break
		}
	}
	err = alice.Shutdown(ctx)
	for _, lost := range zre.Losses(err) {
		fmt.Printf("%d messages to %s were not sent: %v\n", lost.Messages, lost.Name, lost.Err)
	}
	for event := range bob.AllEvents(ctx) {
		switch e := event.(type) {
		case zre.Whisper:
			fmt.Printf("bob has %s\n", e.Frames[0])
		case zre.Exit:
			fmt.Println(e.Peer.Name, e.Reason)
			return
		}
	}
	// Output:
	// bob has the file
	// alice left
}

// A node says what it is doing, and its peers see it change.
func ExampleNode_SetState() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	watcher, err := zre.NewNode(onLoopback(11506, zre.WithName("watcher"))...)
	if err != nil {
		log.Fatal(err)
	}
	defer watcher.Close()
	worker, err := zre.NewNode(onLoopback(11506, zre.WithName("worker"))...)
	if err != nil {
		log.Fatal(err)
	}
	defer worker.Close()
	for _, node := range []*zre.Node{watcher, worker} {
		if err := node.Start(ctx); err != nil {
			log.Fatal(err)
		}
	}

	for event := range watcher.AllEvents(ctx) {
		switch e := event.(type) {
		case zre.Enter:
			fmt.Println(e.Peer.Name, "enters:", e.Peer.State)
			worker.SetState(zre.StateProcessing) // a job has arrived
		case zre.StateChange:
			fmt.Println(e.Peer.Name, "changes:", e.State)
			if e.State == zre.StateIdle {
				return
			}
			worker.SetState(zre.StateIdle) // it is done
		}
	}
	// Output:
	// worker enters: idle
	// worker changes: processing
	// worker changes: idle
}

// Large messages need leave no garbage: the sender gives frames away, and the receiver gives messages back.
func ExampleNewFrame() {
	camera, err := zre.NewNode(onLoopback(11507)...)
	if err != nil {
		log.Fatal(err)
	}
	defer camera.Close()
	screen, err := zre.NewNode(onLoopback(11507)...)
	if err != nil {
		log.Fatal(err)
	}
	defer screen.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, node := range []*zre.Node{camera, screen} {
		if err := node.Start(ctx); err != nil {
			log.Fatal(err)
		}
	}
	for event := range camera.AllEvents(ctx) {
		if enter, ok := event.(zre.Enter); ok {
			picture := zre.NewFrame(640 * 480)
			copy(picture, "what the camera sees")
			if err := camera.WhisperNoCopy(ctx, enter.Peer.UUID, picture); err != nil {
				log.Fatal(err)
			}
			break
		}
	}
	for event := range screen.AllEvents(ctx) {
		if whisper, ok := event.(zre.Whisper); ok {
			fmt.Println(len(whisper.Frames[0]), "bytes:", string(whisper.Frames[0][:20]))
			whisper.Recycle()
			break
		}
	}
	// Output: 307200 bytes: what the camera sees
}
