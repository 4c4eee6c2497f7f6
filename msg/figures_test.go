package msg

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// someFigures have another value in each field.
func someFigures() *Figures {
	return &Figures{
		Uptime: 0x0102, Sent: TrafficFigures{3, 4, 5}, Received: TrafficFigures{6, 7, 8}, Lost: 9, QueuedMessages: 10, QueuedOctets: 11, WaitingEvents: 12, Peers: 13,
		List: []PeerFigures{{UUID: [16]byte{0xAA, 15: 0xBB}, SentMessages: 14, SentOctets: 15, ReceivedMessages: 16, ReceivedOctets: 17, QueuedMessages: 18, RTT: 19}},
	}
}

// The octets of docs/protocol.md.
const (
	askStatsOctets = "aaa182020007 01"
	statsOctets    = "aaa183020008 01" +
		"0000000000000102" + "0000000000000003" + "0000000000000004" + "0000000000000005" + "0000000000000006" + "0000000000000007" + "0000000000000008" +
		"0000000000000009" + "000000000000000a" + "000000000000000b" + "0000000c" + "0000000d" + "00000001" +
		"aa0000000000000000000000000000bb" + "000000000000000e" + "000000000000000f" + "0000000000000010" + "0000000000000011" + "00000012" + "00000013"
)

func octets(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStatsOctets(t *testing.T) {
	if got, want := AppendAskStats(nil, 7), octets(t, askStatsOctets); !bytes.Equal(got, want) {
		t.Errorf("ASK-STATS\n got %x\nwant %x", got, want)
	}
	frame := AppendStats(nil, 8, someFigures())
	if want := octets(t, statsOctets); !bytes.Equal(frame, want) {
		t.Errorf("STATS\n got %x\nwant %x", frame, want)
	}
	var m Message
	if err := m.Decode([][]byte{octets(t, askStatsOctets)}, Limits{}); err != nil || m.ID != AskStats || m.Sequence != 7 || m.Version != 1 {
		t.Errorf("ASK-STATS read: %+v, %v", m, err)
	}
	if err := m.Decode([][]byte{frame}, Limits{}); err != nil || m.ID != Stats || m.Sequence != 8 {
		t.Fatalf("STATS read: %+v, %v", m, err)
	}
	s, err := ParseFigures(m.Figures)
	if err != nil || !reflect.DeepEqual(s, someFigures()) {
		t.Errorf("figures read: %+v, %v", s, err)
	}
}

// A list that is too long is cut as it is sent.
func TestStatsCut(t *testing.T) {
	s := someFigures()
	s.List = make([]PeerFigures, MaxFiguresPeers+1)
	frame := AppendStats(nil, 1, s)
	got, err := ParseFigures(frame[prefixSize:])
	if err != nil || len(got.List) != MaxFiguresPeers {
		t.Errorf("%d peers, %v", len(got.List), err)
	}
	if len(frame) > 4096 {
		t.Errorf("%d bytes", len(frame))
	}
}

func TestStatsRefused(t *testing.T) {
	whole := octets(t, statsOctets)[prefixSize:]
	for length := range whole {
		if _, err := ParseFigures(whole[:length]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
	change := func(at int, octet byte) []byte {
		b := bytes.Clone(whole)
		b[at] = octet
		return b
	}
	const countAt = 1 + 10*8 + 2*4
	for name, c := range map[string]struct {
		octets []byte
		want   error
	}{
		"version 0":            {change(0, 0), ErrMalformed},
		"a newer version":      {change(0, 2), ErrMalformed},
		"a byte too many":      {append(bytes.Clone(whole), 0), ErrMalformed},
		"fewer peers than are": {change(countAt+3, 0), ErrMalformed},
		"more peers than are":  {change(countAt+3, 2), ErrMalformed},
		"4 billion peers":      {change(countAt, 0xff), ErrMalformed},
		"more peers than 64":   {append(change(countAt+3, 65), make([]byte, 64*peerFiguresSize)...), ErrLimit},
	} {
		if s, err := ParseFigures(c.octets); !errors.Is(err, c.want) || s != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	var m Message
	for _, text := range []string{"aaa182020007", "aaa182020007 0101"} {
		if err := m.Decode([][]byte{octets(t, text)}, Limits{}); !errors.Is(err, ErrMalformed) {
			t.Errorf("ASK-STATS %s: %v", text, err)
		}
	}
}

// FuzzParseFigures: what can be read is written again as it was.
func FuzzParseFigures(f *testing.F) {
	f.Add(octets(f, statsOctets)[prefixSize:])
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, figures []byte) {
		s, err := ParseFigures(figures)
		if err != nil {
			return
		}
		if got := AppendStats(nil, 1, s)[prefixSize:]; !bytes.Equal(got, figures) {
			t.Errorf("written again\n got %x\nwant %x", got, figures)
		}
	})
}
