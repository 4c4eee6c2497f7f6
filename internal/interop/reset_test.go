//go:build linux

package interop

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// presenceEvents lists the ENTERs and EXITs of a peer that a node saw after an event.
func presenceEvents(node, peer *testbed.Peer, after testbed.Event) (list []testbed.Event) {
	for _, e := range node.Events() {
		if after.Before(e) && (testbed.Is("enter", peer)(e) || testbed.Is("exit", peer)(e)) {
			list = append(list, e)
		}
	}
	return list
}

// A discard connection takes what comes.
type discard struct{}

func (discard) Receive([][]byte) error { return nil }
func (discard) Closed(error)           {}

// sayHello makes a host send HELLO once with the identity and the endpoint of another node, and close.
func sayHello(t *testing.T, host *testbed.Host, as *testbed.Peer, to string) {
	t.Helper()
	var nc net.Conn
	err := host.Do(func() (err error) {
		nc, err = net.Dial("tcp", to)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.MustParse(as.UUID)
	queue := zmtp.NewQueue(10, 1<<20)
	conn, err := zmtp.Open(t.Context(), nc, zmtp.Config{Identity: append([]byte{1}, id[:]...)}, queue, nil, discard{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(nil)
	hello := msg.OutHello{Endpoint: as.Endpoint, Groups: options(as.Name).Groups, Status: 2, Name: as.Name, Headers: nil}
	frame, err := msg.AppendHello(nil, 1, &hello, msg.Limits{})
	if err == nil {
		err = queue.Push(frame)
	}
	if err == nil {
		err = queue.Flush(t.Context())
	}
	if err != nil {
		t.Error(err)
	}
}

// A program sends HELLO to theirs with our identity, once, and is gone. Ours and theirs soon get along again.
func TestOurIdentityIsUsedByAnother(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		const window, calm = 30 * time.Second, 20 * time.Second
		lan := testbed.NewLAN(t, "")
		a := testbed.Start(t, lan.Host("a"), ours, options("ours"))
		b := testbed.Start(t, lan.Host("b"), kind, options("theirs"))
		meet(t, a, b)
		converse(t, a, b)
		address := strings.TrimPrefix(a.Wait(t, "ENTER", testbed.Is("enter", b)).Endpoint, "tcp://")
		before := []testbed.Event{last(a), last(b)}
		sayHello(t, lan.Host("other"), a, address)
		a.Watch(window - calm)
		soon := []testbed.Event{last(a), last(b)}
		a.Watch(calm)
		for i, pair := range [][2]*testbed.Peer{{a, b}, {b, a}} {
			if all := presenceEvents(pair[0], pair[1], before[i]); len(all) > 4 {
				t.Errorf("%s saw %d ENTERs and EXITs in %v: %v", pair[0], len(all), window, all)
			}
			if late := presenceEvents(pair[0], pair[1], soon[i]); len(late) > 0 {
				t.Errorf("%s saw in the last %v of %v: %v", pair[0], calm, window, late)
			}
		}
		converse(t, a, b)
	})
}

// The connection from theirs to ours is reset. libzmq's DEALER reconnects and continues: no peer comes or goes, and nothing is lost.
func TestTheirConnectionIsReset(t *testing.T) {
	eachKind(t, func(t *testing.T, kind testbed.Kind) {
		lan := testbed.NewLAN(t, "")
		a := testbed.Start(t, lan.Host("a"), ours, options("ours"))
		b := testbed.Start(t, lan.Host("b"), kind, options("theirs"))
		meet(t, a, b)
		converse(t, a, b)
		_, port, err := net.SplitHostPort(strings.TrimPrefix(a.Endpoint, "tcp://"))
		if err != nil {
			t.Fatal(err)
		}
		before := []testbed.Event{last(a), last(b)}
		out, err := a.Host.Command("ss", "--kill", "--tcp", "--no-header", "state", "established", "sport", "= :"+port, "dst", b.Host.Addr.String()).CombinedOutput()
		if err != nil || len(strings.TrimSpace(string(out))) == 0 {
			testbed.Missing(t, "ss --kill, and a kernel that closes sockets for it (CONFIG_INET_DIAG_DESTROY): %v: %s", err, out)
		}
		a.Whisper(t, b, []byte("ours goes on"))
		b.Wait(t, "the whisper", testbed.Whisper(a, []byte("ours goes on")))
		a.Watch(5 * time.Second) // longer than any grace
		b.Whisper(t, a, []byte("theirs goes on"))
		a.Wait(t, "the whisper", testbed.Whisper(b, []byte("theirs goes on")))
		for i, pair := range [][2]*testbed.Peer{{a, b}, {b, a}} {
			if all := presenceEvents(pair[0], pair[1], before[i]); len(all) > 0 {
				t.Errorf("%s saw %v", pair[0], all)
			}
		}
		if i := slices.IndexFunc(a.Events(), func(e testbed.Event) bool { return e.Event == "exit" }); i >= 0 {
			t.Errorf("%s saw %v", a, a.Events()[i])
		}
	})
}
