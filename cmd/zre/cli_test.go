package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/termtext"
	"github.com/go-zre/go-zre/zre"
)

// each calls f with each visible command.
func each(f func(cmd *cobra.Command)) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Hidden {
			return
		}
		f(cmd)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	c := &cli{in: strings.NewReader(""), out: &output{writer: io.Discard}, errs: io.Discard}
	walk(c.root())
}

// The help of each command has the same style, fits a narrow terminal and explains the exit status.
func TestHelp(t *testing.T) {
	found := 0
	each(func(cmd *cobra.Command) {
		found++
		path := strings.Fields(cmd.CommandPath())[1:]
		status, out, errs := runZre(append(path, "--help")...)
		if status != 0 || errs != "" || !strings.HasSuffix(out, ".\n") && cmd.Name() != "options" {
			t.Errorf("%s --help: status %d, %q, %q", cmd.CommandPath(), status, errs, out)
		}
		if cmd.Name() != "options" {
			for _, want := range []string{"Usage:\n  " + cmd.CommandPath(), "Exit status: 0 ", "--help"} {
				if !strings.Contains(out, want) {
					t.Errorf("%s --help does not say %q:\n%s", cmd.CommandPath(), want, out)
				}
			}
		}
		if !strings.HasSuffix(cmd.Short, ".") || strings.Contains(cmd.Short, "\n") {
			t.Errorf("%s: got the short description %q", cmd.CommandPath(), cmd.Short)
		}
		if status, again, _ := runZre(append([]string{"help"}, path...)...); status != 0 || again != out {
			t.Errorf("zre help %s differs from %s --help:\n%s", path, cmd.CommandPath(), again)
		}
		for _, width := range []int{40, 80} {
			var b bytes.Buffer
			(&cli{width: width}).help(cmd, &b)
			for line := range strings.Lines(b.String()) {
				if termtext.Width(strings.TrimSuffix(line, "\n")) > width && len(strings.Fields(line)) > 1 {
					t.Errorf("%s --help in %d columns has %q", cmd.CommandPath(), width, line)
				}
			}
		}
	})
	if found < 20 {
		t.Errorf("%d commands found", found)
	}
}

// Each command that prints results can print them as JSON, and its help lists the keys.
func TestJSONEverywhere(t *testing.T) {
	without := []string{"zre", "zre on", "zre help", "zre pipe", "zre options", "zre completion"}
	each(func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if slices.Contains(without, path) || strings.HasPrefix(path, "zre completion ") {
			return
		}
		note := cmd.Annotations[noteJSON]
		if has := cmd.Flags().Lookup("json") != nil; !has || path != "zre bench" && !strings.HasPrefix(note, "With --json ") {
			t.Errorf("%s: --json: %v; its help says %q", path, has, note)
		}
	})
}

// at is on for one line of words. The words after -- are a program.
func at(port int, line string) []string {
	ours, program, _ := strings.Cut(line, "-- ")
	args := on(port, strings.Fields(ours)...)
	if program != "" {
		args = append(append(args, "--"), strings.Fields(program)...)
	}
	return args
}

// startNode starts a node beside the commands of a test.
func startNode(t *testing.T, port int, name string, groups ...string) *zre.Node {
	t.Helper()
	return startNodeWith(t, port, name, nil, groups...)
}

func startNodeWith(t *testing.T, port int, name string, options []zre.Option, groups ...string) *zre.Node {
	t.Helper()
	node, err := zre.NewNode(append(options, zre.WithName(name), zre.WithInterfaces("127.0.0.1"), zre.WithBeaconPort(port))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	for _, group := range groups {
		if err := node.Join(group); err != nil {
			t.Fatal(err)
		}
	}
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return node
}

// nextEvent returns the next event of a type.
func nextEvent[E zre.Event](t *testing.T, node *zre.Node) E {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case event, ok := <-node.Events():
			if e, is := event.(E); is {
				return e
			}
			if !ok {
				t.Fatalf("the node ended before a %T", *new(E))
			}
		case <-deadline:
			t.Fatalf("no %T", *new(E))
		}
	}
}

// The list fits the width of the terminal.
func TestListFits(t *testing.T) {
	node, err := zre.NewNode()
	if err != nil {
		t.Fatal(err)
	}
	peers := []*zre.Peer{
		{Name: strings.Repeat("東", 50), Endpoint: "tcp://127.0.0.1:1", Transport: "tcp", Groups: []string{"A", "שלום"}, State: zre.StateIdle},
		{Name: "b", Endpoint: "tcp://[fe80::1234:5678:9abc:def0%eth0]:12345", Transport: "ipc", State: zre.StateUnknown},
	}
	for width, want := range map[int]string{40: "b            ", 80: "b", 0: "%eth0]:12345"} {
		var b bytes.Buffer
		c := &cli{out: &output{writer: &b, broken: func() {}}, width: width}
		c.printPeers(node, peers, false)
		if strings.Count(b.String(), "\n") != 3 || !strings.Contains(b.String(), want) {
			t.Errorf("in %d columns:\n%s", width, &b)
		}
		for line := range strings.Lines(b.String()) {
			if w := termtext.Width(strings.TrimSuffix(line, "\n")); width > 0 && w > width {
				t.Errorf("in %d columns, %d: %q", width, w, line)
			}
		}
	}
}

