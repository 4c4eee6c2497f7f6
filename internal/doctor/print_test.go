package doctor

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/zre"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sick is a machine on which many things are wrong, so that every part of a report is shown.
func sick() *Facts {
	f := healthy()
	f.Self.Chosen, f.Self.Advertised = true, "tcp://203.0.113.7:50000"
	from := netip.MustParseAddr("10.0.0.1")
	f.Interfaces[1].Beacons[1].Back = 0
	f.Interfaces = append(f.Interfaces,
		Interface{Name: "wlan0", Use: "down", Addresses: []netip.Prefix{}},
		Interface{Name: "tun0", Use: "point-to-point", Up: true, Carrier: true, Addresses: []netip.Prefix{netip.MustParsePrefix("10.8.0.2/24")}},
		Interface{Name: "docker0", Use: "used", Up: true, Containers: true, Used: []netip.Prefix{netip.MustParsePrefix("172.17.0.1/16")}},
	)
	gone := bob()
	gone.Left = true
	f.Nodes = append(f.Nodes, answering(bob(), Silent), gone)
	f.Peers = []*Peer{
		{Endpoint: "tcp://10.0.0.2:49999", Mailboxes: []*Mailbox{{Endpoint: "tcp://10.0.0.2:49999", Answer: Zmtp}}, Entered: true, UUID: &aliceID},
		{Endpoint: "tcp://carol.example:5671", Mailboxes: []*Mailbox{{Endpoint: "tcp://10.9.0.1:5671", Answer: Other, Error: "first octet 0x53 is no ZMTP greeting"}}},
		{Endpoint: "tcp://nobody.example:5671", Error: "there is no such name"},
		{Endpoint: "tcp://10.9.0.2:5671", Mailboxes: []*Mailbox{{Endpoint: "tcp://10.9.0.2:5671", Answer: Zmtp, From: &from}}, KnownMS: 2990},
		{Endpoint: "tcp://10.9.0.3:5671", Mailboxes: []*Mailbox{{Endpoint: "tcp://10.9.0.3:5671", Answer: Zre, UUID: &bobID, From: &from}}, KnownMS: 2990, Entered: true, UUID: &bobID},
		{Endpoint: "tcp://10.0.0.1:50000", Mailboxes: []*Mailbox{{Endpoint: "tcp://10.0.0.1:50000", Answer: Zre, UUID: &selfID}}},
	}
	f.SRV = []*SRV{
		{Name: "_zre._tcp.fleet.example", Endpoints: []string{"tcp://10.9.0.3:5671"}, Partial: "no usable address"},
		{Name: "_zre._tcp.robots.example", Endpoints: []string{}, Nobody: true, Error: "no such name"},
		{Name: "_zre._tcp.silent.example", Endpoints: []string{}, Error: "no answer in time"},
	}
	f.Complaints = []string{"sending beacons failed on docker0: no buffer space available"}
	f.Unrecorded = 1
	for i := range f.Interfaces {
		i := &f.Interfaces[i]
		i.Addresses, i.Used, i.Endpoints, i.Beacons = nonNil(i.Addresses), nonNil(i.Used), nonNil(i.Endpoints), nonNil(i.Beacons)
	}
	for _, p := range f.Peers {
		p.Mailboxes = nonNil(p.Mailboxes)
	}
	return f
}

// The words, and the keys of the JSON, which programs rely on.
func TestGolden(t *testing.T) {
	for name, f := range map[string]*Facts{"well": dual(healthy()), "sick": sick()} {
		r := Diagnose(f)
		for file, write := range map[string]func(*bytes.Buffer) error{
			name + ".txt":        func(b *bytes.Buffer) error { return r.Print(b, 0) },
			name + "-narrow.txt": func(b *bytes.Buffer) error { return r.Print(b, 50) },
			name + ".json":       func(b *bytes.Buffer) error { return r.JSON(b) },
		} {
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", file)
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || got.String() != string(want) {
				t.Errorf("%s (-update writes it anew): %v\n%s", path, err, &got)
			}
		}
	}
}

