package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// startOn runs zre on within the test, with JSON output.
func startOn(t *testing.T, port int, line string) (lines <-chan map[string]any, status <-chan int, errs *bytes.Buffer) {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh")
	}
	r, w := io.Pipe()
	ended := make(chan int, 1)
	errs = new(bytes.Buffer)
	go func() {
		ended <- execute(append(on(port, strings.Fields(line)...), "--", "sh", "-c", script), nil, w, errs)
		w.Close()
	}()
	read := make(chan map[string]any, 100)
	go func() {
		defer close(read)
		for decoder := json.NewDecoder(r); ; {
			var l map[string]any
			if decoder.Decode(&l) != nil {
				return
			}
			read <- l
		}
	}()
	return read, ended, errs
}

// script prints its input, and fails if it is told to.
const script = `text=$(cat); echo "$ZRE_EVENT|$ZRE_EVENT_NAME|$ZRE_EVENT_GROUP|$ZRE_EVENT_FRAMES|$ZRE_EVENT_SIZES|$text"; test "$text" != fail`

// The program gets the content on standard input and the facts in its environment. No shell interprets them.
func TestOn(t *testing.T) {
	t.Parallel()
	const name = "$(id); \x1b[2J`id`"
	for kind, send := range map[string]func(node *zre.Node, peer uuid.UUID, frames ...[]byte) error{
		"shout": func(node *zre.Node, _ uuid.UUID, frames ...[]byte) error {
			return node.Shout(t.Context(), "G", frames...)
		},
		"whisper": func(node *zre.Node, peer uuid.UUID, frames ...[]byte) error {
			return node.Whisper(t.Context(), peer, frames...)
		},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			port := freePort()
			groups := map[string]string{"shout": "G", "whisper": ""}[kind]
			lines, status, errs := startOn(t, port, "on "+kind+" "+groups+" --reply --json --count 3 --jobs 1")
			node := startNode(t, port, name)
			peer := nextEvent[zre.Enter](t, node).Peer
			if kind == "shout" {
				nextEvent[zre.Join](t, node)
				if err := node.Whisper(t.Context(), peer.UUID, []byte("not for it")); err != nil {
					t.Fatal(err)
				}
			}
			for _, frames := range [][][]byte{{[]byte("ab"), []byte("c\n")}, {[]byte("fail")}, {{}}} {
				if err := send(node, peer.UUID, frames...); err != nil {
					t.Fatal(err)
				}
			}
			for _, want := range []string{"2|2 2|abc", "1|0|"} { // a program that fails gives no reply
				if e := nextEvent[zre.Whisper](t, node); string(e.Frames[0]) != kind+"|"+name+"|"+groups+"|"+want+"\n" {
					t.Errorf("the reply is %q, want it to end with %q", e.Frames, want)
				}
			}
			for _, want := range []float64{0, 1, 0} {
				if l := <-lines; l["event"] != "handled" || l["status"] != want || l["name"] != name || l["peer"] != node.UUID().String() {
					t.Errorf("%v; want status %v", l, want)
				}
			}
			if got := <-status; got != 0 || errs.Len() > 0 {
				t.Errorf("got status %d, errors %q", got, errs)
			}
		})
	}
}

// A program that runs for too long is killed. One that cannot be run is reported.
func TestOnTimeout(t *testing.T) {
	t.Parallel()
	port := freePort()
	status := make(chan int, 1)
	var out, errs bytes.Buffer
	go func() {
		status <- execute(append(on(port, "on", "whisper", "--timeout", "50ms", "--count", "1"), "--", "sleep", "1000"), nil, &out, &errs)
	}()
	node := startNode(t, port, "sender")
	if err := node.Whisper(t.Context(), nextEvent[zre.Enter](t, node).Peer.UUID, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := <-status; got != 0 || out.Len() > 0 || errs.String() != "zre on whisper: sleep for sender: ended after 50ms\n" {
		t.Errorf("got status %d, output %q, errors %q", got, &out, &errs)
	}
}

// The facts contain no character that an environment cannot hold.
func TestFacts(t *testing.T) {
	got := (&job{kind: "whisper", peer: &zre.Peer{Name: "a\x00b"}, frames: [][]byte{{}, {1, 2}}}).environment()
	want := "ZRE_EVENT=whisper ZRE_EVENT_PEER=" + uuid.Nil.String() + " ZRE_EVENT_NAME=a\uFFFDb ZRE_EVENT_GROUP= ZRE_EVENT_REQUEST= ZRE_EVENT_FRAMES=2 ZRE_EVENT_SIZES=0 2"
	if strings.Join(got, " ") != want {
		t.Errorf("%q", got)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), got...)
	if err := cmd.Run(); err != nil {
		t.Error(fmt.Errorf("a program with these: %w", err))
	}
}

// A request is answered with the program's output, or with an error if the program fails or there is none for it.
func TestOnRequest(t *testing.T) {
	t.Parallel()
	port := freePort()
	lines, status, errs := startOn(t, port, "on request temperature --name robot --json --count 5")
	for _, test := range []struct {
		args   []string
		status int
		out    string
		errs   string
	}{
		{[]string{"temperature", "kitchen", "now"}, 0, "request|zre request||2|7 3|kitchennow\n", ""},
		{[]string{"temperature", "two\nlines\x1b[2J\n"}, 0, "request|zre request||1|14|two\nlines\\x1b[2J\n", ""},
		{[]string{"temperature", "--raw", "--", "-x"}, 0, "request|zre request||1|2|-x\n", ""},
		{[]string{"temperature", "fail"}, 1, "", "zre request: robot: the program failed with status 1\n"},
		{[]string{"pressure"}, 1, "", "zre request: robot: there is no handler for this request\n"},
		{[]string{"temperature", "--json"}, 0, `{"event":"reply","peer":"`, ""},
	} {
		got, out, said := runZre(append(on(port, "request", "robot"), test.args...)...)
		if got != test.status || !strings.HasPrefix(out, test.out) || (out == "") != (test.out == "") || said != test.errs {
			t.Errorf("%q: got status %d, output %q, errors %q", test.args, got, out, said)
		}
	}
	for range 5 {
		<-lines
	}
	if got := <-status; got != 0 || errs.Len() > 0 {
		t.Errorf("got status %d, errors %q", got, errs)
	}
}

// If a node leaves before it replies, or its program is killed, the error says it in words.
func TestRequestEnds(t *testing.T) {
	t.Parallel()
	port := freePort()
	node := startNode(t, port, "robot")
	go func() {
		for event := range node.AllEvents(t.Context()) {
			if _, ok := event.(zre.Request); ok {
				go node.Close()
			}
		}
	}()
	status, out, errs := runZre(on(port, "request", "robot", "x")...)
	if status != 1 || out != "" || errs != "zre request: robot left, or its connection broke, before it replied\n" {
		t.Errorf("got status %d, output %q, errors %q", status, out, errs)
	}
	ended := make(chan int, 1)
	go func() {
		args := append(on(port, "on", "request", "slow", "--name", "ender", "--timeout", "10ms", "--count", "1"), "--", "sleep", "1000")
		ended <- execute(args, nil, io.Discard, io.Discard)
	}()
	status, out, errs = runZre(on(port, "request", "ender", "slow")...)
	if status != 1 || out != "" || errs != "zre request: ender: the program did not run, or was ended\n" {
		t.Errorf("got status %d, output %q, errors %q", status, out, errs)
	}
	<-ended
}
