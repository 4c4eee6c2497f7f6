package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// Mesh is a number of nodes in this process that all know each other.
type Mesh struct {
	Took time.Duration // from the start of the last node until each knew all the others

	nodes []*zre.Node
	group sync.WaitGroup

	mu   sync.Mutex // guards lost
	lost map[zre.Reason]int
}

// NewMesh starts nodes with these options, and waits until each has that many peers, here and elsewhere.
func NewMesh(ctx context.Context, nodes, peers int, options ...zre.Option) (*Mesh, error) {
	m := &Mesh{lost: make(map[zre.Reason]int)}
	met := make(chan struct{}, nodes)
	var last time.Time
	for range nodes {
		node, err := zre.NewNode(options...)
		if err == nil {
			m.nodes = append(m.nodes, node)
			last = time.Now()
			err = node.Start(ctx)
		}
		if err != nil {
			m.Close()
			return nil, err
		}
		m.group.Go(func() { m.watch(node, peers, met) })
	}
	for done := range nodes {
		select {
		case <-met:
		case <-ctx.Done():
			m.Close()
			return nil, fmt.Errorf("%d of %d nodes have met their %d peers: %w", done, nodes, peers, context.Cause(ctx))
		}
	}
	m.Took = time.Since(last)
	return m, nil
}

// watch counts a node's peers, tells once when they are enough, and then counts those that go without a farewell.
func (m *Mesh) watch(node *zre.Node, peers int, met chan<- struct{}) {
	present, told := 0, false
	for event := range node.All(context.Background()) {
		switch e := event.(type) {
		case zre.Enter:
			present++
		case zre.Exit:
			present--
			if e.Reason != zre.Left {
				m.mu.Lock()
				m.lost[e.Reason]++
				m.mu.Unlock()
			}
		}
		if present >= peers && !told {
			told = true
			met <- struct{}{}
		}
	}
}

// Lost is how many EXITs there were, since it was called before, of peers that had not said farewell; by reason.
func (m *Mesh) Lost() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	lost := make(map[string]int)
	for reason, count := range m.lost {
		lost[reason.String()] = count
	}
	clear(m.lost)
	return lost
}

// Close closes all nodes, at the same time.
func (m *Mesh) Close() {
	var closing sync.WaitGroup
	for _, node := range m.nodes {
		closing.Go(func() { node.Close() })
	}
	closing.Wait()
	m.group.Wait()
}