// A message comes from arguments (one frame each), from standard input as a whole, or from each line of it.
func TestSend(t *testing.T) {
	t.Parallel()
	port := freePort()
	a, b := startNode(t, port, "a", "G"), startNode(t, port, "b", "G")
	for _, test := range []struct {
		args   []string
		in     string
		frames [][]string
		out    string
	}{
		{[]string{"G", "two", "words"}, "", [][]string{{"two words"}}, "2 nodes got the message: a, b\n"},
		{[]string{"G", "--frames", "two", "words"}, "", [][]string{{"two", "words"}}, "2 nodes got the message: a, b\n"},
		{[]string{"G", "-"}, "a\nb\n", [][]string{{"a\nb\n"}}, "2 nodes got the message: a, b\n"},
		{[]string{"G", "-"}, "", [][]string{{""}}, "2 nodes got the message: a, b\n"},
		{[]string{"G", "-", "--lines"}, "a\nb", [][]string{{"a"}, {"b"}}, "2 nodes got 2 messages: a, b\n"},
		{[]string{"G", "--json", "--", "--x"}, "", [][]string{{"--x"}}, `{"event":"sent","group":"G","messages":1,"got":[{"peer":`},
	} {
		var out, errs bytes.Buffer
		args := append([]string{"shout", "--wait-for", "2", "--interface", "127.0.0.1", "--port", fmt.Sprint(port)}, test.args...)
		if status := execute(args, strings.NewReader(test.in), &out, &errs); status != 0 || errs.Len() > 0 || !strings.HasPrefix(out.String(), test.out) {
			t.Errorf("%q: got status %d, output %q, errors %q", test.args, status, &out, &errs)
		}
		for _, node := range []*zre.Node{a, b} {
			for _, want := range test.frames {
				if e := nextEvent[zre.Shout](t, node); fmt.Sprintf("%q", e.Frames) != fmt.Sprintf("%q", want) {
					t.Errorf("%q: %s heard %q, want %q", test.args, node.Name(), e.Frames, want)
				}
			}
		}
	}
}

func TestVersion(t *testing.T) {
	status, out, errs := runZre("--version")
	if status != 0 || errs != "" || !strings.HasPrefix(out, "zre ") || !strings.Contains(out, runtime.Version()) || strings.Count(out, "\n") != 1 {
		t.Errorf("got status %d, output %q, errors %q", status, out, errs)
	}
}

// Completion offers commands, options and the values of some options.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if status, out, errs := runZre("completion", shell); status != 0 || errs != "" || !strings.Contains(out, "__complete") {
			t.Errorf("%s: status %d, %d bytes, %q", shell, status, len(out), errs)
		}
	}
	config := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(config, []byte("[networks.lab]\n[networks.home]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ZRE_CONFIG", config)
	for args, want := range map[string]string{
		"wh":              "whisper",
		"ls --gossip":     "--gossip-bind",
		"ls --transport ": "inproc",
		"ls --log ":       "debug",
		"ls --network ":   "lab",
		"pipe --state ":   "processing",
		"on ":             "shout",
		"help be":         "bench",
	} {
		status, out, _ := runZre(append([]string{"__complete"}, strings.Split(args, " ")...)...)
		if status != 0 || !strings.Contains("\n"+out, "\n"+want) {
			t.Errorf("%q: got status %d, errors %q", args, status, out)
		}
	}
}

// Each command has a man page that lists its options.
func TestMan(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	if status, out, errs := runZre("man", dir); status != 0 || out != "" || errs != "" {
		t.Fatalf("got status %d, output %q, errors %q", status, out, errs)
	}
	each(func(cmd *cobra.Command) {
		text, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"))
		if err != nil {
			t.Error(err)
			return
		}
		m := helpOf(cmd)
		for _, r := range append(m.options, m.node...) {
			if !strings.Contains(string(text), "\\fB"+strings.NewReplacer("-", `\-`, "…", "...").Replace(r.Term)+"\\fR") {
				t.Errorf("the man page of %s lacks %s", cmd.CommandPath(), r.Term)
			}
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "'") {
				t.Errorf("%s: %q", cmd.CommandPath(), line)
			}
		}
	})
	if status, _, errs := runZre("man", "/dev/null/x"); status != 1 || errs == "" {
		t.Errorf("got status %d, errors %q", status, errs)
	}
}
