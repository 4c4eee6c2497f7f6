package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/go-zre/go-zre/zre"
)

// Wrong use prints one line that explains the mistake in terms of the command line, and gives exit status 2.
func TestWrongUse(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for _, test := range []struct {
		args string // separated by spaces
		says string
	}{
		{"lss", `zre: there is no command "lss"; did you mean ls? See zre --help`},
		{"frobnicate", `zre: there is no command "frobnicate"; see zre --help`},
		{"help lss", `there is no command "lss"; did you mean ls? See zre --help`},
		{"--nonsense", "zre has no option --nonsense"},
		{"ls extra", `zre ls: unexpected argument "extra"`},
		{"ls --prot 5", "zre ls has no option --prot; did you mean --port? See zre ls --help"},
		{"ls -x", "zre ls has no option -x"},
		{"ls --port", "zre ls: --port needs a value"},
		{"ls --port 0", `zre ls: --port "0": want 1 to 55535`},
		{"ls --port=http", `--port "http": want 1 to 55535`},
		{"ls --json=perhaps", `--json "perhaps": want true or false`},
		{"ls --wait soon", "500ms"},
		{"ls --wait 2h", `--wait "2h": want 0s to 1h`},
		{"ls --wait-for 0", "want a number from 1 to"},
		{"ls --log loud", `--log "loud": choose debug, info, warn or error`},
		{"ls --network home", "--network home: there is no configuration file"},
		{"ls --config /no/such/file", "/no/such/file"},
		{"ls --evasive 40s", "longer than the evasive timeout"},
		{"ls --transport pigeon", "choose tcp, ipc or inproc"},
		{"ls --uuid 00000000-0000-0000-0000-000000000000", "--uuid"},
		{"ls --header novalue", "NAME=VALUE"},
		{"ls --group-address 10.0.0.1", `--group-address "10.0.0.1": not a multicast address`},
		{"ls --group " + strings.Repeat("g", 256), "256"},
		{"watch extra", `zre watch: unexpected argument "extra"`},
		{"watch --count 0", "want a number"},
		{"watch --group " + strings.Repeat("g", 256), "256"},
		{"top extra", `unexpected argument "extra"`},
		{"top --count 0", "want a number"},
		{"shout", "zre shout: GROUP is missing"},
		{"shout G", "zre shout: TEXT is missing"},
		{"shout G --lines text", "--lines goes with -"},
		{"shout G --frames -", "--frames goes with TEXT"},
		{"shout " + strings.Repeat("g", 256) + " text", "256"},
		{"shout G text --timeout 0", "want 1ms to 1h"},
		{"whisper", "zre whisper: PEER is missing"},
		{"whisper alice", "zre whisper: TEXT is missing"},
		{"ping", "zre ping: PEER is missing"},
		{"ping alice bob", `unexpected argument "bob"`},
		{"ping alice --count none", "want a number"},
		{"on", "zre on: choose shout, whisper or request"},
		{"request alice", "zre request: NAME is missing"},
		{"on request", "zre on request: NAME is missing"},
		{"on request x", "PROGRAM is missing"},
		{"on knock -- true", `there is no command "knock"`},
		{"on shout", "zre on shout: GROUP is missing"},
		{"on shout G", "zre on shout: PROGRAM is missing: write it after --"},
		{"on shout G --", "PROGRAM is missing"},
		{"on shout -- cat", "GROUP is missing"},
		{"on whisper", "PROGRAM is missing"},
		{"on whisper G -- cat", `unexpected argument "G"`},
		{"on whisper -- no-such-program", `cannot run "no-such-program"`},
		{"on whisper --jobs 0 -- cat", "want a number from 1 to 1000"},
		{"pipe extra", `unexpected argument "extra"`},
		{"doctor extra", `unexpected argument "extra"`},
		{"doctor --name x", "zre doctor has no option --name"},
		{"bench", "choose serve, whisper, shout, latency or mesh"},
		{"completion", "choose bash, zsh, fish or powershell"},
		{"completion tcsh", `zre completion: there is no command "tcsh": choose bash, fish, powershell or zsh; see`},
		{"--json ls", "--json goes after the command, for example zre ls --json; see zre --help"},
		{"sl", "did you mean ls?"},
		{"wisper alice", "did you mean whisper?"},
		{"shout  text", "zre shout: GROUP is empty"},
		{"whisper  text", "zre whisper: PEER is empty"},
		{"ping ", "zre ping: PEER is empty"},
		{"request alice ", "zre request: NAME is empty"},
		{"on shout  -- cat", "zre on shout: GROUP is empty"},
		{"on request  -- cat", "zre on request: NAME is empty"},
		{"keygen", "zre keygen: PATH is missing"},
		{"keygen ", "zre keygen: PATH is empty"},
		{"keygen a b", `zre keygen: unexpected argument "b"`},
		{"ls --name " + strings.Repeat("n", 256), `--name "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…": a name has 255 bytes at most, not 256; see`},
		{"ls --name \xff", "a name is text in UTF-8"},
		{"completion bash extra", `unexpected argument "extra"`},
		{"man", "DIRECTORY is missing"},
	} {
		status, out, errs := runZre(strings.Split(test.args, " ")...)
		if status != exitUsage || out != "" || !strings.Contains(errs, test.says) || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "--help") {
			t.Errorf("zre %s: status %d, %q, output %q; want it to say %q", test.args, status, errs, out, test.says)
		}
		for _, word := range []string{"pflag", "strconv", "flag ", "zre: With", "invalid argument", "msg: ", "beacon: "} {
			if strings.Contains(errs, word) {
				t.Errorf("zre %s: got an error in words of Go: %q", test.args, errs)
			}
		}
	}
	if status, out, errs := runZre(); status != exitUsage || out != "" || !strings.Contains(errs, "Commands:") {
		t.Errorf("zre: status %d, %q, %q", status, out, errs)
	}
}

