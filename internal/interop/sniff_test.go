//go:build linux

package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/go-zre/go-zre/internal/sniff"
	"github.com/go-zre/go-zre/internal/testbed"
)

var keepCapture = flag.Bool("interop.capture", false, "write internal/sniff/testdata/exchange.pcap anew")

// captured is an exchange that TestSniff recorded.
var captured = filepath.Join(testbed.Root(), "internal", "sniff", "testdata", "exchange.pcap")

// A capture is what a Sniffer saw of a real exchange: two nodes of ours, and a C zyre node.
type capture struct {
	records []*sniff.Record
	pcap    []byte
	bob     string // the UUID of a node
}

// recordExchange makes nodes talk on a private network, with a Sniffer at the cable of one.
func recordExchange(t *testing.T) *capture {
	t.Helper()
	lan := testbed.NewLAN(t, "")
	hostA, hostB, hostC := lan.Host("a"), lan.Host("b"), lan.Host("c")
	hostA.AwaitCarrier()
	var c capture
	var file bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	sniffer := sniff.New(sniff.Options{Write: &file}, func(r *sniff.Record) { c.records = append(c.records, r) })
	go func() {
		ended <- hostA.Do(func() error { return sniffer.Interface(ctx, hostA.Interface) })
	}()

	a := testbed.Start(t, hostA, testbed.Zre, testbed.Options{Name: "alice", Groups: []string{"CHAT"}, Headers: map[string]string{"role": "camera"}})
	b := testbed.Start(t, hostB, testbed.Zre, testbed.Options{Name: "bob", Groups: []string{"CHAT"}})
	z := testbed.Start(t, hostC, testbed.Zyre, testbed.Options{Name: "zed", Groups: []string{"CHAT"}})
	for _, pair := range [][2]*testbed.Peer{{a, b}, {b, a}, {a, z}, {z, a}} {
		pair[0].Wait(t, pair[1].Name, testbed.InGroup("join", pair[1], "CHAT"))
	}
	large := bytes.Repeat([]byte("ä"), 10_000)
	a.Shout(t, "CHAT", []byte("hello"), []byte{0xFF, 0})
	a.Whisper(t, b, large)
	z.Whisper(t, a, []byte("from C"))
	b.Wait(t, "the shout", testbed.Shout(a, "CHAT", []byte("hello"), []byte{0xFF, 0}))
	b.Wait(t, "the whisper", testbed.Whisper(a, large))
	a.Wait(t, "the whisper from C", testbed.Whisper(z, []byte("from C")))
	if err := a.Send(testbed.Command{Cmd: "state", State: "processing"}); err != nil { // a beacon says it at once
		t.Fatal(err)
	}
	b.Wait(t, "the state", func(e testbed.Event) bool { return e.Event == "state" && e.State == "processing" })
	b.Quit(t)
	a.Wait(t, "the farewell", testbed.Is("exit", b))
	a.Quit(t)
	z.Quit(t)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	c.pcap, c.bob = file.Bytes(), b.UUID
	return &c
}

// messages returns what was seen, from which node to which, without the times.
func (c *capture) messages() (list []string) {
	for _, r := range c.records {
		if r.Kind == sniff.Message || r.Kind == sniff.Command || r.Kind == sniff.Greeting {
			list = append(list, strings.SplitN(r.String(), " ", 2)[1])
		}
	}
	slices.Sort(list)
	return list
}

func (c *capture) has(t *testing.T, what string, is func(r *sniff.Record) bool) {
	t.Helper()
	if !slices.ContainsFunc(c.records, is) {
		for _, r := range c.records {
			t.Log(r)
		}
		t.Errorf("no %s", what)
	}
}

func framesAre(r *sniff.Record, sizes ...uint64) bool {
	return slices.EqualFunc(r.Frames, sizes, func(f sniff.Frame, n uint64) bool { return f.Size == n })
}

