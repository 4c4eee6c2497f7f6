package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/netmap"
)

// The command serves the page at its address, under that host name only, until it ends.
func TestMap(t *testing.T) {
	t.Parallel()
	port := freePort()
	startNode(t, port, "alice <b>", "G")
	cmd := process(t, on(port, "map")...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 200)
	n, err := out.Read(buffer)
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/`).FindString(string(buffer[:n]))
	if err != nil || url == "" {
		t.Fatalf("%q, %v", buffer[:n], err)
	}
	events, err := http.Get(url + "events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	text := ""
	for !strings.Contains(text, `"name":"alice \u003cb\u003e"`) {
		n, err := events.Body.Read(buffer)
		if text += string(buffer[:n]); err != nil {
			t.Fatalf("%v after %s", err, text)
		}
	}
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"": http.StatusOK, "evil.example": http.StatusMisdirectedRequest} {
		request.Host = host
		r, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("as %q: status %d, want %d", host, r.StatusCode, want)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := io.Copy(io.Discard, events.Body); err == nil {
		t.Log("the stream ended by itself")
	}
}

func TestMapStill(t *testing.T) {
	t.Parallel()
	port := freePort()
	startNode(t, port, "alice", "G")
	path := filepath.Join(t.TempDir(), "network.svg")
	if status, out, errs := runZre(on(port, "map", "--svg", path, "--wait", "1500ms")...); status != 0 || out != "" || errs != "" {
		t.Errorf("got status %d, output %q, errors %q", status, out, errs)
	}
	if svg, err := os.ReadFile(path); err != nil || !strings.Contains(string(svg), ">alice</text>") || !strings.Contains(string(svg), "2 nodes, as zre map sees them") {
		t.Errorf("%v: %s", err, svg)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("%d files, %v", len(files), err)
	}
	status, out, errs := runZre(on(port, "map", "--json", "--wait", "1500ms")...)
	var s netmap.Snapshot
	if err := json.Unmarshal([]byte(out), &s); status != 0 || err != nil || len(s.Nodes) != 2 {
		t.Errorf("status %d, %v, %q, %q", status, err, out, errs)
	}
	if status, out, _ := runZre(on(port, "map", "--svg", "-", "--wait", "0")...); status != 0 || !strings.HasPrefix(out, "<svg") {
		t.Errorf("status %d, %.100q", status, out)
	}
	if status, _, errs := runZre(on(port, "map", "--svg", "/nowhere/x.svg", "--wait", "0")...); status != 1 || !strings.Contains(errs, "/nowhere") {
		t.Errorf("got status %d, errors %q", status, errs)
	}
}

func TestMapUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--page 0.0.0.0:80":                   "other machines could read the page",
		"--page :80":                          "other machines could read the page",
		"--page robot.local:80":               "other machines could read the page",
		"--page [::]:80":                      "other machines could read the page",
		"--page 127.0.0.1":                    "want ADDRESS:PORT",
		"--page 127.0.0.1:x":                  "want a port",
		"--page 127.0.0.1:70000":              "want a port",
		"--svg x --json":                      "--svg does not go with --json",
		"--svg x --page 127.0.0.1:80":         "--page does not go with --svg",
		"--json --public":                     "--public does not go with",
		"--width 300":                         "--width goes with --svg",
		"--wait 3s":                           "--wait goes with --svg or --json",
		"--svg x --width 7":                   "want a number from 200 to 8000",
		"extra":                               "unexpected argument",
		"--group " + strings.Repeat("g", 300): "300",
	} {
		if status, _, errs := runZre(append([]string{"map"}, strings.Fields(args)...)...); status != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%s: got status %d, errors %q", args, status, errs)
		}
	}
}
