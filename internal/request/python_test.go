package request

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// The Python code in docs/protocol.md answers requests, and leaves all other whispers alone.
func TestDocumentedPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		testbed.Missing(t, "python3")
	}
	docs, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(docs), "```python\ndef answer(")
	code, _, found := strings.Cut(code, "```\n")
	if !found {
		t.Fatal("docs/protocol.md has no function answer")
	}
	script := `
import json, sys, time
def answer(` + code + `
class Node:
    def __init__(self): self.sent = []
    def whisper(self, peer, frames): self.sent.append([f.hex() for f in frames])
for vector in json.load(sys.stdin):
    node = Node()
    was = answer(node, "peer", [bytes.fromhex(f) for f in vector["frames"]] or [b""])
    print(json.dumps({"was": was, "sent": node.sent}))
`
	all := vectors(t)
	time := Head{Kind: Request, ID: 9}
	var frame [HeadSize]byte
	time.Put(&frame)
	all = append(all, vector{Note: "time", Frames: []string{hex.EncodeToString(frame[:]), hex.EncodeToString([]byte("time"))}, Kind: "REQUEST", ID: 9})
	input, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", script)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(bytes.NewReader(out))
	for _, v := range all {
		var got struct {
			Was  bool
			Sent [][]string
		}
		if err := answers.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if isRequest := v.Kind == "REQUEST"; got.Was != isRequest || isRequest != (len(got.Sent) == 1) {
			t.Errorf("%s: answered as a request: %v, with %v", v.Note, got.Was, got.Sent)
			continue
		} else if !isRequest {
			continue
		}
		reply := vector{Frames: got.Sent[0]}
		want := Error
		if v.Note == "time" {
			want = Reply
		}
		content := reply.content(t)
		if head, ok := Parse(content); !ok || head.Kind != want || head.ID != v.ID {
			t.Errorf("%s: the answer is %x", v.Note, content)
		} else if code := Code(NoHandler); want == Error {
			if got, _ := Failure(content); got != code {
				t.Errorf("%s: the error has code %d", v.Note, got)
			}
		}
	}
}
