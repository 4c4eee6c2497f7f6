package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

// otherProcess is the system's network as another process of this host sees it.
type otherProcess struct {
	Network
	number int
}

// withoutIPC is a network without unix sockets.
type withoutIPC struct {
	Network
	number int
}

var errNoIPC = errors.New("nowhere to put a socket")

func (w withoutIPC) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	if network == "unix" {
		return nil, errNoIPC
	}
	return w.Network.Listen(ctx, network, address)
}

func TestTransports(t *testing.T) {
	for _, c := range []struct {
		name  string
		a, b  Config
		want  string
		lines int // log lines about it
	}{
		{"one process", Config{}, Config{}, Inproc, 0},
		{"two processes", Config{}, Config{Network: otherProcess{System, 1}}, IPC, 0},
		{"one process, without inproc", Config{Transports: []string{IPC, TCP}}, Config{Transports: []string{IPC, TCP}}, IPC, 0},
		{"one process, by tcp alone", Config{Transports: []string{TCP}}, Config{Transports: []string{TCP}}, TCP, 0},
		{"two processes, without ipc", Config{Network: withoutIPC{System, 1}}, Config{Network: withoutIPC{System, 2}}, TCP, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			port := beaconPort()
			var log lines
			c.a.Log, c.b.Log = zerolog.New(&log).Level(zerolog.WarnLevel), zerolog.New(&log).Level(zerolog.WarnLevel)
			a, b := start(t, onLoopback(port, c.a)), start(t, onLoopback(port, c.b))
			for _, pair := range [][2]*testNode{{a, b}, {b, a}} {
				one, other := pair[0], pair[1]
				one.waitKind(Enter, other.UUID())
				one.until(t, "it is connected", func() bool { return one.sessions[other.UUID()].mailbox != nil })
				p, _ := one.Peer(other.UUID())
				if p == nil || p.Transport != c.want || p.Endpoint != other.Endpoint() {
					t.Errorf("the peer is %+v, want %s and %s", p, c.want, other.Endpoint())
				}
				large := bytes.Repeat([]byte("large"), 10_000)
				if err := one.Whisper(t.Context(), other.UUID(), []byte("small"), large); err != nil {
					t.Fatal(err)
				}
				clear(large) // the buffer is ours again
				got := other.waitKind(Whisper, one.UUID()).Frames
				if len(got) != 2 || string(got[0]) != "small" || !bytes.Equal(got[1], bytes.Repeat([]byte("large"), 10_000)) {
					t.Errorf("%d frames came, or their content changed; want 2", len(got))
				}
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if e := a.waitKind(Exit, b.UUID()); e.Reason != Left {
				t.Errorf("the peer exited as %v, want left", e.Reason)
			}
			if got := log.count(); got != c.lines {
				t.Errorf("%d lines of log, want %d: %s", got, c.lines, log.text())
			}
		})
	}
}

func TestTransportsMisused(t *testing.T) {
	for _, list := range [][]string{{"udp"}, {IPC}, {TCP, "TCP"}} {
		if _, err := New(Config{Transports: list}); err == nil || !strings.Contains(err.Error(), fmt.Sprint(list[len(list)-1])) {
			t.Errorf("transports %v: got %v, want an error that names the wrong one", list, err)
		}
	}
}

// A foreign peer on the same host stays on tcp.
func TestForeignPeerByTCP(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	n.until(t, "it is connected", func() bool { return n.sessions[f.uuid].mailbox != nil })
	if p, _ := n.Peer(f.uuid); p == nil || p.Transport != TCP {
		t.Errorf("the peer is %+v, want one by tcp", p)
	}
}

// A shout to members over all transports is copied for each member that may change it.
func TestShoutOverAll(t *testing.T) {
	t.Parallel()
	port := beaconPort()
	speaker := start(t, onLoopback(port, Config{}))
	var members []*testNode
	for i, cfg := range []Config{{}, {}, {Network: otherProcess{System, 1}}, {Network: withoutIPC{System, 1}}} {
		m := start(t, onLoopback(port, cfg))
		if err := m.Join("G"); err != nil {
			t.Fatal(err)
		}
		speaker.waitKind(Join, m.UUID())
		members = append(members, m)
		want := []string{Inproc, Inproc, IPC, TCP}[i]
		speaker.until(t, "it is connected", func() bool { return speaker.sessions[m.UUID()].mailbox != nil })
		if p, _ := speaker.Peer(m.UUID()); p.Transport != want {
			t.Errorf("member %d is reached by %s, want %s", i, p.Transport, want)
		}
	}
	large := bytes.Repeat([]byte{7}, 100_000)
	if err := speaker.Shout(t.Context(), "G", large, []byte("small")); err != nil {
		t.Fatal(err)
	}
	clear(large)
	for i, m := range members {
		frames := m.waitKind(Shout, speaker.UUID()).Frames
		if !bytes.Equal(frames[0], bytes.Repeat([]byte{7}, 100_000)) || string(frames[1]) != "small" {
			t.Errorf("member %d got other frames", i)
		}
		clear(frames[0]) // it belongs to the application
		clear(frames[1])
	}
}

// If two nodes in a process have one UUID, the first one is met, and the end of the second one does no harm.
func TestSameUUIDInOneProcess(t *testing.T) {
	t.Parallel()
	port, id := beaconPort(), uuid.New()
	a := start(t, onLoopback(port, Config{}))
	first := start(t, onLoopback(port, Config{UUID: id, Name: "first"}))
	first.waitKind(Enter, a.UUID())
	second := start(t, onLoopback(port, Config{UUID: id, Name: "second"}))
	first.wait("conflict", isConflict)
	second.wait("conflict", isConflict)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if a.neighbour(id) != first.Node {
		t.Error("the first node is not found any more")
	}
}

// lines is a log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) count() int { return strings.Count(l.text(), "\n") }
