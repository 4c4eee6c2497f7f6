package msg

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// vector is one message recorded from a running implementation; see
// testdata/vectors/README.md.
type vector struct {
	Source  string
	Kind    string
	Hex     []string `json:"frames"`
	Decoded struct {
		Sequence   uint16
		Status     uint8
		Group      string
		Challenger string `json:"challenger_id"`
		Leader     string `json:"leader_id"`
		Content    int    `json:"content_frames"`
		Endpoint   string
		Name       string
		Groups     []string
		Headers    map[string]string
	}

	label  string
	frames [][]byte
}

// zreVectors returns the recorded ZRE messages, of which there are 214.
func zreVectors(tb testing.TB) []vector {
	tb.Helper()
	data, err := os.ReadFile("../testdata/vectors/vectors.json")
	if err != nil {
		tb.Fatal(err)
	}
	var all, zre []vector
	if err := json.Unmarshal(data, &all); err != nil {
		tb.Fatal(err)
	}
	for i, v := range all {
		if v.Kind == "BEACON" || strings.HasPrefix(v.Kind, "GOSSIP-") {
			continue
		}
		v.label = fmt.Sprintf("%d %s %s", i, v.Source, v.Kind)
		for _, text := range v.Hex {
			frame, err := hex.DecodeString(text)
			if err != nil {
				tb.Fatalf("vector %s: %v", v.label, err)
			}
			v.frames = append(v.frames, frame)
		}
		zre = append(zre, v)
	}
	if len(zre) != 214 {
		tb.Fatalf("%d ZRE vectors, want 214", len(zre))
	}
	return zre
}

// encode encodes a decoded message again.
func encode(tb testing.TB, m *Message) ([]byte, error) {
	tb.Helper()
	switch m.ID {
	case Hello:
		return AppendHello(nil, m.Sequence, outHello(m), Limits{})
	case Whisper:
		return AppendWhisper(nil, m.Sequence), nil
	case Shout:
		return AppendShout(nil, m.Sequence, string(m.Group))
	case Join:
		return AppendJoin(nil, m.Sequence, string(m.Group), m.Status)
	case Leave:
		return AppendLeave(nil, m.Sequence, string(m.Group), m.Status)
	case Ping:
		return AppendPing(nil, m.Sequence), nil
	case PingOK:
		return AppendPingOK(nil, m.Sequence), nil
	case Elect:
		return AppendElect(nil, m.Sequence, string(m.Group), nodeUUID(tb, m))
	case Leader:
		return AppendLeader(nil, m.Sequence, string(m.Group), nodeUUID(tb, m))
	case Goodbye:
		return AppendGoodbye(nil, m.Sequence), nil
	case State:
		return AppendState(nil, m.Sequence, m.State), nil
	case Headers:
		h := outHello(&Message{Hello: HelloFields{Headers: m.Headers}})
		return AppendHeaders(nil, m.Sequence, h.Headers, Limits{})
	case AskStats:
		return AppendAskStats(nil, m.Sequence), nil
	case Stats:
		figures, err := ParseFigures(m.Figures)
		if err != nil {
			return nil, err
		}
		return AppendStats(nil, m.Sequence, figures), nil
	}
	tb.Fatalf("cannot encode %v", m.ID)
	return nil, nil
}

func outHello(m *Message) *OutHello {
	h := &OutHello{Endpoint: string(m.Hello.Endpoint), Status: m.Status, Name: string(m.Hello.Name)}
	for _, group := range m.Hello.Groups {
		h.Groups = append(h.Groups, string(group))
	}
	for _, header := range m.Hello.Headers {
		h.Headers = append(h.Headers, OutHeader{string(header.Name), string(header.Value)})
	}
	return h
}

func nodeUUID(tb testing.TB, m *Message) (uuid [16]byte) {
	tb.Helper()
	if n, err := hex.Decode(uuid[:], m.Node); n != len(uuid) || err != nil {
		tb.Fatalf("%v: node %q is no UUID", m.ID, m.Node)
	}
	return uuid
}

func TestVectors(t *testing.T) {
	kinds := map[string]bool{}
	var m Message // one for all, so that a field left over from the vector before shows
	for _, v := range zreVectors(t) {
		kinds[v.Kind] = true
		t.Run(v.label, func(t *testing.T) {
			if err := m.Decode(v.frames, Limits{}); err != nil {
				t.Fatal(err)
			}
			compare(t, &m, &v)
			if got, err := encode(t, &m); err != nil || !bytes.Equal(got, v.frames[0]) {
				t.Errorf("encoded again: %v\n got %x\nwant %x", err, got, v.frames[0])
			}
		})
	}
	for id := Hello; id <= Goodbye; id++ {
		if !kinds[id.String()] {
			t.Errorf("no vector for %v", id)
		}
	}
}

func compare(t *testing.T, m *Message, v *vector) {
	t.Helper()
	want := &v.Decoded
	check := func(field string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	check("id", m.ID.String(), v.Kind)
	check("sequence", m.Sequence, want.Sequence)
	check("status", m.Status, want.Status)
	check("group", string(m.Group), want.Group)
	check("node", string(m.Node), want.Challenger+want.Leader)
	check("endpoint", string(m.Hello.Endpoint), want.Endpoint)
	check("name", string(m.Hello.Name), want.Name)
	check("number of groups", len(m.Hello.Groups), len(want.Groups))
	for i, group := range m.Hello.Groups {
		check("a group", string(group), want.Groups[i])
	}
	check("number of headers", len(m.Hello.Headers), len(want.Headers))
	for _, header := range m.Hello.Headers {
		value, ok := want.Headers[string(header.Name)]
		check("header "+string(header.Name), ok, true)
		check("header "+string(header.Name), string(header.Value), value)
	}
	check("content frames", len(m.Content), want.Content)
	for i, frame := range m.Content {
		check("a content frame", string(frame), string(v.frames[1+i]))
	}
}
