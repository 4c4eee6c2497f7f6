package node

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/beacon"
)

// A lateNetwork network has no address to listen on until the test allows it.
type lateNetwork struct {
	*cables

	mu     sync.Mutex
	absent error
	opened int
	beacon int // sent
}

func (l *lateNetwork) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if network == "tcp" && l.absent != nil {
		return nil, l.absent
	}
	if network == "tcp" {
		l.opened++
	}
	return l.cables.Listen(ctx, network, address)
}

func (l *lateNetwork) ListenPacket(network string, port int) (beacon.PacketConn, error) {
	conn, err := l.cables.ListenPacket(network, port)
	return &countingConn{conn, l}, err
}

type countingConn struct {
	beacon.PacketConn
	network *lateNetwork
}

func (c *countingConn) WriteTo(b []byte, d beacon.Destination) error {
	c.network.mu.Lock()
	defer c.network.mu.Unlock()
	c.network.beacon++
	return c.PacketConn.WriteTo(b, d)
}

func (l *lateNetwork) counts() (opened, beacons int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opened, l.beacon
}

// TestListensLater: the node waits for a missing address, reports a problem meanwhile, and announces nothing before it listens there.
func TestListensLater(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   Config
		about string
	}{
		"mailbox":           {Config{Listen: "tcp://10.0.0.1:5671"}, "tcp://10.0.0.1:5671"},
		"mailbox, any port": {Config{Listen: "tcp://10.0.0.1:*"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &lateNetwork{cables: newCables(), absent: errors.Join(syscall.EADDRNOTAVAIL)}
				c.cfg.Network = l
				n := start(t, c.cfg)
				time.Sleep(time.Minute) // fake time
				problems := n.Problems()
				if len(problems) != 1 || problems[0].Kind != ProblemNotAccepting || c.about != "" && problems[0].About != c.about || !errors.Is(problems[0].Err, syscall.EADDRNOTAVAIL) {
					t.Fatalf("problems: %v", problems)
				}
				if opened, beacons := l.counts(); opened > 0 || beacons > 0 || n.problemEvents() != 1 {
					t.Errorf("%d listeners, %d beacons, %d events about problems", opened, beacons, n.problemEvents())
				}
				l.mu.Lock()
				l.absent = nil
				l.mu.Unlock()
				time.Sleep(time.Second) // fake time
				if opened, beacons := l.counts(); opened != 1 || beacons == 0 || len(n.Problems()) > 0 || n.problemEvents() != 2 {
					t.Errorf("%d listeners, %d beacons, problems %v, %d events about them", opened, beacons, n.Problems(), n.problemEvents())
				}
			})
		})
	}
}

// TestHubListensLater: the same for a gossip hub; the node works meanwhile.
func TestHubListensLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lateNetwork{cables: newCables()}
		absent := &absentPort{lateNetwork: l, port: "10.0.0.1:5672"}
		n := start(t, Config{Network: absent, GossipBind: []string{"tcp://10.0.0.1:5672"}})
		time.Sleep(time.Minute) // fake time
		if problems := n.Problems(); len(problems) != 1 || problems[0].Kind != ProblemNotAccepting || problems[0].About != "tcp://10.0.0.1:5672" {
			t.Fatalf("problems: %v", problems)
		}
		if opened, beacons := l.counts(); opened != 1 || beacons == 0 {
			t.Errorf("%d listeners, %d beacons", opened, beacons)
		}
		l.mu.Lock()
		absent.port = ""
		l.mu.Unlock()
		time.Sleep(time.Second) // fake time
		if opened, _ := l.counts(); opened != 2 || len(n.Problems()) > 0 {
			t.Errorf("%d listeners, problems %v", opened, n.Problems())
		}
	})
}

// An absentPort lacks one address and port.
type absentPort struct {
	*lateNetwork
	port string
}

func (a *absentPort) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	a.mu.Lock()
	absent := a.port == address
	a.mu.Unlock()
	if absent {
		return nil, syscall.EADDRNOTAVAIL
	}
	return a.lateNetwork.Listen(ctx, network, address)
}

// TestCloseBeforeItsAddress: a node whose address is missing closes at once.
func TestCloseBeforeItsAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		expectClosesAtOnce(t, Config{Network: &lateNetwork{cables: newCables(), absent: syscall.EADDRNOTAVAIL}, Listen: "tcp://10.0.0.1:5671", GossipBind: []string{"tcp://10.0.0.1:5672"}})
	})
}
