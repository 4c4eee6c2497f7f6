package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// run is a zre pipe on loopback within the test.
type run struct {
	t     *testing.T
	in    *io.PipeWriter
	lines chan map[string]any
	seen  []map[string]any // the lines so far, to be shown where the test fails
	code  chan int
	errs  bytes.Buffer
}

func startPipe(t *testing.T, port int, args ...string) *run {
	t.Helper()
	in, inWriter := io.Pipe()
	outReader, out := io.Pipe()
	r := &run{t: t, in: inWriter, lines: make(chan map[string]any, 1000), code: make(chan int, 1)}
	go func() {
		defer close(r.lines)
		for scanner := bufio.NewScanner(outReader); scanner.Scan(); {
			var line map[string]any
			if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
				t.Errorf("output %q: %v", scanner.Text(), err)
			}
			r.lines <- line
		}
	}()
	go func() {
		code := pipe(append([]string{"--interface", "127.0.0.1", "--port", fmt.Sprint(port)}, args...), in, out, &r.errs)
		out.Close()
		r.code <- code
	}()
	t.Cleanup(func() {
		inWriter.Close()
		if t.Failed() {
			for line := range r.lines { // until the pipe ends
				r.seen = append(r.seen, line)
			}
			t.Logf("zre pipe %q wrote %v", args, r.seen)
		}
	})
	return r
}

func (r *run) send(lines ...string) {
	r.t.Helper()
	for _, line := range lines {
		if _, err := io.WriteString(r.in, line+"\n"); err != nil {
			r.t.Error(err) // possibly in another goroutine
			return
		}
	}
}

// next returns the next line with that event.
func (r *run) next(event string) map[string]any {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				r.t.Fatalf("the output ended before %s", event)
			}
			r.seen = append(r.seen, line)
			if line["event"] == event {
				return line
			}
		case <-deadline:
			r.t.Fatalf("no %s", event)
		}
	}
}

func (r *run) exits(want int) {
	r.t.Helper()
	select {
	case code := <-r.code:
		if code != want {
			r.t.Errorf("exit status %d, want %d; %s", code, want, &r.errs)
		}
	case <-time.After(20 * time.Second):
		r.t.Error("it does not end")
	}
}

func TestPipe(t *testing.T) {
	t.Parallel()
	port := freePort()
	a := startPipe(t, port, "--name", "a", "--group", "G", "--group", "H", "--header", "k=v=w", "--header", "l=", "--interval", "500",
		"--evasive", "2s", "--expired", "10000", "--uuid", "01234567-89ab-cdef-0123-456789abcdef")
	ready := a.next("ready")
	if ready["uuid"] != "01234567-89ab-cdef-0123-456789abcdef" || ready["name"] != "a" || !strings.HasPrefix(ready["endpoint"].(string), "tcp://127.0.0.1:") {
		t.Errorf("ready: %v", ready)
	}
	b := startPipe(t, port, "--name", "b")
	b.next("ready")
	enter := b.next("enter")
	if enter["peer"] != ready["uuid"] || enter["endpoint"] == nil || enter["transport"] == nil || enter["state"] != "idle" ||
		fmt.Sprint(enter["headers"]) != "map[k:v=w l:]" || enter["group"] != nil || enter["frames"] != nil {
		t.Errorf("got the enter event %v", enter)
	}
	b.next("join")
	peer := a.next("enter")["peer"]

	b.send(`{"cmd":"join","group":"G"}`)
	if join := a.next("join"); join["group"] != "G" || join["name"] != "b" {
		t.Errorf("got the join event %v", join)
	}
	a.send(`{"cmd":"shout","group":"G","text":["grüße",""]}`)
	if shout := b.next("shout"); fmt.Sprint(shout["text"]) != "[grüße ]" || fmt.Sprint(shout["frames"]) != "[Z3LDvMOfZQ== ]" || shout["group"] != "G" {
		t.Errorf("got the shout event %v", shout)
	}
	a.send(fmt.Sprintf(`{"cmd":"whisper","peer":"%s","frames":["/w=="]}`, strings.ToUpper(strings.ReplaceAll(peer.(string), "-", ""))))
	if whisper := b.next("whisper"); whisper["text"] != nil || fmt.Sprint(whisper["frames"]) != "[/w==]" {
		t.Errorf("got the whisper event %v", whisper)
	}
	a.send(`{"cmd":"peers"}`)
	if peers := a.next("peers")["peers"].([]any); len(peers) != 1 || peers[0].(map[string]any)["name"] != "b" {
		t.Errorf("got the peers %v", peers)
	}
	b.send(`{"cmd":"leave","group":"G"}`)
	a.next("leave")
	b.send(`{"cmd":"quit"}`)
	b.exits(0)
	if exit := a.next("exit"); exit["reason"] != "left" || exit["transport"] == nil || exit["state"] != "idle" {
		t.Errorf("got the exit event %v", exit)
	}
	a.in.Close()
	a.exits(0)
}

