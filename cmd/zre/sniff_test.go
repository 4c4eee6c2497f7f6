package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const exchange = "../../internal/sniff/testdata/exchange.pcap"

// sniffed runs zre sniff.
func sniffed(t *testing.T, in io.Reader, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = execute(append([]string{"sniff"}, args...), in, &o, &e)
	return status, o.String(), e.String()
}

func TestSniffFile(t *testing.T) {
	status, out, errs := sniffed(t, nil, "--read", exchange)
	if status != 0 || errs != "" || !strings.Contains(out, " alice SHOUT #2 group CHAT, 5 bytes \"hello\"") {
		t.Errorf("status %d, %q, %s", status, errs, out)
	}
	file := filepath.Join(t.TempDir(), "out.pcap")
	if status, _, errs := sniffed(t, nil, "--read", exchange, "--write", file); status != 0 {
		t.Errorf("--write: status %d, %q", status, errs)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if status, again, errs := sniffed(t, bytes.NewReader(data), "--read", "-"); status != 0 || len(strings.Split(again, "\n")) != len(strings.Split(out, "\n")) {
		t.Errorf("what was written: status %d, %q, %s", status, errs, again)
	}
	if _, pcap, _ := sniffed(t, nil, "--read", exchange, "--write", "-"); pcap != string(data) {
		t.Errorf("--write - writes %d bytes, not the %d of a file", len(pcap), len(data))
	}
	status, lines, errs := sniffed(t, nil, "--read", exchange, "--json")
	if status != 0 {
		t.Errorf("--json: status %d, %q", status, errs)
	}
	for line := range strings.Lines(lines) {
		var record struct{ Time, Kind, From, To string }
		if err := json.Unmarshal([]byte(line), &record); err != nil || record.Time == "" || record.Kind == "" || record.From == "" || record.To == "" {
			t.Errorf("%v: %s", err, line)
		}
	}
}

func TestSniffMisused(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("this is a text, and no capture"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{nil, 2, "zre sniff: choose either --interface or --read; see zre sniff --help\n"},
		{[]string{"--read", "a", "--interface", "b"}, 2, "zre sniff: choose either --interface or --read; see zre sniff --help\n"},
		{[]string{"--read", exchange, "--port", "0"}, 2, ""},
		{[]string{"--read", exchange, "x"}, 2, ""},
		{[]string{"--read", filepath.Join(dir, "none")}, 1, "zre sniff: --read: open "},
		{[]string{"--read", text}, 1, "zre sniff: " + text + ": not a pcap or pcapng file\n"},
		{[]string{"--read", "-"}, 1, "zre sniff: standard input: not a pcap or pcapng file: it is too short\n"},
		{[]string{"--read", exchange, "--write", filepath.Join(dir, "no", "such")}, 1, "zre sniff: --write: open "},
		{[]string{"--interface", "no\x1bsuch"}, 1, "zre sniff: "},
	} {
		status, out, errs := sniffed(t, strings.NewReader(""), c.args...)
		if status != c.status || !strings.HasPrefix(errs, c.want) || errs == "" || out != "" || strings.Contains(errs, "\x1b") {
			t.Errorf("%q: got status %d, output %q, errors %q", c.args, status, out, errs)
		}
	}
}
