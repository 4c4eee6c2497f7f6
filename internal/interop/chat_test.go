//go:build linux

package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// The chat on a real terminal, with a node of each implementation in its group: it sees them and they see it.
func TestChatWithOthers(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		testbed.Missing(t, "tmux is not installed")
	}
	lan := testbed.NewLAN(t, "")
	kinds := []testbed.Kind{testbed.Zyre, testbed.Pyre, testbed.ZyreJS, testbed.Zre}
	var peers []*testbed.Peer
	for _, kind := range kinds {
		name := strings.ReplaceAll(string(kind), ".", "")
		peers = append(peers, testbed.Start(t, lan.Host(name), kind, testbed.Options{Name: name, Groups: []string{"CHAT"}}))
	}
	dir, err := os.MkdirTemp("", "zre") // short, because the path of a unix socket has little room
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	chat := filepath.Join(dir, "zrechat")
	build := exec.Command("go", "build", "-o", chat, "./cmd/zrechat")
	build.Dir = testbed.Root()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	host := lan.Host("chat")
	tmux := func(args ...string) string {
		t.Helper()
		cmd := host.Command("tmux", append([]string{"-u", "-f", "/dev/null", "-S", filepath.Join(dir, "s")}, args...)...)
		cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %q: %v: %s", args, err, out)
		}
		return string(out)
	}
	shows := func(texts ...string) {
		t.Helper()
		screen := ""
		for end := time.Now().Add(testbed.Patience); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
			screen = tmux("capture-pane", "-p")
			missing := false
			for _, text := range texts {
				missing = missing || !strings.Contains(screen, text)
			}
			if !missing {
				return
			}
		}
		t.Fatalf("not all of %q are on the screen:\n%s", texts, screen)
	}
	t.Cleanup(func() { // its server is a daemon
		_ = exec.Command("tmux", "-S", filepath.Join(dir, "s"), "kill-server").Run() // it is gone already, if all is well
	})
	tmux("new-session", "-d", "-x", "80", "-y", "24", chat+" --name alice")
	for _, p := range peers {
		p.Wait(t, "alice", func(e testbed.Event) bool { return e.Event == "join" && e.Name == "alice" && e.Group == "CHAT" })
		shows("* " + p.Name + " enters")
	}
	shows("5 here")
	alice := &testbed.Peer{}
	tmux("send-keys", "-l", "hello 東京")
	tmux("send-keys", "Enter")
	for _, p := range peers {
		e := p.Wait(t, "the shout", func(e testbed.Event) bool { return e.Event == "shout" && e.Name == "alice" })
		if alice.UUID = e.Peer; len(e.Frames) != 1 || string(e.Frames[0]) != "hello 東京" {
			t.Errorf("%s has %q", p.Name, e.Frames)
		}
	}
	for _, p := range peers {
		p.Shout(t, "CHAT", []byte("I am "+p.Name))
		p.Whisper(t, alice, []byte("\x1b[2Jpsst"))
		tmux("send-keys", "-l", "/msg "+p.Name+" only you")
		tmux("send-keys", "Enter")
		p.Wait(t, "the whisper", func(e testbed.Event) bool {
			return e.Event == "whisper" && e.Name == "alice" && string(e.Frames[0]) == "only you"
		})
		shows(p.Name+": I am "+p.Name, "("+p.Name+" whispers) \\x1b[2Jpsst", "(to "+p.Name+") only you")
	}
	t.Log("\n" + tmux("capture-pane", "-p"))
	tmux("send-keys", "C-c")
	for _, p := range peers {
		p.Wait(t, "alice leave", func(e testbed.Event) bool { return e.Event == "exit" && e.Name == "alice" })
	}
}
