package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// on adds options that put a test's nodes on loopback, apart from all others.
func on(port int, args ...string) []string {
	return append(args, "--interface", "127.0.0.1", "--port", fmt.Sprint(port))
}

// startServe runs zre bench serve until the process receives an interrupt, which reaches nothing else in it.
func startServe(t *testing.T, port int, args ...string) (ended <-chan int) {
	t.Helper()
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		var errs bytes.Buffer
		c := runBench(on(port, append([]string{"serve"}, args...)...), nil, w, &errs)
		w.Close()
		if errs.Len() > 0 {
			t.Errorf("serve: %s", &errs)
		}
		code <- c
	}()
	line := make([]byte, 200)
	n, err := r.Read(line)
	if err != nil || !strings.Contains(string(line[:n]), "ready") {
		t.Fatalf("serve says %q, %v", line[:n], err)
	}
	return code
}

func TestBench(t *testing.T) {
	port := freePort()
	ended := startServe(t, port, "--nodes", "2", "--transport", "tcp")
	for _, test := range []struct {
		args []string
		want map[string]any // expected JSON values
		keys string         // further keys expected in the JSON
		says []string       // expected in the text
	}{
		{[]string{"whisper", "--size", "100"},
			map[string]any{"bench": "whisper", "size": 100.0, "peers": 1.0, "transport": "tcp"},
			"seconds sent delivered messages_per_second megabytes_per_second processor_us_here processor_us_there",
			[]string{"whispers of 100 bytes to 1 peer by tcp", "messages/s", "MB/s", "CPU per message"}},
		{[]string{"shout", "--peers", "2"},
			map[string]any{"bench": "shout", "size": 16.0, "peers": 2.0},
			"delivered", []string{"shouts of 16 bytes to 2 peers"}},
		{[]string{"latency", "--size", "1"},
			map[string]any{"bench": "latency", "size": 1.0, "transport": "tcp"},
			"messages p50_us p99_us max_us", []string{"round trips of 1 byte", "p50", "p99", "max"}},
	} {
		var out, errs bytes.Buffer
		args := on(port, append(test.args, "--time", "100ms", "--transport", "tcp")...)
		if code := runBench(args, nil, &out, &errs); code != 0 || errs.Len() > 0 {
			t.Fatalf("%q: got status %d, errors %q", test.args, code, &errs)
		}
		for _, says := range test.says {
			if !strings.Contains(out.String(), says) {
				t.Errorf("%q says %q, want it to say %q", test.args, &out, says)
			}
		}
		out.Reset()
		if code := runBench(append(args, "--json"), nil, &out, &errs); code != 0 {
			t.Fatalf("%q: got status %d, errors %q", test.args, code, &errs)
		}
		var got map[string]any
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%q: %v", &out, err)
		}
		for key, want := range test.want {
			if got[key] != want {
				t.Errorf("%q: %s is %v, want %v", test.args, key, got[key], want)
			}
		}
		for key := range strings.FieldsSeq(test.keys) {
			if _, ok := got[key].(float64); !ok {
				t.Errorf("%q: %s is %v, want a number", test.args, key, got[key])
			}
		}
	}
	if self, err := os.FindProcess(os.Getpid()); err != nil {
		t.Fatal(err)
	} else if err := self.Signal(syscall.SIGINT); err != nil {
		t.Skip("this system cannot interrupt") // Windows; the servers end with the process
	}
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("serve ended with status %d", code)
		}
	case <-time.After(20 * time.Second):
		t.Error("serve did not end after the interrupt")
	}
}

func TestBenchMesh(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	args := on(freePort(), "mesh", "--nodes", "3", "--time", "50ms")
	if code := runBench(args, nil, &out, &errs); code != 0 || !strings.Contains(out.String(), "3 nodes here met 2 peers each") ||
		!strings.Contains(out.String(), "0 exits without a farewell") {
		t.Errorf("got status %d, output %q, errors %q", code, &out, &errs)
	}
	out.Reset()
	if code := runBench(append(args, "--json"), nil, &out, &errs); code != 0 {
		t.Fatalf("got status %d, errors %q", code, &errs)
	}
	lines := json.NewDecoder(&out)
	var met, result map[string]any
	if err := lines.Decode(&met); err != nil || met["event"] != "met" {
		t.Errorf("first %v, %v", met, err)
	}
	if err := lines.Decode(&result); err != nil || result["nodes"] != 3.0 || result["milliseconds"] != met["milliseconds"] || result["goroutines"] == nil {
		t.Errorf("then %v, %v", result, err)
	}
}

