package node

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// oursWith is the configuration of a fake peer that announces extensions like one of ours.
func oursWith(words string) zmtp.Config {
	return zmtp.Config{Identity: identity(uuid.New()), Properties: map[string]string{extensionsProperty: words}}
}

// A peer that announces the extension for states gets them by message. It gets one at the start only if the state has changed since READY. Other
// peers never get one.
func TestStateByMessage(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  zmtp.Config
		want []string
	}{
		{"ours", oursWith("goodbye state"), []string{"HELLO 1", "STATE 2", "STATE 3", "GOODBYE 4"}},
		{"ours, with unknown words", oursWith("later  state goodbye"), []string{"HELLO 1", "STATE 2", "STATE 3", "GOODBYE 4"}},
		{"ours, without states", oursWith("goodbye"), []string{"HELLO 1", "GOODBYE 2"}},
		{"ours, without either", oursWith(""), []string{"HELLO 1", "JOIN 2"}},
		{"foreign", zmtp.Config{}, []string{"HELLO 1", "JOIN 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := start(t, onLoopback(beaconPort(), Config{}))
			f := newFakePeerWith(t, n, c.cfg)
			heard := listenTo(f)
			f.enter()
			n.until(t, "it is connected", func() bool { return n.sessions[f.uuid].mailbox != nil })
			for _, s := range []beacon.State{beacon.Processing, beacon.Error} {
				if err := n.SetState(s); err != nil {
					t.Fatal(err)
				}
				n.until(t, "STATE may be sent again", func() bool { return !n.stateJustSent })
			}
			if !n.sessions[f.uuid].extensions.has(extGoodbye) {
				if err := n.Join("end"); err != nil {
					t.Fatal(err)
				}
			}
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
			next(t, heard, c.want...)
			if len(heard) > 0 {
				t.Errorf("then the peer got %q, want nothing", <-heard)
			}
		})
	}
}

// The DEALER's READY has the state that Enter shows. Messages bring later ones, and the state in its beacons no longer counts.
func TestStateOfPeer(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeerWith(t, n, oursWith("state"))
	f.properties = map[string]string{extensionsProperty: "state", stateProperty: "processing"}
	f.enter()
	if e := n.waitKind(Enter, f.uuid); e.Peer.State != beacon.Processing {
		t.Errorf("the peer entered in state %v, want processing", e.Peer.State)
	}
	f.datagram(beacon.Beacon{UUID: f.uuid, Port: f.port(), State: beacon.Idle}.Append(nil)) // does not count
	for i, s := range []beacon.State{beacon.Receiving, beacon.Receiving, beacon.Exit, 99, beacon.Unknown, beacon.Idle} {
		f.send(msg.AppendState(nil, uint16(2+i), uint8(s)))
	}
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "STATE(receiving)", "STATE(idle)"})
	if p, _ := n.Peer(f.uuid); p == nil || p.State != beacon.Idle {
		t.Errorf("the peer is %+v, want state idle", p)
	}
}

// A foreign peer's STATE, HEADERS and GOODBYE only count in the sequence.
func TestForeignPeersExtensions(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	f.send(msg.AppendState(nil, 2, uint8(beacon.Processing)))
	f.send(msg.AppendGoodbye(nil, 3))
	f.send(must(msg.AppendHeaders(nil, 4, []msg.OutHeader{{Name: "k", Value: "v"}}, msg.Limits{})))
	f.send(msg.AppendWhisper(nil, 5), []byte("still here"))
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "WHISPER:1f"})
	if p, _ := n.Peer(f.uuid); p.Headers["k"] != "" {
		t.Errorf("the peer's headers are %v, want those of its HELLO", p.Headers)
	}
}

// GOODBYE ends a session at once, after everything that came before it. An old beacon does not bring the peer back.
func TestGoodbye(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeerWith(t, n, oursWith("goodbye"))
	f.properties = map[string]string{extensionsProperty: "goodbye"}
	f.enter()
	f.send(msg.AppendWhisper(nil, 2), []byte("last words"))
	f.send(msg.AppendGoodbye(nil, 3))
	f.send(msg.AppendWhisper(nil, 4), []byte("from beyond"))
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "WHISPER:1f", "EXIT(left)"})
	f.beacon(f.port())
	other := newFakePeer(t, n) // its beacon comes later
	other.enter()
	if n.until(t, "looked", func() bool { return true }); len(f.hellos) != 1 {
		t.Errorf("%d HELLOs, want the first alone", len(f.hellos))
	}
}

func TestSetState(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	if got := n.State(); got != beacon.Idle {
		t.Errorf("the state is %v after the start, want idle", got)
	}
	for _, s := range []beacon.State{beacon.Exit, beacon.Unknown, 6} {
		if err := n.SetState(s); !errors.Is(err, ErrInvalidState) {
			t.Errorf("SetState(%v): got %v, want ErrInvalidState", s, err)
		}
	}
	n.Close()
	if err := n.SetState(beacon.Idle); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if got := n.State(); got != beacon.Exit {
		t.Errorf("the state is %v after the end, want exit", got)
	}
	early, err := New(onLoopback(beaconPort(), Config{}))
	if err != nil {
		t.Fatal(err)
	}
	if got := early.State(); got != beacon.Init {
		t.Errorf("the state is %v before the start, want init", got)
	}
	if err := early.SetState(beacon.Processing); err != nil {
		t.Fatal(err)
	}
	if r := record(t, early); r.State() != beacon.Processing {
		t.Errorf("the state is %v, want processing, which was set before the start", r.State())
	}
}

// Of many changes in a row the peers get a few, including the last one.
func TestManyStates(t *testing.T) {
	t.Parallel()
	port := beaconPort()
	a, b := start(t, onLoopback(port, Config{})), start(t, onLoopback(port, Config{}))
	b.waitKind(Enter, a.UUID())
	for i := range 2_000 {
		if err := a.SetState([]beacon.State{beacon.Idle, beacon.Processing}[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.SetState(beacon.Error); err != nil {
		t.Fatal(err)
	}
	b.wait("the last state", func(e Event) bool { return e.Kind == State && e.State == beacon.Error })
	if got := b.eventsOf(a.UUID()); slices.Contains(got, "EXIT(not responding)") {
		t.Errorf("the peer exited: %q", got)
	}
}

func isConflict(e Event) bool { return e.Kind == ProblemChanged && e.Problem.Kind == ProblemConflict }

// Another node with our UUID is reported once, and gets no message.
func TestConflict(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.uuid, f.identity = n.UUID(), identity(n.UUID())
	for range 5 {
		f.beacon(f.port())
	}
	e := n.wait("conflict", isConflict)
	if e.Peer.UUID != n.UUID() || e.Peer.Endpoint != f.endpoint() || e.Problem.About != n.UUID().String() {
		t.Errorf("got problem %+v with peer %+v, want one about our UUID and the other's endpoint", e.Problem, e.Peer)
	}
	f.connect()
	<-f.conn.Done()
	good := newFakePeer(t, n)
	good.enter()
	if got := n.eventsOf(n.UUID()); len(got) != 1 || len(f.hellos) > 0 || len(n.Peers()) != 1 {
		t.Errorf("got events %q, %d HELLOs, %d peers; want 1, 0 and 1", got, len(f.hellos), len(n.Peers()))
	}
}
