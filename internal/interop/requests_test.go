//go:build linux

package interop

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// pyreAnswers is a program with a node of pyre, which answers requests with the function of docs/protocol.md, and sends one to the peer that whispers "ask".
const pyreAnswers = `
import time, uuid
from pyre import Pyre

def answer(%s

node = Pyre("clock")
node.start()
print(node.uuid(), flush=True)
while True:
    kind, peer, name, *frames = node.recv()
    peer = uuid.UUID(bytes=peer)
    if kind != b"WHISPER" or answer(node, peer, frames):
        continue
    if frames == [b"ask"]:
        node.whisper(peer, [b"\xf5ZRQ\x01\x01" + b"12345678", b"weather", b"here"])
    elif frames[0][:6] == b"\xf5ZRQ\x01\x02":
        print("reply", frames[0][6:].decode(), *[f.decode() for f in frames[1:]], flush=True)
    elif frames[0][:6] == b"\xf5ZRQ\x01\x03":
        print("error", frames[0][6:].decode(), frames[1][0], frames[2].decode(), flush=True)
    else:
        print("whisper", frames, flush=True)
`

// A program in Python takes part in requests by what docs/protocol.md says: it answers those of our node, and our node answers its own.
func TestRequestsOfPython(t *testing.T) {
	docs, err := os.ReadFile(filepath.Join(testbed.Root(), "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(docs), "```python\ndef answer(")
	code, _, found := strings.Cut(code, "```\n")
	if !found {
		t.Fatal("docs/protocol.md has no function answer")
	}
	lan := testbed.NewLAN(t, "")
	opts := options("subject")
	opts.Expected = func(e testbed.Event) bool { return e.ID == "2" } // the request that is refused
	subject := testbed.Start(t, lan.Host("subject"), testbed.Zre, opts)
	python := lan.Host("python").Command(testbed.Python(t), "-c", fmt.Sprintf(pyreAnswers, code))
	python.Stderr = os.Stderr
	out, err := python.StdoutPipe()
	if err == nil {
		err = python.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	says := func() string {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("the program in Python ended: %v", lines.Err())
		}
		return lines.Text()
	}
	clock := &testbed.Peer{UUID: strings.ToLower(says())}
	subject.Wait(t, "the clock", testbed.Is("enter", clock))
	send := func(c testbed.Command) {
		t.Helper()
		if err := subject.Send(c); err != nil {
			t.Fatal(err)
		}
	}
	send(testbed.Command{Cmd: "request", ID: "1", Peer: clock.UUID, Text: []string{"time"}})
	reply := subject.Wait(t, "the reply", testbed.Is("reply", clock))
	if len(reply.Text) != 1 || !strings.Contains(reply.Text[0], ".") || reply.ID != "1" {
		t.Errorf("the reply is %v", reply)
	}
	send(testbed.Command{Cmd: "request", ID: "2", Peer: clock.UUID, Text: []string{"weather"}})
	refusal := subject.Wait(t, "the refusal", func(e testbed.Event) bool { return e.Event == "error" && e.ID == "2" })
	if !strings.Contains(refusal.Error, "no such request") {
		t.Errorf("the refusal is %v", refusal)
	}
	for i, answer := range []testbed.Command{{Cmd: "reply", Text: []string{"rain", "11"}}, {Cmd: "reply-error", Error: "no thermometer"}} {
		send(testbed.Command{Cmd: "whisper", Peer: clock.UUID, Text: []string{"ask"}})
		requests := 0
		request := subject.Wait(t, "a request", func(e testbed.Event) bool {
			if testbed.Is("request", clock)(e) {
				requests++
			}
			return requests == i+1
		})
		if strings.Join(request.Text, " ") != "weather here" {
			t.Errorf("the request is %v", request)
		}
		answer.Request = request.Request
		want := "reply 12345678 rain 11"
		if answer.Cmd == "reply-error" {
			want = "error 12345678 1 no thermometer"
		}
		send(answer)
		if got := says(); got != want {
			t.Errorf("the program got %q, want %q", got, want)
		}
	}
}
