package node

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// ballots keeps the ELECTs and LEADERs that a fake peer gets.
type ballots struct {
	mu  sync.Mutex
	all []string
}

func (b *ballots) record(f *fakePeer) {
	listen := func(m *msg.Message) {
		if m.ID == msg.Elect || m.ID == msg.Leader {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.all = append(b.all, fmt.Sprintf("%v %s %s", m.ID, m.Group, m.Node))
		}
	}
	f.listen.Store(&listen)
}

func (b *ballots) expect(t *testing.T, want ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.all, want) {
		t.Errorf("the peer was sent %q, want %q", b.all, want)
	}
}

// upper returns a node's UUID as ELECT has it.
func upper(id uuid.UUID) string { return fmt.Sprintf("%X", id[:]) }

// A foreign peer gets no election message before it has sent one itself.
func TestElectionWithForeignPeer(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{Contest: []string{"G"}, UUID: uuid.UUID{1, 15: 1}}))
	f := newFakePeer(t, n)
	var sent ballots
	sent.record(f)
	f.enter()
	n.waitKind(Leader, n.UUID()) // a second later
	f.send(msg.AppendPing(nil, 2))
	f.expect(msg.PingOK)
	sent.expect(t)

	f.send(must(msg.AppendElect(nil, 3, "G", f.uuid)))
	f.expect(msg.Elect)
	f.send(must(msg.AppendElect(nil, 4, "G", n.UUID())))
	f.expect(msg.Leader)
	sent.expect(t, "ELECT G "+upper(n.UUID()), "LEADER G "+upper(n.UUID()))
	if p, ok := n.Node.Leader("G"); !ok || p.UUID != n.UUID() || p.Name != n.Name() || p.Endpoint != n.Endpoint() {
		t.Errorf("Leader returned %+v, %v", p, ok)
	}
}

// A node of ours learns at once which node contests, and nothing else.
func TestElectionWithPeerOfOurs(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{Contest: []string{"G"}, UUID: uuid.UUID{1, 15: 1}}))
	id := uuid.New()
	f := newFakePeerWith(t, n, zmtp.Config{Identity: identity(id), Properties: map[string]string{extensionsProperty: ourExtensions}})
	f.properties = map[string]string{extensionsProperty: ourExtensions}
	var sent ballots
	sent.record(f)
	f.enter()
	f.expect(msg.Elect)
	f.send(must(msg.AppendElect(nil, 2, "G", f.uuid)))
	f.send(msg.AppendPing(nil, 3))
	f.expect(msg.PingOK)
	n.waitKind(Leader, n.UUID())
	sent.expect(t, "ELECT G "+upper(n.UUID()))
}

// Election messages without effect only count in the sequence, and begin no election.
func TestElectionIgnores(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	if err := errors.Join(n.Node.Join("G"), n.Node.Join("H")); err != nil {
		t.Fatal(err)
	}
	f := newFakePeer(t, n)
	f.enter()
	elect := must(msg.AppendElect(nil, 0, "G", f.uuid))
	digits := []byte(upper(f.uuid))
	for i, frame := range [][]byte{
		must(msg.AppendElect(nil, 0, "other", f.uuid)),                 // we are not in it
		must(msg.AppendElect(nil, 0, "H", f.uuid)),                     // it is not
		must(msg.AppendElect(nil, 0, "G", uuid.UUID{2})),               // another's
		must(msg.AppendLeader(nil, 0, "G", uuid.UUID{2})),              // likewise
		bytes.Replace(elect, digits, bytes.Repeat([]byte("G"), 32), 1), // no UUID
		append(bytes.Clone(elect[:len(elect)-33]), append([]byte{31}, digits[1:]...)...),
	} {
		frame[4], frame[5] = 0, byte(i+2)
		f.send(frame)
	}
	f.send(msg.AppendWhisper(nil, 8), []byte("x"))
	n.waitKind(Whisper, f.uuid)
	if got := n.eventsOf(f.uuid); strings.Join(got, " ") != "ENTER(fake) JOIN(G) WHISPER:1f" {
		t.Errorf("got events %q, want no others than ENTER, JOIN and WHISPER", got)
	}
	if _, ok := n.Node.Leader("G"); ok {
		t.Error("there is a leader, though no node contests")
	}
	f.send(bytes.Clone(must(msg.AppendElect(nil, 9, "G", f.uuid))))
	n.waitKind(Leader, f.uuid)
	if p, ok := n.Node.Leader("G"); !ok || p.UUID != f.uuid || p.Name != "fake" {
		t.Errorf("Leader returned %+v, %v", p, ok)
	}
	f.send(must(msg.AppendLeave(nil, 10, "G", 2)))
	n.waitKind(Leave, f.uuid)
	eventually(t, "no leader after it has left the group", func() bool { _, ok := n.Node.Leader("G"); return !ok })
}

func TestContestErrors(t *testing.T) {
	long := strings.Repeat("g", 256)
	if _, err := New(Config{Contest: []string{"G", long}}); !errors.Is(err, ErrInvalidGroup) {
		t.Errorf("a group name of 256 bytes: got %v, want ErrInvalidGroup", err)
	}
	n, err := New(Config{Contest: []string{"G"}, Limits: Limits{GroupsPerPeer: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Contest(""); !errors.Is(err, ErrInvalidGroup) {
		t.Errorf("a group without a name: got %v, want ErrInvalidGroup", err)
	}
	if err := n.Contest("G"); err != nil {
		t.Error(err)
	}
	if got := n.Groups(); !slices.Equal(got, []string{"G"}) {
		t.Errorf("the node is in %q, want G alone", got)
	}
	n.Close()
	if err := n.Contest("G"); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: got %v, want ErrClosed", err)
	}
}

func TestParseHexUUID(t *testing.T) {
	id := uuid.MustParse("01234567-89ab-cdef-0123-456789abcdef")
	for text, want := range map[string]bool{
		upper(id):                      true,
		strings.ToLower(upper(id)):     true,
		id.String():                    false,
		"":                             false,
		upper(id)[1:]:                  false,
		upper(id) + "0":                false,
		upper(id)[:31] + "G":           false,
		upper(id)[:30] + "\x00\x00":    false,
		"0x" + upper(id)[2:]:           false,
		strings.Repeat(upper(id), 100): false,
	} {
		if got, ok := parseHexUUID([]byte(text)); ok != want || ok && got != id {
			t.Errorf("%.40q: got %v, %v, want %v", text, got, ok, want)
		}
	}
}