// Among the nodes that contest, the one with the lowest UUID leads.
func TestPipeLeader(t *testing.T) {
	t.Parallel()
	port := freePort()
	low, high := "02345678-89ab-cdef-0123-456789abcdef", "11234567-89ab-cdef-0123-456789abcdef"
	a := startPipe(t, port, "--name", "a", "--uuid", high, "--contest", "G")
	if l := a.next("leader"); l["peer"] != high || l["name"] != "a" || l["group"] != "G" || l["self"] != true {
		t.Errorf("alone: %v", l)
	}
	b := startPipe(t, port, "--name", "b", "--uuid", low, "--elections-to-all")
	b.next("enter")
	b.send(`{"cmd":"contest","group":"G"}`)
	if l := a.next("leader"); l["peer"] != low || l["name"] != "b" || l["group"] != "G" || l["self"] != nil {
		t.Errorf("node a got %v", l)
	}
	if l := b.next("leader"); l["peer"] == high {
		b.next("leader")
	}
	b.send(`{"cmd":"quit"}`)
	b.exits(0)
	if l := a.next("leader"); l["peer"] != high || l["self"] != true {
		t.Errorf("alone again: %v", l)
	}
	a.send(`{"cmd":"quit"}`)
	a.exits(0)
}

// A pipe that discards messages reports how many.
func TestPipeDiscards(t *testing.T) {
	t.Parallel()
	port := freePort()
	a := startPipe(t, port, "--discard", "--skip-busy")
	peer := a.next("ready")["uuid"]
	b := startPipe(t, port)
	b.next("enter")
	for range 3 {
		b.send(fmt.Sprintf(`{"cmd":"whisper","peer":"%s","text":["x"]}`, peer))
	}
	b.send(`{"cmd":"quit"}`)
	b.exits(0)
	a.next("exit") // it comes after all that a sent
	a.send(`{"cmd":"quit"}`)
	if last := a.next("discarded"); last["messages"] != 3.0 {
		t.Errorf("discarded: %v", last)
	}
	a.exits(0)
}

// A bad line gives an error event that explains the mistake, and the next line is executed.
func TestPipeBadLines(t *testing.T) {
	t.Parallel()
	r := startPipe(t, freePort())
	r.next("ready")
	for _, test := range []struct{ line, says string }{
		{"junk", "not a JSON command"},
		{"[]", "not a JSON command"},
		{"{}", `no command ""`},
		{`{"cmd":"dance"}`, `no command "dance"`},
		{`{"cmd":7}`, "not a JSON command"},
		{`{"cmd":"shout","group":"G"}`, `either "frames" or "text"`},
		{`{"cmd":"shout","group":"G","text":["a"],"frames":[""]}`, `either "frames" or "text"`},
		{`{"cmd":"shout","group":"G","frames":["not base64!"]}`, "base64"},
		{`{"cmd":"whisper","peer":"you","text":["a"]}`, `"you": not a UUID`},
		{`{"cmd":"whisper","peer":"01234567-89ab-cdef-0123-456789abcdef","text":["a"]}`, "no such peer"},
		{`{"cmd":"state"}`, `state "": choose init, error, idle, receiving or processing`},
		{`{"cmd":"state","state":"busy"}`, `state "busy": choose init, error, idle, receiving or processing`},
		{`{"cmd":"state","state":"exit"}`, `state "exit": choose`},
		{`{"cmd":"state","state":"unknown"}`, `state "unknown": choose`},
		{`{"cmd":"state","state":"auto"}`, `state "auto": choose`},
		{`{"cmd":"state","state":5}`, "not a JSON command"},
		{`{"cmd":"join","group":"` + strings.Repeat("g", 256) + `"}`, "256"},
		{strings.Repeat("x", maxLine+1), "more than"},
	} {
		r.send(test.line)
		if got := r.next("error")["error"].(string); !strings.Contains(got, test.says) {
			t.Errorf("%.60s: %q, want it to say %q", test.line, got, test.says)
		}
	}
	r.send("", `{"cmd":"peers"}`)
	r.next("peers")
	r.send(`{"cmd":"quit"}`)
	r.exits(0)
}

