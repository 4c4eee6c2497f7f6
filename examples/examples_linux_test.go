package examples_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// Each example is built as a user builds it who has copied it, and runs on machines of a private network.
func TestExamples(t *testing.T) {
	testbed.NewLAN(t, "") // before anything is built: without networks nothing of it can run
	bin := build(t)
	for name, test := range map[string]func(*testing.T, string, *testbed.LAN){
		"chat": testChat, "sensor": testSensor, "queue": testQueue, "queue that is cut short": testQueueEnds, "request": testRequest,
		"file": testFile, "leader": testLeader, "secure": testSecure, "partition": testPartition, "wrong use": testWrongUse,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, bin, testbed.NewLAN(t, ""))
		})
	}
}

func testChat(t *testing.T, bin string, lan *testbed.LAN) {
	alice := start(t, lan.Host("alice"), bin, "chat", "--name", "alice")
	bob := start(t, lan.Host("bob"), bin, "chat", "--name", "bob")
	alice.sees("* bob is here")
	bob.sees("* alice is here")
	alice.types("hello")
	bob.sees("alice: hello")
	bob.types("\x1b[2J to you") // which would clear a terminal
	alice.sees("bob: ·[2J to you")
	bob.gets(syscall.SIGINT).ends(0)
	alice.sees("* bob is gone: left")
	alice.input.Close()
	alice.ends(0)
}

func testSensor(t *testing.T, bin string, lan *testbed.LAN) {
	garage := start(t, lan.Host("garage"), bin, "sensor", "--name", "garage", "--every", "50ms", "publish")
	kitchen := start(t, lan.Host("kitchen"), bin, "sensor", "--name", "kitchen", "--every", "1h", "publish")
	host := lan.Host("shows")
	early := start(t, host, bin, "sensor", "show")
	for range 10 {
		early.sees(`"garage": `)
	}
	early.sees(`"kitchen": `)
	late := start(t, host, bin, "sensor", "show")
	late.sees(`"kitchen": `) // the last value, not one of an hour later

	fool := testbed.Start(t, lan.Host("fool"), testbed.Zre, testbed.Options{Name: "fool", Groups: []string{"TEMPERATURE"}})
	joins := func(e testbed.Event) bool { return e.Event == "join" && e.Group == "TEMPERATURE" }
	fool.WaitAfter(t, fool.Wait(t, "a subscriber", joins), "the other one", joins)
	fool.Shout(t, "TEMPERATURE", []byte("\x1b[2J"))
	early.sees(`! sensor: "fool" does not send a number`)

	kitchen.gets(syscall.SIGTERM).ends(0)
	late.sees(`"kitchen" is gone: left`)
	garage.gets(syscall.SIGINT).ends(0)
	early.gets(syscall.SIGINT).ends(0)
	late.gets(syscall.SIGINT).ends(0)
}

// A job is given again if its worker is killed, ends, or hangs; not if it fails.
func testQueue(t *testing.T, bin string, lan *testbed.LAN) {
	host := lan.Host("workers")
	giver := start(t, lan.Host("giver"), bin, "queue", "--limit", "3s", "give")
	giver.types("one")
	for _, end := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
		worker := start(t, host, bin, "queue", "--takes", "1h", "work")
		worker.sees(`working on "one"`)
		worker.gets(end)
		giver.sees(`! queue: "one" is given again: `)
	}
	start(t, host, bin, "queue", "--takes", "10ms", "work").does(giver, "one").gets(syscall.SIGINT).ends(0)

	hung := start(t, host, bin, "queue", "--takes", "1h", "work")
	giver.types("two")
	hung.sees(`working on "two"`)
	hung.gets(syscall.SIGSTOP)
	giver.sees(`! queue: "two" is given again: `)
	good := start(t, host, bin, "queue", "--takes", "10ms", "--name", "good", "work").does(giver, "two")
	hung.gets(syscall.SIGKILL)
	giver.types("")
	giver.sees(`! queue: "": request: peer good `)
	giver.input.Close()
	giver.ends(1).sees("! queue: 1 jobs failed")
	good.gets(syscall.SIGINT).ends(0)
}

// does waits until a worker has done a job.
func (p *program) does(giver *program, job string) *program {
	p.t.Helper()
	p.sees(fmt.Sprintf("working on %q", job))
	giver.sees(fmt.Sprintf("%q: %q", job, strings.ToUpper(job)))
	return p
}