func TestWrap(t *testing.T) {
	const width = 60
	long := strings.Repeat("wörd ", 60) + strings.Repeat("x", 2*width) + " end"
	for _, c := range []struct {
		write        func(p printer)
		first, later string
		want         string
	}{
		{func(p printer) { p.wrap("1. ", long) }, "1. ", "   ", "1. " + long},
		{func(p printer) { p.line("  %s", long) }, "  ", "    ", long},
	} {
		var b bytes.Buffer
		c.write(printer{&b, width})
		for i, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
			if utf8.RuneCountInString(line) > width && !strings.Contains(line, "xxx") || strings.HasSuffix(line, " ") ||
				!strings.HasPrefix(line, map[bool]string{true: c.first, false: c.later}[i == 0]) {
				t.Errorf("line %d is %q", i, line)
			}
		}
		if got := strings.Join(strings.Fields(b.String()), " "); got != c.want {
			t.Errorf("words are lost: %q", got)
		}
	}
}

// Names that others choose do not control the terminal.
func TestClean(t *testing.T) {
	if got := clean("bob\x1b[2J\r\n\u202e grün"); got != `bob\x1b[2J\r\n\u202e grün` {
		t.Errorf("%q", got)
	}
}

// Of the log, only lines that are useful to a person are kept, the first of them.
func TestComplaints(t *testing.T) {
	c := (&Config{SRV: []string{"robots"}}).nodeLog()
	c.Write([]byte(`{"level":"warn","name":"_zre._tcp.robots","message":"nobody is there"}`)) // looked up anyway
	c.Write([]byte(`{"level":"warn","problem":"DNS","about":"_zre._tcp.robots","message":"no answer"}`))
	log := zerolog.New(c).Level(zerolog.WarnLevel)
	log.Info().Msg("all is well")
	log.Warn().Str("node", "x").Str("interface", "eth0").Str("to", "10.0.0.255:5670").Str("error", "no\nroom").Msg("beacon: sending beacons failed")
	c.Write([]byte("no JSON"))
	for _, kind := range []zre.ProblemKind{zre.ProblemUnreachable, zre.ProblemConflict} { // the doctor finds these itself
		log.Warn().Stringer("problem", kind).Str("about", "x").Msg("trouble")
	}
	log.Warn().Stringer("problem", zre.ProblemDNS).Str("about", "tcp://x:5671").Msg("the name of a peer that was named")
	log.Warn().Stringer("problem", zre.ProblemFlapping).Str("about", "x").Str("reason", "why").Msg("trouble")
	for range 2 * maxComplaints {
		log.Error().Dur("took", time.Second).Msg("again")
	}
	got := c.list()
	if len(got) != maxComplaints || got[0] != "sending beacons failed on eth0 to 10.0.0.255:5670: no\\nroom" || got[1] != "trouble (x): why" || got[2] != "again" {
		t.Errorf("%q", got)
	}
}

func TestParseEndpoint(t *testing.T) {
	for text, want := range map[string]string{
		"tcp://192.168.1.7:5671":    "tcp://192.168.1.7:5671",
		"tcp://host.example:1":      "tcp://host.example:1",
		"tcp://[fe80::1%eth0]:5671": "tcp://[fe80::1%eth0]:5671",
		"tcp://[fd00::1]:5671":      "tcp://[fd00::1]:5671",
		"tcp://[fe80::1]:5671":      "", // on which link?
		"tcp://[::]:5671":           "",
		"tcp://[ff02::1]:5671":      "",
		"192.168.1.7:5671":          "",
		"tcp://192.168.1.7":         "",
		"tcp://:5671":               "",
		"tcp://*:5671":              "",
		"tcp://host:0":              "",
		"tcp://host:65536":          "",
		"tcp://host:http":           "",
		"ipc:///tmp/x":              "",
		"tcp://fe80::1:5671":        "",
		"":                          "",
	} {
		e, err := ParseEndpoint(text)
		if got := e.String(); err == nil && got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %s, %v; want %q", text, got, err, want)
		}
	}
}
