package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// Each command with an id is answered. An invalid command gets an error that says why.
func TestPipeIDs(t *testing.T) {
	t.Parallel()
	port := freePort()
	a := startPipe(t, port, "--name", "a", "--group", "G")
	self := a.next("ready")["uuid"].(string)
	b := startPipe(t, port, "--name", "b", "--group", "G")
	peer := a.next("enter")["peer"].(string)
	a.next("join")
	for i, line := range []string{
		`"cmd":"join","group":"H"`, `"cmd":"leave","group":"H"`, `"cmd":"contest","group":"G"`, `"cmd":"state","state":"error"`, `"cmd":"peers"`,
		`"cmd":"shout","group":"G","text":["x"]`, `"cmd":"shout","group":"nobody","frames":[]`, `"cmd":"whisper","peer":"` + peer + `","text":["x"]`,
		`"cmd":"flush","peer":"` + peer + `"`, `"cmd":"flush","peer":"` + peer + `","timeout":"3s"`, `"cmd":"ping","peer":"` + peer + `","timeout":5000`,
		`"cmd":"add-peer","endpoint":"tcp://127.0.0.1:1"`, `"cmd":"remove-peer","endpoint":"tcp://127.0.0.1:1"`,
		`"cmd":"header","name":"role","value":"camera"`, `"cmd":"header","name":"role"`, `"cmd":"header","name":"none"`,
	} {
		for _, id := range []string{fmt.Sprint(i), fmt.Sprintf(`"id %d"`, i), "-1.5e3"} {
			a.send(`{"id":` + id + `,` + line + `}`)
			if got := a.next("ok"); fmt.Sprintf("%v", got["id"]) != strings.Trim(strings.Replace(id, "-1.5e3", "-1500", 1), `"`) || len(got) != 2 {
				t.Errorf("%s with id %s: %v", line, id, got)
			}
		}
	}
	for _, test := range []struct{ line, says string }{
		{`"cmd":"dance"`, `no command "dance"; see zre pipe --help`},
		{`"cmd":"jion"`, `no command "jion"; did you mean join?`},
		{`"cmd":"join"`, `join: "group" is missing`},
		{`"cmd":"join","group":"G","peer":"x"`, `join: there is no key "peer"; it has cmd, id, group`},
		{`"cmd":"join","Group":"G"`, `there is no key "Group"`},
		{`"cmd":"join","group":7`, `"group" must be a string`},
		{`"cmd":"join","group":null`, `"group" must be a string`},
		{`"cmd":"join","group":""`, "not a group name"},
		{`"cmd":"whisper","text":["x"]`, `whisper: "peer" is missing`},
		{`"cmd":"whisper","peer":"` + uuid.NewString() + `","text":["x"]`, "no such peer"},
		{`"cmd":"whisper","peer":"` + peer + `","text":"x"`, `"text" must be a list of strings`},
		{`"cmd":"whisper","peer":"` + peer + `","text":null`, `"text" must be a list of strings`},
		{`"cmd":"whisper","peer":"` + peer + `","frames":[1]`, `"frames" must be a list of strings in base64`},
		{`"cmd":"ping","peer":"` + uuid.NewString() + `"`, "no such peer"},
		{`"cmd":"ping","peer":"` + peer + `","timeout":"soon"`, "want a time"},
		{`"cmd":"ping","peer":"` + peer + `","timeout":-1`, "want a time"},
		{`"cmd":"flush","peer":"you"`, `"you": not a UUID`},
		{`"cmd":"peers","all":true`, `peers: there is no key "all"; it has cmd, id`},
		{`"cmd":"header","value":"v"`, `header: "name" is missing`},
		{`"cmd":"header","name":"","value":"v"`, "empty"},
		{`"cmd":"header","name":"x","value":null`, `"value" must be a string`},
		{`"cmd":"header","name":"X-PUBLICKEY","value":"v"`, "X-PUBLICKEY"},
		{`"cmd":"header","name":"x","value":"` + strings.Repeat("v", 128<<10+1) + `"`, "value"},
		{`"cmd":"add-peer","endpoint":"x"`, "tcp://host:port"},
	} {
		a.send(`{"id":"e",` + test.line + `}`)
		if got := a.next("error"); got["id"] != "e" || !strings.Contains(got["error"].(string), test.says) {
			t.Errorf("%s: %v, want it to say %q", test.line, got, test.says)
		}
	}
	for _, id := range []string{"null", "{}", "[1]", "true", `"` + strings.Repeat("x", maxID) + `"`} {
		a.send(`{"cmd":"peers","id":` + id + `}`)
		if got := a.next("error"); got["id"] != nil || !strings.Contains(got["error"].(string), `"id" must be a string or a number`) {
			t.Errorf("id %.20s: %v", id, got)
		}
	}
	a.send(`{"cmd":"ping","peer":"` + peer + `"}`)
	if pong := a.next("pong"); pong["peer"] != peer || pong["name"] != "b" || pong["rtt_ms"].(float64) <= 0 || pong["id"] != nil {
		t.Errorf("got the pong event %v", pong)
	}
	a.send(`{"cmd":"flush","peer":"`+peer+`"}`, `{"cmd":"quit","id":"bye"}`) // without an id there is no done event
	if got := a.next("ok"); got["id"] != "bye" {
		t.Errorf("quit: %v", got)
	}
	a.exits(0)
	if exit := b.next("exit"); exit["peer"] != self || exit["reason"] != "left" {
		t.Errorf("got the exit event %v", exit)
	}
}

