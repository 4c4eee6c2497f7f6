package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// Mesh is a number of nodes in this process that all know each other.
type Mesh struct {
	Met  time.Time     // when each knew all the others
	Took time.Duration // until then, from the start of the last node

	nodes []*zre.Node
	group sync.WaitGroup

	mu   sync.Mutex // guards lost
	lost []Loss
}

// NewMesh starts nodes with these options, and waits until each has that many peers, here and elsewhere.
func NewMesh(ctx context.Context, nodes, peers int, options ...zre.Option) (*Mesh, error) {
	m := new(Mesh)
	met := make(chan struct{}, nodes)
	var last time.Time
	for range nodes {
		node, err := zre.NewNode(options...)
		if err == nil {
			m.nodes = append(m.nodes, node)
			last = time.Now()
			if err = node.Start(ctx); err == nil {
				err = Findable(node)
			}
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
	m.Met = time.Now()
	m.Took = m.Met.Sub(last)
	return m, nil
}

// watch counts a node's peers, signals once when there are enough, and then counts those that leave without a GOODBYE.
func (m *Mesh) watch(node *zre.Node, peers int, met chan<- struct{}) {
	present, told := 0, false
	for event := range node.AllEvents(context.Background()) {
		switch e := event.(type) {
		case zre.Enter:
			present++
		case zre.Exit:
			present--
			if e.Reason != zre.ReasonLeft {
				m.mu.Lock()
				m.lost = append(m.lost, Loss{time.Now(), e.Reason})
				m.mu.Unlock()
			}
		}
		if present >= peers && !told {
			told = true
			met <- struct{}{}
		}
	}
}

// Loss is an EXIT of a peer that had not said GOODBYE.
type Loss struct {
	When   time.Time
	Reason zre.Reason
}

// Lost returns what was lost so far, from the first start on.
func (m *Mesh) Lost() []Loss {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.lost)
}

// Close closes all nodes concurrently.
func (m *Mesh) Close() {
	var closing sync.WaitGroup
	for _, node := range m.nodes {
		closing.Go(func() { node.Close() })
	}
	closing.Wait()
	m.group.Wait()
}
