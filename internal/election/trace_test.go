package election

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"
)

// trace is what C zyre's nodes sent and received; see testdata/vectors/README.md.
type trace struct {
	Name     string
	Recorder struct{ UUID string }
	Nodes    map[string]struct{ UUID string }
	Trace    []entry
}

type entry struct {
	T         float64
	Dir, From string
	Kind      string
	Port      *int
	Groups    []string
	Group     string
	Recorded  string `json:"recorder"`
	Leader    string
	Elected   string `json:"leader_id"`
	Elect     string `json:"challenger_id"`
}

func traces(t *testing.T) (all []trace) {
	t.Helper()
	text, err := os.ReadFile("../../testdata/vectors/election_trace.json")
	if err != nil {
		t.Fatal(err)
	}
	record := struct{ Runs *[]trace }{&all}
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	return all
}

func uuidOf(t *testing.T, text string) ID {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 16 {
		t.Fatalf("UUID %q: %v", text, err)
	}
	return ID(b)
}

// TestTrace: from what C zyre's nodes sent in recorded runs follows the leader that they elected, if they elected one, and otherwise the
// lowest of those that contest. What we would have sent goes only to nodes that had sent ELECT or LEADER.
func TestTrace(t *testing.T) {
	finished := 0
	for _, run := range traces(t) {
		t.Run(run.Name, func(t *testing.T) {
			began := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
			e := New(uuidOf(t, run.Recorder.UUID), false)
			spoke, contests := map[ID]bool{}, map[ID]bool{}
			check := func(out []Output) {
				for _, o := range out {
					if (o.Kind == SendElect || o.Kind == SendLeader) && !spoke[o.To] {
						t.Errorf("%x is sent a message though it has sent none", o.To[:2])
					}
				}
			}
			for _, x := range run.Trace {
				now := began.Add(time.Duration(x.T * float64(time.Second)))
				for at, ok := e.Next(); ok && at.Before(now); at, ok = e.Next() {
					check(e.Tick(at))
				}
				if x.Recorded == "election finished" {
					finished++
					if leader, ok := e.Leader(); !ok || leader != uuidOf(t, run.Nodes[x.Leader].UUID) {
						t.Errorf("at %v C zyre elected %s, and we name %x (%v)", x.T, x.Leader, leader[:2], ok)
					}
				}
				if x.Dir != "received" {
					continue
				}
				from := uuidOf(t, run.Nodes[x.From].UUID)
				switch x.Kind {
				case "HELLO":
					if len(x.Groups) > 0 {
						check(e.Join(now, from, false))
					}
				case "JOIN":
					check(e.Join(now, from, false))
				case "LEAVE":
					check(e.Leave(now, from))
					delete(contests, from)
				case "BEACON":
					if x.Port != nil && *x.Port == 0 {
						check(e.Leave(now, from))
						delete(contests, from)
					}
				case "ELECT":
					spoke[from] = true
					if challenger := uuidOf(t, x.Elect); challenger == from {
						contests[from] = true
					}
					check(e.HandleElect(now, from, uuidOf(t, x.Elect)))
				case "LEADER":
					spoke[from] = true
					if leader := uuidOf(t, x.Elected); leader == from {
						contests[from] = true
					}
					check(e.HandleLeader(now, from, uuidOf(t, x.Elected)))
				}
				var lowest ID
				for _, id := range sortedIDs(contests) {
					lowest = id
					break
				}
				if leader, ok := e.Leader(); ok != (len(contests) > 0) || !bytes.Equal(leader[:], lowest[:]) {
					t.Errorf("at %v %x leads (%v), the lowest contestant is %x", x.T, leader[:2], ok, lowest[:2])
				}
			}
		})
	}
	if finished < 3 {
		t.Errorf("only %d elections came to an end", finished)
	}
}