func TestPipeBadOptions(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--nonsense"}, 2, "nonsense"},
		{[]string{"extra"}, 2, `"extra"`},
		{[]string{"--header", "novalue"}, 2, "NAME=VALUE"},
		{[]string{"--interval", "soon"}, 2, "500ms"},
		{[]string{"--interval", "-5"}, 2, "positive"},
		{[]string{"--port", "70000"}, 2, "70000"},
		{[]string{"--port", "http"}, 2, "http"},
		{[]string{"--uuid", "me"}, 2, "me"},
		{[]string{"--state", ""}, 2, "choose init, error, idle, receiving or processing, or auto"},
		{[]string{"--state", "exit"}, 2, `"exit"`},
		{[]string{"--state", "unknown"}, 2, `"unknown"`},
		{[]string{"--state-by-broadcast=perhaps"}, 2, "true or false"},
		{[]string{"--discard=perhaps"}, 2, "true or false"},
		{[]string{"--skip-busy=perhaps"}, 2, "true or false"},
		{[]string{"--listen", ":5671"}, 2, "tcp://*:PORT"},
		{[]string{"--listen", "tcp://localhost:5671"}, 2, "localhost"},
		{[]string{"--linger", "-1s"}, 2, "negative"},
		{[]string{"--send-timeout", "0"}, 2, "positive"},
		{[]string{"--evasive", "40s"}, 2, "longer than the evasive timeout"},
		{[]string{"--group", strings.Repeat("g", 256)}, 2, "--group"},
		{[]string{"--contest", ""}, 2, "--contest"},
		{[]string{"--elections-to-all=perhaps"}, 2, "true or false"},
		{[]string{"--no-beacons=perhaps"}, 2, "true or false"},
		{[]string{"--interface", "10.0.0"}, 2, "10.0.0"},
	} {
		var out, errs bytes.Buffer
		code := pipe(test.args, strings.NewReader(""), &out, &errs)
		if code != test.code || !strings.Contains(errs.String(), test.says) || out.Len() > 0 {
			t.Errorf("%q: status %d, %q, output %q; want %d and %q", test.args, code, &errs, &out, test.code, test.says)
		}
	}
	var out, errs bytes.Buffer
	if code := pipe([]string{"--help"}, nil, &out, &errs); code != 0 || errs.Len() > 0 {
		t.Errorf("--help: status %d, %q", code, &errs)
	}
	for _, word := range []string{"--evasive", "--listen endpoint", "--linger time", "--send-timeout time", "--state state", "IT KILLS PYRE",
		`{"cmd":"state"`, "conflict", "problem", "kind", "solved", "queued_messages", "transport", "reason"} {
		if !strings.Contains(out.String(), word) {
			t.Errorf("--help does not say %q:\n%s", word, &out)
		}
	}
}

// asZre makes the test binary run as zre when this variable is set.
const asZre = "ZRE_TEST_AS_ZRE"

// asPipe makes the test binary run as zre pipe when this variable is set.
const asPipe = "ZRE_TEST_AS_PIPE"

func TestMain(m *testing.M) {
	if os.Getenv(asPipe) != "" {
		os.Exit(pipe(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	if os.Getenv(asZre) != "" {
		main()
	}
	if signal.Ignored(syscall.SIGHUP) { // by nohup; processes of the tests must not inherit it
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // as main does; it starts what must not be started within a bubble of fake time
	os.Exit(m.Run())
}

// Messages that are not sent before the end give an error event for each peer, and the exit status. The test uses a process of its own,
// since nothing is lost within one process.
func TestPipeTellsWhatIsLost(t *testing.T) {
	t.Parallel()
	port := freePort()
	sink, err := zre.NewNode(zre.WithName("sink"), zre.WithInterfaces("127.0.0.1"), zre.WithBeaconPort(port),
		zre.WithLimits(zre.Limits{Events: 1})) // it reads no events
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	if err := sink.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "--interface", "127.0.0.1", "--port", fmt.Sprint(port), "--linger", "100ms")
	cmd.Env, cmd.Stderr = append(os.Environ(), asPipe+"=1"), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	const count = 20
	var lost map[string]any
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		switch line["event"] {
		case "enter":
			for range count {
				fmt.Fprintf(in, `{"cmd":"whisper","peer":"%s","text":["%s"]}`+"\n", sink.UUID(), strings.Repeat("x", 1<<20))
			}
			in.Close()
		case "error":
			lost = line
		}
	}
	messages, _ := lost["messages"].(float64)
	size, _ := lost["bytes"].(float64)
	if lost["peer"] != sink.UUID().String() || lost["name"] != "sink" || messages < 5 || messages > count ||
		size < (messages-1)*(1<<20) || size > count*(1<<20+100) || !strings.Contains(fmt.Sprint(lost["error"]), "linger time") {
		t.Errorf("got the error event %v", lost)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("it ends with %v, want the exit status 1", err)
	}
}