// The messages between nodes of ours and of C zyre are seen, live and in the file that is written meanwhile, by this package and by
// Wireshark.
func TestSniff(t *testing.T) {
	live := recordExchange(t)
	for what, is := range map[string]func(r *sniff.Record) bool{
		"classic beacon": func(r *sniff.Record) bool {
			return r.Kind == sniff.Beacon && r.UUID == live.bob && r.State == "" && *r.Port != 0
		},
		"beacon with a state": func(r *sniff.Record) bool { return r.Kind == sniff.Beacon && r.State == "processing" },
		"farewell":            func(r *sniff.Record) bool { return r.Kind == sniff.Beacon && *r.Port == 0 && r.State == "exit" },
		"greeting":            func(r *sniff.Record) bool { return r.Kind == sniff.Greeting && r.Mechanism == "NULL" },
		"READY": func(r *sniff.Record) bool {
			return r.Command == "READY" && r.Name == "" && r.Properties["Socket-Type"] == "DEALER"
		},
		"HELLO": func(r *sniff.Record) bool {
			return r.Message == "HELLO" && r.Name == "alice" && r.Headers["role"] == "camera" && slices.Equal(r.Groups, []string{"CHAT"}) && *r.Sequence == 1
		},
		"HELLO of C zyre": func(r *sniff.Record) bool { return r.Message == "HELLO" && r.Name == "zed" },
		"SHOUT": func(r *sniff.Record) bool {
			return r.Message == "SHOUT" && r.Name == "alice" && r.Group == "CHAT" && framesAre(r, 5, 2) && r.Frames[0].Text == "hello"
		},
		"WHISPER":           func(r *sniff.Record) bool { return r.Message == "WHISPER" && r.Name == "alice" && framesAre(r, 20_000) },
		"WHISPER of C zyre": func(r *sniff.Record) bool { return r.Message == "WHISPER" && r.Name == "zed" && framesAre(r, 6) },
		"GOODBYE":           func(r *sniff.Record) bool { return r.Message == "GOODBYE" && r.Name == "bob" },
		"end":               func(r *sniff.Record) bool { return r.Kind == sniff.Closed && r.Name == "bob" },
	} {
		live.has(t, what, is)
	}
	for _, r := range live.records {
		if r.Kind == sniff.Malformed || r.Kind == sniff.Gap {
			t.Errorf("%v", r)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	}

	var again capture
	if err := sniff.New(sniff.Options{}, func(r *sniff.Record) { again.records = append(again.records, r) }).File(t.Context(), bytes.NewReader(live.pcap)); err != nil {
		t.Fatal(err)
	}
	if got, want := again.messages(), live.messages(); !slices.Equal(got, want) {
		t.Errorf("the file has %q, want %q", got, want)
	}

	file := filepath.Join(t.TempDir(), "exchange.pcap")
	if *keepCapture {
		file = captured
	}
	if err := os.WriteFile(file, live.pcap, 0o644); err != nil {
		t.Fatal(err)
	}
	wireshark(t, file, &again)
}

// wireshark compares the output of Wireshark's dissector for a file with the records.
func wireshark(t *testing.T, file string, want *capture) {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		testbed.Missing(t, "tshark is not installed")
	}
	fields := func(filter string, names ...string) []string {
		args := []string{"-Y", filter, "-T", "fields", "-E", "aggregator=\x1f"}
		for _, name := range names {
			args = append(args, "-e", name)
		}
		return tshark(t, file, args...)
	}
	count := func(list []string, into map[string]int) map[string]int {
		for _, line := range list {
			for item := range strings.SplitSeq(line, "\x1f") {
				if item != "" {
					into[item]++
				}
			}
		}
		return into
	}
	ours := map[string]map[string]int{"zre.message": {}, "zre.command": {}, "zre.name": {}, "zre.group": {}, "zre.mechanism": {}, "zre.endpoint": {}, "zre.header": {}, "zre_beacon.uuid": {}, "zre_beacon.state": {}}
	for _, r := range want.records {
		note := func(field, value string) {
			if value != "" {
				ours[field][value]++
			}
		}
		note("zre.mechanism", r.Mechanism)
		note("zre.command", r.Command)
		note("zre.message", r.Message)
		note("zre.endpoint", r.Endpoint)
		note("zre.group", r.Group)
		for _, group := range r.Groups {
			note("zre.group", group)
		}
		for name, value := range r.Headers {
			note("zre.header", name+"="+value)
		}
		if r.Message == "HELLO" {
			note("zre.name", r.Name)
		}
		if r.Kind == sniff.Beacon {
			note("zre_beacon.uuid", r.UUID)
			if r.State != "" {
				note("zre_beacon.state", fmt.Sprint(slices.Index([]string{"init", "error", "exit", "idle", "receiving", "processing"}, r.State)))
			}
		}
	}
	for field, expected := range ours {
		got := count(fields("zre || zre_beacon", field), map[string]int{})
		if fmt.Sprint(got) != fmt.Sprint(expected) {
			t.Errorf("%s: Wireshark has %v, want %v", field, got, expected)
		}
	}
	if bad := fields("zre.malformed || _ws.malformed", "frame.number"); len(bad) > 0 {
		t.Errorf("Wireshark calls packets %v malformed", bad)
	}
}

// tshark runs Wireshark's dissectors, ours among them, over a file.
func tshark(t *testing.T, file string, args ...string) (lines []string) {
	t.Helper()
	script := filepath.Join(testbed.Root(), "tools", "wireshark", "zre.lua")
	cmd := exec.Command("tshark", append([]string{"-r", file, "-X", "lua_script:" + script}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || strings.Contains(stderr.String(), "Lua") {
		t.Fatalf("tshark: %v: %s", err, stderr.String())
	}
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.TrimRight(line, "\n"))
	}
	return lines
}

// Randomly changed octets cause no error in the dissector.
func TestWiresharkSurvives(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		testbed.Missing(t, "tshark is not installed")
	}
	data, err := os.ReadFile(captured)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "bad.pcap")
	random := rand.New(rand.NewPCG(1, 2))
	var all bytes.Buffer
	writer := pcapgo.NewWriterNanos(&all)
	if err := writer.WriteFileHeader(256<<10, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for round := range 30 {
		reader, err := pcapgo.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		for {
			packet, info, err := reader.ReadPacketData()
			if err != nil {
				break
			}
			packet[27] ^= byte(round) // another address, so another connection
			for range random.IntN(4) {
				if n := len(packet); n > 66 {
					packet[66+random.IntN(n-66)] = byte(random.IntN(256))
				}
			}
			if err := writer.WritePacket(info, packet); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(file, all.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, line := range tshark(t, file, "-V") {
		if strings.Contains(line, "Lua") {
			t.Fatal(line)
		}
	}
}