func TestBenchBadOptions(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{nil, 2, "choose serve, whisper, shout, latency or mesh"},
		{[]string{"dance"}, 2, `no bench "dance": choose serve`},
		{[]string{"--json"}, 2, "choose serve"},
		{[]string{"serve", "extra"}, 2, `"extra"`},
		{[]string{"serve", "--size", "5"}, 2, "zre bench serve has no option --size"},
		{[]string{"whisper", "--nonsense"}, 2, "--nonsense"},
		{[]string{"whisper", "--size", "-1"}, 2, "from 0 to"},
		{[]string{"whisper", "--size", "70000000"}, 2, "from 0 to"},
		{[]string{"whisper", "--peers", "0"}, 2, "from 1 to"},
		{[]string{"whisper", "--time", "soon"}, 2, "500ms"},
		{[]string{"whisper", "--time", "0s"}, 2, "above 0"},
		{[]string{"whisper", "--time", "-5"}, 2, "above 0"},
		{[]string{"whisper", "--port", "0"}, 2, "1 to 55535"},
		{[]string{"whisper", "--port", "http"}, 2, "1 to 55535"},
		{[]string{"whisper", "--transport", "udp"}, 2, "choose tcp, ipc or inproc"},
		{[]string{"latency", "--size", "0"}, 2, "at least 1 byte"},
		{[]string{"latency", "--peers", "2"}, 2, "has no option --peers"},
		{[]string{"mesh", "--nodes", "0"}, 2, "from 1 to"},
		{[]string{"mesh", "--nodes", "5", "--peers", "3"}, 2, "at least the 4 others"},
		{[]string{"mesh", "--interface", "no-such-interface"}, 1, "no-such-interface"},
		{[]string{"serve", "--interface", "no-such-interface"}, 1, "no-such-interface"},
		{[]string{"shout", "--interface", "no-such-interface"}, 1, "no-such-interface"},
		{[]string{"latency", "--interface", "no-such-interface"}, 1, "no-such-interface"},
	} {
		var out, errs bytes.Buffer
		code := runBench(test.args, nil, &out, &errs)
		if code != test.code || !strings.Contains(errs.String(), test.says) || out.Len() > 0 {
			t.Errorf("%q: status %d, %q, output %q; want %d and %q", test.args, code, &errs, &out, test.code, test.says)
		}
	}
}

func TestBenchHelp(t *testing.T) {
	for _, test := range []struct {
		args      []string
		has, lack string
	}{
		{[]string{"--help"}, "ZRE-BENCH serve whisper shout latency mesh --time --size --peers --nodes --interface --port --transport --json --stay", ""},
		{[]string{"latency", "-h"}, "--time --size --port", "--peers --nodes --stay"},
		{[]string{"serve", "--help"}, "--nodes --interface", "--size --time"},
	} {
		var out, errs bytes.Buffer
		if code := runBench(test.args, nil, &out, &errs); code != 0 || errs.Len() > 0 {
			t.Errorf("%q: got status %d, errors %q", test.args, code, &errs)
		}
		for word := range strings.FieldsSeq(test.has) {
			if !strings.Contains(out.String(), word) {
				t.Errorf("the help of %q lacks %s", test.args, word)
			}
		}
		for word := range strings.FieldsSeq(test.lack) {
			if strings.Contains(out.String(), "  "+word) {
				t.Errorf("the help of %q has %s, want it without", test.args, word)
			}
		}
	}
}

func TestProgress(t *testing.T) {
	var screen bytes.Buffer
	p := progress{terminal: &screen}
	p.say("looking")
	p.show(0.5)
	p.show(0.6) // too soon
	p.clear()
	clear := "\r" + strings.Repeat(" ", 70) + "\r"
	if got := screen.String(); got != clear+"looking"+clear+"\r[####################                    ]  50 %"+clear {
		t.Errorf("the bar is %q", got)
	}
	none := new(progress) // no terminal
	none.say("looking")
	none.show(1)
	none.clear()
}

func TestThousands(t *testing.T) {
	for f, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567.6: "1,234,568"} {
		if got := thousands(f); got != want {
			t.Errorf("%v is %q, want %q", f, got, want)
		}
	}
}
