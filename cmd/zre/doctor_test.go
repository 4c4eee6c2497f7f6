package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/go-zre/go-zre/internal/testbed"
)

func TestDoctorOptions(t *testing.T) {
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"--nonsense"}, "nonsense"},
		{[]string{"extra"}, `"extra"`},
		{[]string{"--json=perhaps"}, "perhaps"},
		{[]string{"--time", "soon"}, "500ms"},
		{[]string{"--time", "999"}, "want 1s to 1h"},
		{[]string{"--time", "2h"}, "want 1s to 1h"},
		{[]string{"--time", "-5s"}, "want 1s to 1h"},
		{[]string{"--port", "0"}, "want 1 to 55535"},
		{[]string{"--port", "55536"}, "want 1 to 55535"},
		{[]string{"--port", "http"}, "http"},
		{[]string{"--peer", "host:5671"}, "tcp://HOST:PORT"},
		{[]string{"--peer", "tcp://host"}, "tcp://HOST:PORT"},
		{[]string{"--listen", ":5671"}, "tcp://*:PORT"},
		{[]string{"--listen", "tcp://localhost:5671"}, "localhost"},
		{[]string{"--srv", "10.0.0.1"}, "10.0.0.1"},
		{[]string{"--resolver", "udp://x"}, "udp://x"},
		{[]string{"--interface", "10.0.0"}, `"10.0.0"`},
		{[]string{"--interface", "!eth["}, "not a glob"},
	} {
		var out, errs bytes.Buffer
		code := diagnose(test.args, nil, &out, &errs)
		if code != 2 || !strings.Contains(errs.String(), test.says) || out.Len() > 0 {
			t.Errorf("%q: status %d, %q, output %q; want 2 and %q", test.args, code, &errs, &out, test.says)
		}
	}
}

// The help lists all options and all JSON keys.
func TestDoctorHelp(t *testing.T) {
	var out, errs bytes.Buffer
	if code := diagnose([]string{"--help"}, nil, &out, &errs); code != 0 || errs.Len() > 0 {
		t.Errorf("--help: status %d, %q", code, &errs)
	}
	words := []string{"--json", "--time time", "--interface interface", "--port port", "--peer endpoint", "--srv domain", "--resolver server", "--listen endpoint", "Exit status"}
	golden, err := os.ReadFile(filepath.Join(testbed.Root(), "internal", "doctor", "testdata", "sick.json"))
	if err != nil {
		t.Fatal(err)
	}
	var report any
	if err := json.Unmarshal(golden, &report); err != nil {
		t.Fatal(err)
	}
	words = append(words, keys(report)...)
	if len(words) < 50 {
		t.Errorf("%d words to look for: the test tests little", len(words))
	}
	for _, word := range words {
		if !strings.Contains(out.String(), word) {
			t.Errorf("--help does not say %q", word)
		}
	}
}

// keys returns all keys of a JSON value, with duplicates.
func keys(v any) (list []string) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			list = append(append(list, key), keys(value)...)
		}
	case []any:
		for _, value := range v {
			list = append(list, keys(value)...)
		}
	}
	return list
}

// With another node present all checks pass, in text and in JSON.
func TestDoctor(t *testing.T) {
	t.Parallel()
	port := freePort()
	alice := startPipe(t, port, "--name", "alice")
	ready := alice.next("ready")
	args := []string{"--interface", "127.0.0.1", "--port", fmt.Sprint(port), "--time", "2s", "--peer", ready["endpoint"].(string)}
	var out, errs bytes.Buffer
	if code := diagnose(append(args, "--json"), nil, &out, &errs); code != 0 || errs.Len() > 0 {
		t.Fatalf("status %d, %s%s", code, &errs, &out)
	}
	var report struct {
		Well  bool
		Nodes []struct{ UUID, Name string }
		Peers []struct{ Mailboxes []struct{ UUID string } }
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || !report.Well || len(report.Nodes) != 1 || report.Nodes[0].Name != "alice" ||
		report.Nodes[0].UUID != ready["uuid"] || report.Peers[0].Mailboxes[0].UUID != ready["uuid"] {
		t.Errorf("%v: %s", err, &out)
	}
	if enter := alice.next("enter"); enter["name"] != "zre doctor" || fmt.Sprint(enter["headers"]) != "map[role:doctor]" {
		t.Errorf("alice saw %v", enter)
	}

	out.Reset()
	code := diagnose(append(args, "--peer", "tcp://127.0.0.1:1"), nil, &out, &errs)
	if want := "Something is wrong: tcp://127.0.0.1:1 is refused"; code != 1 || errs.Len() > 0 || !strings.HasPrefix(out.String(), want) {
		t.Errorf("status %d, %s%s; want it to begin with %q", code, &errs, &out, want)
	}
}

// An SRV name that leads nowhere is reported: it may be mistyped, or the server may not answer.
func TestDoctorSRV(t *testing.T) {
	t.Parallel()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeNameError))
	})}
	done := make(chan error)
	go func() { done <- server.ActivateAndServe() }()
	t.Cleanup(func() { packets.Close(); <-done })
	for resolver, want := range map[string]struct {
		code int
		text string
	}{
		packets.LocalAddr().String(): {0, `"kind": "srv-nobody"`},
		"127.0.0.1:1":                {1, `"kind": "srv-failed"`},
	} {
		t.Run(resolver, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			code := diagnose([]string{"--interface", "127.0.0.1", "--port", fmt.Sprint(freePort()), "--time", "1s", "--json",
				"--srv", "robots.example", "--resolver", resolver}, nil, &out, &errs)
			if code != want.code || errs.Len() > 0 || !strings.Contains(out.String(), want.text) || !strings.Contains(out.String(), "name _zre._tcp.robots.example") ||
				strings.Contains(out.String(), `"complaint"`) {
				t.Errorf("status %d, %s%s; want %v", code, &errs, &out, want)
			}
		})
	}
}
