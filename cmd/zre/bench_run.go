package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/go-zre/go-zre/internal/bench"
	"github.com/go-zre/go-zre/zre"
)

// meetTime is how long nodes may take to find each other.
const meetTime = 30 * time.Second

// start makes and starts a node.
func (c *benchConfig) start(ctx context.Context) (*zre.Node, error) {
	node, err := zre.NewNode(c.node...)
	if err != nil {
		return nil, err
	}
	err = node.Start(ctx)
	if err == nil {
		err = bench.Findable(node)
	}
	if err != nil {
		node.Close()
		return nil, err
	}
	return node, nil
}

// benchServe answers until ctx ends.
func benchServe(ctx context.Context, c *benchConfig, s *screen) (any, error) {
	var serving sync.WaitGroup
	defer serving.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range c.nodes {
		node, err := c.start(ctx)
		if err != nil {
			return nil, err
		}
		serving.Go(func() {
			defer node.Close()
			_ = bench.Serve(ctx, node) // the group's name is valid
		})
	}
	s.result(serveResult{Event: "ready", Nodes: c.nodes})
	<-ctx.Done()
	return nil, nil
}

// client starts a node and waits for the servers.
func (c *benchConfig) client(ctx context.Context, servers int, s *screen) (*bench.Client, *zre.Node, error) {
	node, err := c.start(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.progress.say("looking for " + plural(servers, "server"))
	ctx, cancel := context.WithTimeoutCause(ctx, meetTime, fmt.Errorf(
		"none more within %v; does \"zre bench serve\" run with the same --port?", meetTime))
	defer cancel()
	client, err := bench.Meet(ctx, node, servers)
	if err != nil {
		node.Close()
		return nil, nil, err
	}
	return client, node, nil
}

func benchSend(ctx context.Context, c *benchConfig, s *screen) (any, error) {
	client, node, err := c.client(ctx, c.peers, s)
	if err != nil {
		return nil, err
	}
	defer node.Close()
	rate, err := client.Send(ctx, bench.Load{Shout: c.kind == "shout", Given: c.given, Size: c.size, Time: c.time, Progress: s.progress.show})
	if err != nil {
		return nil, err
	}
	perMessage := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(rate.Delivered) }
	return sendResult{
		Bench: c.kind, Size: c.size, Peers: client.Peers(), Transport: strings.Join(client.Transports(), ", "),
		Seconds: rate.Elapsed.Seconds(), Sent: rate.Sent, Delivered: rate.Delivered, MessagesPerSecond: rate.PerSecond(),
		MegabytesPerSecond: float64(rate.Bytes) / 1e6 / rate.Elapsed.Seconds(),
		ProcessorHere:      perMessage(rate.Here.Processor), ProcessorThere: perMessage(rate.There.Processor),
	}, nil
}

func benchLatency(ctx context.Context, c *benchConfig, s *screen) (any, error) {
	client, node, err := c.client(ctx, 1, s)
	if err != nil {
		return nil, err
	}
	defer node.Close()
	if _, err := client.Latency(ctx, bench.Load{Size: c.size, Count: 100}); err != nil { // warm up first
		return nil, err
	}
	took, err := client.Latency(ctx, bench.Load{Size: c.size, Time: c.time, Progress: s.progress.show})
	if err != nil {
		return nil, err
	}
	microseconds := func(p float64) float64 { return float64(bench.Percentile(took, p).Nanoseconds()) / 1000 }
	return latencyResult{
		Bench: c.kind, Size: c.size, Transport: strings.Join(client.Transports(), ", "), Messages: len(took),
		P50: microseconds(50), P99: microseconds(99), Max: microseconds(100),
	}, nil
}

func benchMesh(ctx context.Context, c *benchConfig, s *screen) (any, error) {
	meet, cancel := context.WithTimeoutCause(ctx, meetTime, fmt.Errorf("none more within %v", meetTime))
	defer cancel()
	s.progress.say(fmt.Sprintf("%s start, and look for %s each", plural(c.nodes, "node"), plural(c.peers, "peer")))
	mesh, err := bench.NewMesh(meet, c.nodes, c.peers, c.node...)
	if err != nil {
		return nil, err
	}
	defer mesh.Close()
	result := meshResult{Bench: c.kind, Nodes: c.nodes, Peers: c.peers, Milliseconds: float64(mesh.Took.Microseconds()) / 1000}
	s.met(result, mesh.Met)
	if err := new(progress).wait(ctx, min(c.time/4, time.Second)); err != nil { // do not count what is left of the start as the cost of idling
		return nil, err
	}
	began, before := time.Now(), bench.Spent()
	if err := s.progress.wait(ctx, c.time); err != nil {
		return nil, err
	}
	result.IdlePercent = 100 * float64(bench.Spent().Processor-before.Processor) / float64(time.Since(began))
	now, most := bench.Resident()
	result.ResidentMiB, result.ResidentPeakMiB = float64(now)/(1<<20), float64(most)/(1<<20)
	result.Goroutines, result.Watched = runtime.NumGoroutine(), c.time.Seconds()
	for _, loss := range mesh.Lost() {
		result.Lost = append(result.Lost, lossResult{loss.Reason.String(), loss.When.Sub(mesh.Met).Seconds()})
	}
	if !c.stay {
		return result, nil
	}
	s.progress.clear()
	s.result(result)
	<-ctx.Done()
	return nil, nil
}
