package testbed

import (
	"encoding/json"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"
)

// Command is a line of input of a node; testdata/peers/README.md describes them.
type Command struct {
	Cmd    string   `json:"cmd"`
	Peer   string   `json:"peer,omitempty"`
	Group  string   `json:"group,omitempty"`
	Frames [][]byte `json:"frames,omitempty"`
	Text   []string `json:"text,omitempty"`
	Count  int      `json:"count,omitempty"` // flood, count
	Size   int      `json:"size,omitempty"`  // flood

	// Of zre pipe alone.
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Value   string `json:"value,omitempty"`
	State   string `json:"state,omitempty"`
	Request uint64 `json:"request,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Send hands the node commands, in order. It waits while the node is too busy to read them; an error says that it did not within Patience
// or has ended. Unlike the other methods it may be called from any goroutine.
func (p *Peer) Send(commands ...Command) error {
	var lines []byte
	for _, c := range commands {
		line, err := json.Marshal(c)
		if err != nil {
			return err
		}
		lines = append(append(lines, line...), '\n')
	}
	for len(lines) > 0 {
		part := lines[:min(len(lines), 1<<16)]
		if err := p.stdin.SetWriteDeadline(time.Now().Add(Patience)); err != nil {
			return fmt.Errorf("testbed: commanding %s: %w", p, err)
		}
		if _, err := p.stdin.Write(part); err != nil {
			return fmt.Errorf("testbed: commanding %s: %w", p, err)
		}
		lines = lines[len(part):]
	}
	return nil
}

func (p *Peer) mustSend(t testing.TB, c Command) {
	t.Helper()
	if err := p.Send(c); err != nil {
		t.Fatalf("%v%s", err, p.report())
	}
}

// Join makes the node join a group.
func (p *Peer) Join(t testing.TB, group string) {
	t.Helper()
	p.mustSend(t, Command{Cmd: "join", Group: group})
}

// Leave makes the node leave a group.
func (p *Peer) Leave(t testing.TB, group string) {
	t.Helper()
	p.mustSend(t, Command{Cmd: "leave", Group: group})
}

// Whisper makes the node send content frames to one peer.
func (p *Peer) Whisper(t testing.TB, to *Peer, frames ...[]byte) {
	t.Helper()
	p.mustSend(t, Command{Cmd: "whisper", Peer: to.UUID, Frames: frames})
}

// Shout makes the node send content frames to a group.
func (p *Peer) Shout(t testing.TB, group string, frames ...[]byte) {
	t.Helper()
	p.mustSend(t, Command{Cmd: "shout", Group: group, Frames: frames})
}

// Peers asks the node which peers it knows.
func (p *Peer) Peers(t testing.TB) []Known {
	t.Helper()
	asked := Event{index: len(p.Events())}
	p.mustSend(t, Command{Cmd: "peers"})
	return p.WaitAfter(t, asked, "peers", func(e Event) bool { return e.Event == "peers" }).Peers
}

// Quit asks the node to leave politely, and waits until its process has ended; it must do so with success.
func (p *Peer) Quit(t testing.TB) {
	t.Helper()
	p.expectEnd()
	p.mustSend(t, Command{Cmd: "quit"})
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	select {
	case <-p.exited:
	case <-deadline.C:
		t.Fatalf("%s did not quit in %v%s", p, Patience, p.report())
	}
	switch state := p.cmd.ProcessState; {
	case state.Success():
	case p.Kind == Zre && state.ExitCode() == 1 && slices.ContainsFunc(p.Events(), Event.isLoss):
		// It reports that in error events, which fail the test unless it expects them.
	case p.Kind == ZyreJS && !state.Exited():
		// Now and then its libzmq, 4.2.2, fails an assertion while it closes, after zyre.js has said goodbye.
		t.Logf("%s crashed while it quit: %v", p, state)
	default:
		t.Errorf("%s did not quit well: %v%s", p, state, p.report())
	}
}

// Kill ends the process at once, as a crash would, and waits for that.
func (p *Peer) Kill() {
	p.expectEnd()
	p.Resume()
	p.signal(syscall.SIGKILL)
	p.stdin.Close()
	select {
	case <-p.exited:
	case <-time.After(Patience):
		panic("testbed: a killed process goes on: " + p.String())
	}
}

// Stop halts the process until Continue, as a machine that hangs or sleeps would.
func (p *Peer) Stop() { p.signal(syscall.SIGSTOP) }

// Continue lets a stopped process continue.
func (p *Peer) Continue() { p.signal(syscall.SIGCONT) }

// Pause stops reading what the node prints until Resume, like a slow application: the node can print no more once the pipe is full. Call
// Quit only after Resume.
func (p *Peer) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused == nil {
		p.paused = make(chan struct{})
	}
}

// Resume ends a Pause.
func (p *Peer) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused != nil {
		close(p.paused)
		p.paused = nil
	}
}

// waitWhilePaused waits while the node's output must not be read.
func (p *Peer) waitWhilePaused() {
	p.mu.Lock()
	paused := p.paused
	p.mu.Unlock()
	if paused != nil {
		<-paused
	}
}

// Pid returns the id of the node's process.
func (p *Peer) Pid() int { return p.cmd.Process.Pid }

// signal sends a signal to the process, which is the bot itself (ip netns exec becomes the program it starts), and to those it started.
func (p *Peer) signal(s syscall.Signal) {
	select {
	case <-p.exited: // its id may be another's by now
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// expectEnd notes that the end of the process, from now on, is intended.
func (p *Peer) expectEnd() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endExpected = p.endExpected || !p.over
}

func (p *Peer) isEndExpected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.endExpected
}