func testQueueEnds(t *testing.T, bin string, lan *testbed.LAN) {
	giver := start(t, lan.Host("giver"), bin, "queue", "give")
	giver.input.Close()
	giver.ends(0) // no job

	giver = start(t, lan.Host("other"), bin, "queue", "give")
	giver.types("nobody does this")
	giver.sees("! queue: waiting for workers")
	giver.gets(syscall.SIGINT).ends(1).sees("! queue: interrupted")
}

func testRequest(t *testing.T, bin string, lan *testbed.LAN) {
	host := lan.Host("client")
	wrong{"request", []string{"--wait", "200ms", "add", "1"}, 1, "no calculator is on this network"}.check(t, host, bin)
	server := start(t, lan.Host("server"), bin, "request", "serve")
	start(t, host, bin, "request", "add", "1", "2.5", "-1").ends(0).sees(`"2.5"`)
	start(t, host, bin, "request", "add").ends(0).sees(`"0"`)
	wrong{"request", []string{"add", "1", "\x1b[2J"}, 1, `"\x1b[2J" is not a number`}.check(t, host, bin)
	server.gets(syscall.SIGINT).ends(0)
}

// A server that dies midway is waited for, and the copy goes on where it stopped. One that was interrupted goes on, too.
func testFile(t *testing.T, bin string, lan *testbed.LAN) {
	from, to := t.TempDir(), t.TempDir()
	content := make([]byte, 20<<20)
	rand.NewChaCha8([32]byte{1}).Read(content)
	if err := os.WriteFile(filepath.Join(from, "film"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	host, wire := lan.WiredHost("server", 1)
	wire.Set(testbed.Trouble{Delay: 50 * time.Millisecond}) // so that it takes seconds
	client := lan.Host("client")

	server := start(t, host, bin, "file", "serve", from)
	get := start(t, client, bin, "file", "get", "film", to)
	get.sees("! film: ")
	get.gets(syscall.SIGINT).ends(1)
	part, err := filepath.Glob(filepath.Join(to, "*"))
	if err != nil || len(part) != 1 || !strings.HasSuffix(part[0], ".part") {
		t.Fatalf("it left %q", part)
	}
	before, err := os.Stat(part[0])
	if err != nil {
		t.Fatal(err)
	}

	get = start(t, client, bin, "file", "get", "film", to)
	get.sees("! film: ")
	server.gets(syscall.SIGKILL)
	get.sees("! file: from ")
	server = start(t, host, bin, "file", "serve", from)
	get.ends(0)
	if got, err := os.ReadFile(filepath.Join(to, "film")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes came, want %d: %v", len(got), len(content), err)
	}
	if left, _ := filepath.Glob(filepath.Join(to, "*")); len(left) != 1 {
		t.Errorf("it left %q", left)
	}
	if first := get.all[0]; before.Size() == 0 || strings.HasPrefix(first, "! film: 256 of ") {
		t.Errorf("it begins anew: %q, where %d bytes were there", first, before.Size())
	}

	for _, bad := range []wrong{
		{"file", []string{"get", "film", to}, 1, "is here already"},
		{"file", []string{"get", "nothing", to}, 1, "there is no such file"},
		{"file", []string{"get", "../film", to}, 1, "is not a plain file name"},
		{"file", []string{"get", "film", filepath.Join(to, "nowhere")}, 1, "no such file or directory"},
	} {
		bad.check(t, client, bin)
	}
	server.gets(syscall.SIGINT).ends(0)
	wrong{"file", []string{"--wait", "200ms", "get", "other", to}, 1, "there is no server"}.check(t, client, bin)
}

// One of three leads. When it ends, another one does.
func testLeader(t *testing.T, bin string, lan *testbed.LAN) {
	left := map[string]*program{}
	for _, name := range []string{"alice", "bob", "carol"} {
		left[name] = start(t, lan.Host(name), bin, "leader", "--name", name)
	}
	for len(left) > 1 {
		leader := speaker(left)
		if left[leader] == nil {
			continue // what one said that has ended since
		}
		left[leader].sees("I lead")
		left[leader].gets(syscall.SIGINT).ends(0)
		delete(left, leader)
		for _, p := range left {
			p.sees(`"` + leader + `" is gone: left`)
		}
	}
	for _, p := range left {
		p.sees("I lead")
		p.gets(syscall.SIGINT).ends(0)
	}
}

// speaker returns the name of one that says what time it is, as one of the programs sees it.
func speaker(programs map[string]*program) string {
	for name, p := range programs {
		for {
			line, ok := p.either("I say it is", `"`)
			if _, said, _ := strings.Cut(line, " says it is "); !ok {
				p.t.Fatalf("%s: it ended", p.name)
			} else if said != "" {
				return strings.Split(line, `"`)[1]
			} else if line[0] == 'I' {
				return name
			}
			p.t.Logf("%s: %s", name, line)
		}
	}
	return ""
}

func testSecure(t *testing.T, bin string, lan *testbed.LAN) {
	dir := t.TempDir()
	ours, other := filepath.Join(dir, "ours"), filepath.Join(dir, "other")
	host := lan.Host("alice")
	for _, path := range []string{ours, other} {
		start(t, host, bin, "secure", "--new", path).ends(0).sees(path + "_secret is the secret")
	}
	wrong{"secure", []string{"--new", ours}, 1, "exist"}.check(t, host, bin) // it is not overwritten

	alice := start(t, host, bin, "secure", "--name", "alice", ours)
	mallory := start(t, lan.Host("mallory"), bin, "secure", "--name", "mallory", other)
	alice.sees("! secure: ")
	mallory.sees("! secure: ")
	bob := start(t, lan.Host("bob"), bin, "secure", "--name", "bob", ours)
	alice.sees(`"bob" is here`)
	alice.sees(`"bob" whispers "hello, this is secret"`)
	bob.sees(`"alice" whispers `)
	bob.gets(syscall.SIGINT).ends(0)
	alice.sees(`"bob" is gone: left`)
	alice.gets(syscall.SIGINT).ends(0)
	mallory.gets(syscall.SIGINT).ends(0)
	if alice.saw(`"mallory"`) || bob.saw(`"mallory"`) || mallory.saw(`"`) {
		t.Error("one with another certificate met them")
	}

	if err := os.Remove(ours + "_secret"); err != nil {
		t.Fatal(err)
	}
	wrong{"secure", []string{ours}, 1, "ours"}.check(t, host, bin) // the public key alone
	wrong{"secure", []string{filepath.Join(dir, "none")}, 1, "there is no file"}.check(t, host, bin)
}

func testPartition(t *testing.T, bin string, lan *testbed.LAN) {
	alice := start(t, lan.Host("alice"), bin, "partition")
	alice.types("5")
	bob := start(t, lan.Host("bob"), bin, "partition") // which comes later
	if line := bob.sees(`"`); !strings.HasSuffix(line, `set "5"`) {
		t.Errorf("bob sees %q", line)
	}
	bob.types("6")
	if line := alice.sees(`"`); !strings.HasSuffix(line, `set "6"`) {
		t.Errorf("alice sees %q", line)
	}
	bob.gets(syscall.SIGINT).ends(0)
	if line := alice.sees(`"`); !strings.HasSuffix(line, ` is gone: left`) {
		t.Errorf("alice sees %q", line)
	}
	alice.input.Close()
	alice.ends(0)
}

// Wrong use is exit status 2, and says how it is done.
func testWrongUse(t *testing.T, bin string, lan *testbed.LAN) {
	host, long := lan.Host("host"), strings.Repeat("x", 256)
	for _, test := range []wrong{
		{"chat", []string{"hello"}, 2, `unexpected argument "hello"`},
		{"chat", []string{"--nmae", "alice"}, 2, "flag provided but not defined"},
		{"chat", []string{"--name", long}, 2, "too long"},
		{"sensor", nil, 2, "Usage"},
		{"sensor", []string{"publish", "show"}, 2, "Usage"},
		{"sensor", []string{"--every", "0s", "publish"}, 2, "Usage"},
		{"sensor", []string{"--name", long, "show"}, 2, "too long"},
		{"queue", []string{"steal"}, 2, "Usage"},
		{"queue", []string{"--limit", "soon", "give"}, 2, "Usage"},
		{"queue", []string{"--name", long, "work"}, 2, "too long"},
		{"request", nil, 2, "Usage"},
		{"request", []string{"serve", "now"}, 2, "Usage"},
		{"file", []string{"get", "film"}, 2, "Usage"},
		{"file", []string{"serve", "/nowhere"}, 1, "no such file or directory"},
		{"leader", []string{"--group", ""}, 2, "group"},
		{"leader", []string{"me"}, 2, `unexpected argument "me"`},
		{"secure", nil, 2, "Usage"},
		{"partition", []string{"5"}, 2, "Usage"},
	} {
		test.check(t, host, bin)
	}
}