// When no other node is present, each command says it, and its exit status shows it.
func TestNobody(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args      string
		status    int
		out, errs string
	}{
		{"ls --wait 50ms", 0, "", "there are no nodes; zre doctor says"},
		{"ls --wait 50ms --group G", 0, "", "there are no members of G"},
		{"ls --wait 50ms --json", 0, `"peers":[]`, ""},
		{"ls --wait 50ms --wait-for 2", 1, "", "--wait-for 2: found 0 nodes within 50ms: none"},
		{"shout G text --wait 50ms", 1, "", "there are no members of G; nothing was sent"},
		{"shout G text --wait 50ms --wait-for 1", 1, "", "--wait-for 1: found 0 members of G within"},
		{"whisper alice text --wait 50ms", 1, "", `no node "alice" was found within 50ms; found: none`},
		{"ls --wait 50ms --group ` --json", 0, `"peers":[]`, ""},
		{"shout G text --wait 50ms --json", 1, "", "there are no members of G; nothing was sent"},
		{"request alice x --wait 50ms", 1, "", `no node "alice" was found within 50ms; found: none`},
		{"request alice x --wait 50ms --json", 1, "", `no node "alice" was found`},
		{"top --json --count 1", 0, `{"event":"peers","peers":[]}`, ""},
		{"ping alice --wait 50ms", 1, "", `no node "alice" was found within 50ms`},
		{"pipe", 0, `"event":"ready"`, ""},
		{"pipe --wait-for 1 --wait 50ms", 1, `"event":"error","error":"--wait-for 1: found 0 within 50ms: none"`, "--wait-for 1"},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			status, out, errs := runZre(on(freePort(), strings.Fields(test.args)...)...)
			if status != test.status || !strings.Contains(out, test.out) || !strings.Contains(errs, test.errs) || (test.out == "") != (out == "") || (test.errs == "") != (errs == "") {
				t.Errorf("got status %d, output %q, errors %q", status, out, errs)
			}
		})
	}
}

