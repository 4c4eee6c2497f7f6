package node

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Ten secure nodes that start together soon form a mesh, by tcp only. The test logs the median time after the last start; the aim is 150 ms.
func TestSecureMesh(t *testing.T) {
	const count, rounds = 10, 5
	var took []time.Duration
	for range rounds {
		port := beaconPort()
		var nodes []*testNode
		for i := range count {
			n, err := New(onLoopback(port, Config{Name: fmt.Sprint(i), Certificate: certificate(t), Transports: []string{TCP}}))
			if err != nil {
				t.Fatal(err)
			}
			nodes = append(nodes, record(t, n))
		}
		began := time.Now()
		for _, a := range nodes {
			for _, b := range nodes {
				if a == b {
					continue
				}
				if e := a.waitKind(Enter, b.UUID()); e.Peer.PublicKey != b.publicKey() || e.Peer.Transport != TCP {
					t.Errorf("%s knows %s by %s, as %v", a.Name(), b.Name(), e.Peer.Transport, e.Peer.PublicKey)
				}
			}
		}
		took = append(took, time.Since(began))
		for _, n := range nodes {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	slices.Sort(took)
	t.Logf("%d secure nodes are a mesh %v after the last start (median of %d; %v)", count, took[rounds/2], rounds, took)
}