// With --wait-for zre pipe executes no command before the peers are present.
func TestPipeWaitsFor(t *testing.T) {
	t.Parallel()
	port := freePort()
	a := startPipe(t, port, "--wait-for", "1", "--wait", "20s")
	a.next("ready")
	go func() {
		_, _ = io.WriteString(a.in, `{"cmd":"shout","group":"G","text":["first"]}`+"\n"+`{"cmd":"quit"}`+"\n")
	}()
	b := startPipe(t, port, "--group", "G")
	if shout := b.next("shout"); fmt.Sprint(shout["text"]) != "[first]" {
		t.Errorf("got the shout event %v", shout)
	}
	a.exits(0)
}

// Input from other nodes appears as JSON without terminal control characters, and decodes to the same text.
func TestPipeEscapes(t *testing.T) {
	t.Parallel()
	port := freePort()
	const text = "\u009b2J\u202e\x7f\x1b[0m \U000e0041 東京"
	a := startPipe(t, port, "--name", text)
	b := startPipe(t, port)
	b.next("enter")
	a.send(fmt.Sprintf(`{"cmd":"whisper","peer":"%s","text":["\u009b2J\u202e\u007f\u001b[0m \udb40\udc41 東京"]}`, b.uuid(a)))
	if e := b.next("whisper"); e["name"] != text || fmt.Sprint(e["text"]) != "["+text+"]" {
		t.Errorf("%v", e)
	}
}

// uuid returns the UUID of r, as another pipe sees it.
func (r *run) uuid(from *run) string {
	r.t.Helper()
	return from.next("enter")["peer"].(string)
}

// The help lists each command and each of its keys.
func TestPipeInput(t *testing.T) {
	text := pipeInput()
	for _, k := range pipeCommands {
		for _, key := range append([]string{k.name}, append(k.required, k.optional...)...) {
			if !strings.Contains(text, `"`+key+`"`) || key != k.name && pipeKeys[key] == "" {
				t.Errorf("the help lacks %s of %s", key, k.name)
			}
		}
	}
}