// Commands survive names that contain terminal escapes or confuse a reader, and never print them raw.
func TestStrangeNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"\x1b]0;owned\a\x1b[2J", "a b\tc", "שלום\u202e", "東京都", "\u009b31m", "", "x\u2028y", strings.Repeat("長", 84), `"quoted", he said`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := freePort()
			node := startNode(t, port, name, name+"G")
			safe := func(what, text string) {
				for _, r := range text {
					if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028') {
						t.Errorf("%s prints %U in %q", what, r, text)
					}
				}
			}
			for _, args := range [][]string{
				{"ls", "--wait-for", "1"},
				{"ls", "--wait-for", "1", "--json"},
				{"watch", "--count", "2"},
				{"watch", "--count", "2", "--json"},
				{"shout", name + "G", "--wait-for", "1", name},
				{"whisper", "--json", node.UUID().String()[:8], name},
				{"ping", node.UUID().String(), "--count", "1"},
				{"ping", strings.ToUpper(strings.ReplaceAll(node.UUID().String(), "-", "")), "--count", "1", "--json"},
			} {
				status, out, errs := runZre(on(port, args...)...)
				if status != 0 || out == "" || errs != "" {
					t.Errorf("%q: got status %d, output %q, errors %q", args, status, out, errs)
				}
				safe(args[0], out)
			}
			status, out, errs := runZre(on(port, "whisper", name, "x", "--wait", "5s")...)
			if name != "" && (status != 0 || out == "") {
				t.Errorf("whisper by name: status %d, %q, %q", status, out, errs)
			}
			status, out, errs = runZre(on(port, "ping", name+"\x1b[H\u202d", "--wait", "100ms")...)
			if status != 1 || out != "" || !strings.Contains(errs, `\x1b[H\u202d" was found`) {
				t.Errorf("no such name: status %d, %q, %q", status, out, errs)
			}
			safe("ping", errs)
		})
	}
}

// Two nodes with the same name are not confused.
func TestWhichPeer(t *testing.T) {
	t.Parallel()
	port := freePort()
	one, two := startNode(t, port, "twin"), startNode(t, port, "twin")
	status, out, errs := runZre(on(port, "whisper", "twin", "hello")...)
	if status != 1 || out != "" || !strings.Contains(errs, "twin fits 2 nodes; use a UUID") ||
		!strings.Contains(errs, one.UUID().String()) || !strings.Contains(errs, two.UUID().String()) {
		t.Errorf("got status %d, output %q, errors %q", status, out, errs)
	}
	if status, out, errs := runZre(on(port, "whisper", two.UUID().String()[:13], "hello", "you")...); status != 0 || out != "1 node got the message: twin\n" {
		t.Errorf("got status %d, output %q, errors %q", status, out, errs)
	}
	if e := nextEvent[zre.Whisper](t, two); string(e.Frames[0]) != "hello you" || len(e.Frames) != 1 {
		t.Errorf("the receiver got %q", e.Frames)
	}
	for text, want := range map[string]int{"twin": 2, "twi": 0, one.UUID().String()[:3]: 0, one.UUID().String()[:6]: 1, "": 0} {
		if found := matching([]*zre.Peer{{UUID: one.UUID(), Name: "twin"}, {UUID: two.UUID(), Name: "twin"}}, text); len(found) != want {
			t.Errorf("%q: %d found, want %d", text, len(found), want)
		}
	}
}

