package main

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// An unreachable peer is reported, and reported again when it is reachable.
func TestPipeProblem(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "tcp://" + free.Addr().String()
	free.Close()
	a := startPipe(t, 12_000+rand.IntN(10_000), "--peer", endpoint)
	p := a.next("problem")
	if p["kind"] != "unreachable" || p["about"] != endpoint || p["solved"] != false || p["peer"] != nil || !strings.Contains(p["error"].(string), "refused") {
		t.Errorf("got the problem event %v", p)
	}
	startPipe(t, 12_000+rand.IntN(10_000), "--listen", endpoint).next("ready")
	if p := a.next("problem"); p["kind"] != "unreachable" || p["about"] != endpoint || p["solved"] != true {
		t.Errorf("got the problem event %v", p)
	}
}

// The exit line of an unreachable peer has its error.
func TestExitLine(t *testing.T) {
	peer := &zre.Peer{Name: "bob", Transport: "tcp", State: zre.StateUnknown}
	const begins, ends = `{"event":"exit","peer":"00000000-0000-0000-0000-000000000000","name":"bob","transport":"tcp","reason":"`, `}`
	for _, c := range []struct {
		exit zre.Exit
		want string
	}{
		{zre.Exit{Peer: peer, Reason: zre.ReasonLeft}, `left"`},
		{zre.Exit{Peer: peer, Reason: zre.ReasonUnreachable, Err: errors.New("no route")}, `unreachable","error":"no route"`},
	} {
		got, err := json.Marshal(lineOf(c.exit))
		if err != nil || string(got) != begins+c.want+ends {
			t.Errorf("%s, %v; want %s", got, err, begins+c.want+ends)
		}
	}
}

// The line of a problem has all that is known about it.
func TestProblemLine(t *testing.T) {
	id := uuid.MustParse("01234567-89ab-cdef-0123-456789abcdef")
	for _, c := range []struct {
		problem zre.Problem
		want    string
	}{
		{zre.Problem{Kind: zre.ProblemTooManyPeers, About: "Limits.Peers"},
			`{"event":"problem","kind":"too many peers","about":"Limits.Peers","solved":false}`},
		{zre.Problem{Kind: zre.ProblemFlapping, About: "x", Peer: &zre.Peer{UUID: id, Name: "bob"}, Err: errors.New("why"), Solved: true},
			`{"event":"problem","peer":"` + id.String() + `","name":"bob","error":"why","kind":"flapping","about":"x","solved":true}`},
	} {
		got, err := json.Marshal(lineOf(c.problem))
		if err != nil || string(got) != c.want {
			t.Errorf("%s, %v; want %s", got, err, c.want)
		}
	}
}

// zre watch describes events for people: it names no Go package and prints nothing that could control a terminal.
func TestEventTexts(t *testing.T) {
	node, err := zre.NewNode(zre.WithName("self"))
	if err != nil {
		t.Fatal(err)
	}
	bob := &zre.Peer{Name: "bob", Transport: "tcp", Headers: map[string]string{"k": "v\x1b[2J", "a": "b"}}
	missing := errors.New(`beacon: Interfaces: "eth7": no such interface or address here`)
	c := &cli{}
	for want, event := range map[string]zre.Event{
		`headers  bob  a=b, k=v\x1b[2J`:                                      zre.HeaderChange{Peer: bob},
		`headers  "x y"  none`:                                               zre.HeaderChange{Peer: &zre.Peer{Name: "x y"}},
		`endpoint ""  of this node: tcp://10.0.0.1:5, tcp://[fe80::1]:5`:     zre.EndpointChange{Endpoints: []string{"tcp://10.0.0.1:5", "tcp://[fe80::1]:5"}},
		`problem  interface missing eth7: no such interface or address here`: zre.Problem{Kind: zre.ProblemInterfaceMissing, About: "eth7", Err: missing},
		`problem  beacons eth0: sending by eth0: no buffers`:                 zre.Problem{Kind: zre.ProblemBeacons, About: "eth0", Err: errors.New("beacon: sending by eth0: no buffers")},
		`solved   beacons eth0: solved`:                                      zre.Problem{Kind: zre.ProblemBeacons, About: "eth0", Solved: true},
		`whisper  bob  two\nlines | (2 bytes)`:                               zre.Whisper{Peer: bob, Frames: [][]byte{[]byte("two\nlines\n"), {0xff, 0}}},
		`exit     bob  unreachable: no route`:                                zre.Exit{Peer: bob, Reason: zre.ReasonUnreachable, Err: errors.New("no route")},
	} {
		if got := c.eventText(node, event); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