// A warning of the node is a problem event. Problems in the log are not repeated, since they are events of their own.
func TestPipeWarnings(t *testing.T) {
	var out strings.Builder
	p := &piper{out: newLineWriter(&out, func() {})}
	log, err := logger(&out, "", p)
	if err != nil {
		t.Fatal(err)
	}
	log.Info().Msg("all is well")
	log.Warn().Str("problem", "DNS").Msg("told as an event")
	log.Warn().Str("call", "sending beacons").Msg("likewise")
	log.Warn().Str("to", "10.0.0.9\x9b").Str("node", "A").Int("n", 3).Err(errors.New("why")).Msg("something is odd")
	if out.Len() > 0 {
		t.Errorf("before ready, which is the first line: %q", &out)
	}
	p.ready(line{Event: "ready"})
	log.Warn().Msg("later")
	want := `{"event":"ready"}` + "\n" + `{"event":"problem","error":"something is odd: why; n: 3; to: 10.0.0.9\ufffd","kind":"warning"}` + "\n" + `{"event":"problem","error":"later","kind":"warning"}` + "\n"
	if got := out.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A request gets its reply or an error, with the id of the command.
func TestPipeRequests(t *testing.T) {
	t.Parallel()
	port := freePort()
	a := startPipe(t, port, "--name", "a")
	b := startPipe(t, port, "--name", "b")
	peer := b.uuid(a)
	ask := func(id, text, more string) {
		a.send(`{"cmd":"request","id":"` + id + `","peer":"` + peer + `","text":["` + text + `"]` + more + `}`)
	}
	ask("r1", "time", "")
	ask("r2", "trouble", "")
	first, second := b.next("request"), b.next("request")
	if fmt.Sprint(first["text"]) != "[time]" || first["name"] != "a" || first["request"] != 1.0 || second["request"] != 2.0 {
		t.Errorf("requests: %v, %v", first, second)
	}
	b.send(`{"cmd":"reply-error","request":2,"error":"none today"}`)
	if got := a.next("error"); got["id"] != "r2" || !strings.Contains(got["error"].(string), "none today") {
		t.Errorf("an error: %v", got)
	}
	b.send(`{"cmd":"reply","id":5,"request":1,"text":["noon","sharp"]}`)
	if got := a.next("reply"); got["id"] != "r1" || got["peer"] != peer || got["name"] != "b" || fmt.Sprint(got["text"]) != "[noon sharp]" {
		t.Errorf("a reply: %v", got)
	}
	if got := a.next("ok"); got["id"] != "r1" {
		t.Errorf("ok: %v", got)
	}
	if got := b.next("ok"); got["id"] != 5.0 {
		t.Errorf("ok: %v", got)
	}
	ask("late", "x", `,"timeout":50`)
	if got := a.next("error"); got["id"] != "late" || !strings.Contains(got["error"].(string), "no reply within 50ms") {
		t.Errorf("late: %v", got)
	}
	for line, says := range map[string]string{
		`{"cmd":"reply","request":1,"text":[]}`:          "no request 1 that waits",
		`{"cmd":"reply","request":"x","text":[]}`:        "want the number of a request",
		`{"cmd":"reply","request":1}`:                    `either "frames" or "text"`,
		`{"cmd":"reply-error","request":1}`:              `"error" is missing`,
		`{"cmd":"request","peer":"you","text":["time"]}`: "not a UUID",
	} {
		b.send(line)
		if got := b.next("error"); !strings.Contains(got["error"].(string), says) {
			t.Errorf("%s: %v", line, got)
		}
	}
}

// Requests without an answer do not pile up.
func TestAsked(t *testing.T) {
	var a openRequests
	for want := range uint64(maxOpenRequests) {
		if number := a.add(zre.Request{Frames: [][]byte{{1}}}); number != want+1 {
			t.Fatalf("number %d", number)
		}
	}
	if r, err := a.take(7); err != nil || r.Frames != nil || len(a.list) != maxOpenRequests-1 {
		t.Errorf("%v, %v, %d left", r.Frames, err, len(a.list))
	}
	if _, err := a.take(7); err == nil {
		t.Error("taken twice")
	}
}

// Peers see each header that is set or removed.
func TestPipeHeaders(t *testing.T) {
	t.Parallel()
	port := freePort()
	a := startPipe(t, port, "--name", "a", "--header", "kind=robot")
	self := a.next("ready")["uuid"].(string)
	b := startPipe(t, port, "--name", "b")
	if enter := b.next("enter"); fmt.Sprint(enter["headers"]) != "map[kind:robot]" {
		t.Errorf("got the enter event %v", enter)
	}
	a.next("enter")
	for _, step := range []struct{ line, headers string }{
		{`{"cmd":"header","name":"role","value":"東 \u001b"}`, "map[kind:robot role:東 \x1b]"},
		{`{"cmd":"header","name":"kind","value":""}`, "map[kind: role:東 \x1b]"},
		{`{"cmd":"header","name":"kind"}`, "map[role:東 \x1b]"},
		{`{"cmd":"header","name":"role"}`, "map[]"},
	} {
		a.send(step.line)
		got := b.next("headers")
		if got["peer"] != self || got["name"] != "a" || fmt.Sprint(got["headers"]) != step.headers {
			t.Errorf("after %s: %v", step.line, got)
		}
	}
}