// If a node leaves while it is pinged, the command ends and prints the figures up to then.
func TestPeerLeavesMidway(t *testing.T) {
	t.Parallel()
	port := freePort()
	node := startNode(t, port, "leaver")
	r, w := io.Pipe()
	status := make(chan int, 1)
	go func() {
		status <- execute(on(port, "ping", "leaver", "--every", "10ms", "--count", "100000", "--json"), nil, w, io.Discard)
		w.Close()
	}()
	var last map[string]any
	left := false
	for lines := json.NewDecoder(r); ; {
		var l map[string]any
		if err := lines.Decode(&l); err != nil {
			break
		}
		if l["event"] == "ping" && last == nil {
			node.Close()
		}
		last = l
		left = left || strings.Contains(fmt.Sprint(l["error"]), "it has left")
	}
	if got := <-status; got != 0 || !left || last["event"] != "summary" || last["answered"] == 0.0 {
		t.Errorf("status %d, it has left: %v, %v", got, left, last)
	}
}

// A program that stops reading messages does not get them, and the sender reports it.
func TestWhoMissesIt(t *testing.T) {
	t.Parallel()
	port := freePort()
	good := startNode(t, port, "good", "G")
	bad, err := zre.NewNode(zre.WithName("bad"), zre.WithInterfaces("127.0.0.1"), zre.WithBeaconPort(port), zre.WithLimits(zre.Limits{Events: 1}))
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	if err := errors.Join(bad.Join("G"), bad.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	go func() {
		for range good.Events() {
		}
	}()
	// This runs as a separate process, since nothing is lost within one process.
	cmd := process(t, on(port, "shout", "G", "--wait-for", "2", "--timeout", "500ms", "--linger", "0", "-", "--lines")...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(strings.Repeat(strings.Repeat("x", 100_000)+"\n", 40)), &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 || out.String() != "1 node got 40 messages: good\n" ||
		!strings.Contains(errs.String(), "zre shout: bad ("+bad.UUID().String()[:8]+") did not get it: not read within 500ms") {
		t.Errorf("%v, %q, %q", err, &out, &errs)
	}
}

// When the reader of the output goes away, the node still says farewell. Other write errors are reported.
func TestOutputEnds(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"watch", "watch --json", "pipe", "ls --wait 2s", "on whisper -- cat", "top --json"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			port := freePort()
			node := startNode(t, port, "witness")
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			hold, held, err := os.Pipe() // standard input stays open
			if err != nil {
				t.Fatal(err)
			}
			defer hold.Close()
			defer held.Close()
			cmd := process(t, at(port, args)...)
			cmd.Stdin, cmd.Stdout = hold, w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			nextEvent[zre.Enter](t, node)
			r.Close()
			if e := nextEvent[zre.Exit](t, node); e.Reason != zre.ReasonLeft {
				t.Errorf("the peer saw an exit with the reason %v, want left", e.Reason)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("a closed output: %v", err)
			}
			if strings.HasPrefix(args, "on") {
				return // it writes nothing on its own
			}
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Skip("no /dev/full")
			}
			defer full.Close()
			var errs bytes.Buffer
			cmd = process(t, at(port, args)...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = hold, full, &errs
			var exit *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(errs.String(), "cannot write the output") {
				t.Errorf("a full disk: %v, %q", err, &errs)
			}
		})
	}
}

// SIGINT, SIGTERM and SIGHUP end a command, which still says farewell.
func TestSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals")
	}
	t.Parallel()
	for _, args := range []string{"pipe", "watch", "on whisper -- cat", "ping witness --every 1h", "top --json"} {
		for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
			t.Run(fmt.Sprint(args, s), func(t *testing.T) {
				t.Parallel()
				port := freePort()
				node := startNode(t, port, "witness")
				hold, held, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer hold.Close()
				defer held.Close()
				cmd := process(t, at(port, args)...)
				cmd.Stdin, cmd.Stderr = hold, nil
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				nextEvent[zre.Enter](t, node)
				if err := cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
				if e := nextEvent[zre.Exit](t, node); e.Reason != zre.ReasonLeft {
					t.Errorf("the peer saw an exit with the reason %v, want left", e.Reason)
				}
				if err := cmd.Wait(); err != nil && !strings.HasPrefix(args, "ping") {
					t.Error(err)
				}
			})
		}
	}
}
