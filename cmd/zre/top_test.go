package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/go-zre/go-zre/internal/netmap"
	"github.com/go-zre/go-zre/internal/termtext"
	"github.com/go-zre/go-zre/zre"
)

// typeKeys presses keys; a name in <> is a special key.
func typeKeys(m *topModel, keys string) (last tea.Cmd) {
	names := map[string]tea.Key{"<up>": {Code: tea.KeyUp}, "<down>": {Code: tea.KeyDown}, "<enter>": {Code: tea.KeyEnter}, "<esc>": {Code: tea.KeyEscape},
		"<back>": {Code: tea.KeyBackspace}}
	for keys != "" {
		var key tea.Key
		if end := strings.Index(keys, ">"); keys[0] == '<' && end > 0 {
			key, keys = names[keys[:end+1]], keys[end+1:]
		} else {
			r := []rune(keys)[0]
			key, keys = tea.Key{Code: r, Text: string(r)}, keys[len(string(r)):]
		}
		_, last = m.Update(tea.KeyPressMsg(key))
	}
	return last
}

func TestTopScreen(t *testing.T) {
	m := newTopModel(t.Context(), nil)
	m.peers = []topPeer{
		{Peer: "b0b00000-0000-4000-8000-0000000000ca", Name: "bob\x1b[2J", Transport: "tcp", RTT: 2, Received: 7},
		{Peer: "70000000-0000-4000-8000-0000000000ca", Name: strings.Repeat("東", 40), Transport: "ipc", State: "idle", Groups: []string{"G", "ש\u202e"}, Received: 1200},
		{Peer: "3f000000-0000-4000-8000-000000000000", Name: "carol", Transport: "tcp", RTT: 9, QueuedMessages: 12, Shared: &netmap.Rates{Sent: 3456, Received: 7, QueuedMessages: 5}},
	}
	names := func() (list string) {
		for _, p := range m.visible() {
			list += string([]rune(p.Name)[0])
		}
		return list
	}
	for _, step := range []struct{ keys, names, says string }{
		{"", "bc東", "3 peers, by NAME"},
		{"r", "東cb", "by NAME"},
		{"r", "bc東", "q quit"},
		{"sss", "cb東", "by RTT ms"},
		{"s", "東bc", "1,200"},
		{"/cAx", "東bc", "filter: cAx_"},
		{"<back><enter>", "c", `1 of 3 peers, by IN/s with "cA"`},
		{"w", "c", "select a peer with Up and Down first"},
		{"<down>wh\x1b", "c", `whisper: h\x1b_`},
		{"<esc><esc>", "東bc", "3 peers"},
		{"sssss", "cb東", "by ITS OUT/s"},
		{"rr", "cb東", "3,456"},
		{"ss", "cb東", "by ITS QUEUE"},
		{strings.Repeat("s", len(topColumns)-7), "東bc", "by IN/s"},
		{"/3F0<enter>", "c", `1 of 3 peers`},
		{"<esc>", "東bc", "3 peers"},
		{"/zzz<enter><down>", "", `0 of 3 peers`},
		{"/<esc><esc>", "東bc", "3 peers"},
	} {
		typeKeys(m, step.keys)
		for _, size := range [][2]int{{90, 12}, {40, 6}, {8, 2}} {
			m.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			lines := m.lines()
			if text := strings.Join(lines, "\n"); names() != step.names || size[0] == 90 && !strings.Contains(text, step.says) {
				t.Errorf("after %q: %s, want %s; want it to say %q:\n%s", step.keys, names(), step.names, step.says, text)
			}
			for _, line := range lines {
				line = strings.NewReplacer("\x1b[1m", "", "\x1b[7m", "", "\x1b[0m", "").Replace(line)
				if termtext.Width(line) > size[0] || strings.ContainsAny(line, "\x1b\u202e") {
					t.Errorf("after %q in %d columns: %q", step.keys, size[0], line)
				}
			}
			if len(lines) > max(size[1], 4) {
				t.Errorf("%d lines of %d", len(lines), size[1])
			}
		}
	}
	if cmd := typeKeys(m, "q"); cmd == nil {
		t.Error("q does not quit")
	}
}

// The figures count what arrives, and a typed whisper reaches its peer.
func TestTop(t *testing.T) {
	t.Parallel()
	port := freePort()
	status := make(chan int, 1)
	var out, errs bytes.Buffer
	go func() { status <- execute(on(port, "top", "--json", "--count", "4", "--group", "G"), nil, &out, &errs) }()
	node := startNodeWith(t, port, "busy", []zre.Option{zre.WithSharedStats()}, "G")
	peer := nextEvent[zre.Join](t, node).Peer
	for range 10 {
		if err := node.Shout(t.Context(), "G", make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if err := node.Whisper(t.Context(), peer.UUID, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-status; got != 0 || errs.Len() > 0 {
		t.Fatalf("got status %d, errors %q", got, &errs)
	}
	var messages, size, rtt float64
	var shared *netmap.Rates
	lines := json.NewDecoder(&out)
	for lines.More() {
		var l struct{ Peers []topPeer }
		if err := lines.Decode(&l); err != nil {
			t.Fatal(err)
		}
		for _, p := range l.Peers {
			if p.Shared != nil {
				shared = p.Shared
			}
			messages, size, rtt = messages+p.Received, size+p.ReceivedBytes, max(rtt, p.RTT)
		}
	}
	if messages < 15 || messages > 25 || size < 7500 || size > 13_000 || rtt <= 0 {
		t.Errorf("%.1f messages/s, %.0f bytes/s, %.3f ms", messages, size, rtt)
	}
	if shared == nil || shared.Peers != 1 {
		t.Errorf("got the shared figures %+v, want one peer", shared)
	}
	if status, out, errs := runZre(on(port, "top")...); status != 1 || out != "" || !strings.Contains(errs, "not a terminal: use --json") {
		t.Errorf("got status %d, output %q, errors %q", status, out, errs)
	}
}

func TestTopWhispers(t *testing.T) {
	t.Parallel()
	port := freePort()
	node, receiver := startNode(t, port, "top"), startNode(t, port, "receiver")
	nextEvent[zre.Enter](t, node)
	m := newTopModel(t.Context(), newGauge(node))
	m.Update(topTick{})
	message := typeKeys(m, "<down>whi 東京<enter>")()
	if e := nextEvent[zre.Whisper](t, receiver); string(e.Frames[0]) != "hi 東京" {
		t.Errorf("the receiver got %q", e.Frames)
	}
	m.Update(message)
	if !strings.Contains(m.lastLine(), "the peer got the whisper") {
		t.Errorf("got the last line %q", m.lastLine())
	}
	receiver.Close()
	nextEvent[zre.Exit](t, node)
	m.Update(typeKeys(m, "wx<enter>")())
	if !strings.Contains(m.lastLine(), "the peer did not get the whisper") {
		t.Errorf("got the last line %q", m.lastLine())
	}
}
