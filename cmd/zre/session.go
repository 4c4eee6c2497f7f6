package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/termtext"
	"github.com/go-zre/go-zre/zre"
)

// A session is a node that a command runs for a while, to ask or to send something.
type session struct {
	*cli
	cmd  *cobra.Command
	node *zre.Node
}

// session starts the node of a command that asks or sends, and receives no messages. The caller closes the node.
func (f *nodeFlags) session(cmd *cobra.Command) (*session, error) {
	node, err := f.start(cmd.Context(), cmd, nil, zre.WithSendOnly())
	if err != nil {
		return nil, err
	}
	return &session{cli: f.cli, cmd: cmd, node: node}, nil
}

// withPeer starts the node, looks for a peer by its name or UUID, and uses it. The node ends with that.
func (f *nodeFlags) withPeer(cmd *cobra.Command, name string, wait time.Duration, use func(s *session, peer *zre.Peer) error) error {
	s, err := f.session(cmd)
	if err != nil {
		return err
	}
	defer s.node.Close()
	peer, err := s.peer(cmd.Context(), name, wait)
	if err != nil {
		return err
	}
	return use(s, peer)
}

// secondMatchTime is how long to wait for a second peer that matches the same name or UUID prefix.
const secondMatchTime = 300 * time.Millisecond

// waiting is how long a command waits, and for how many peers.
type waiting struct {
	time  time.Duration // 0: the default
	peers int           // 0: wait for the whole time
}

// Default waiting times: to see which peers are present, and for a number of peers or a certain one.
const (
	lookTime = 2 * time.Second
	waitTime = 10 * time.Second
)

func (w *waiting) addFlags(cmd *cobra.Command, whom string) {
	timeFlag(cmd, &w.time, "wait", "how long to look for "+whom+" (default 2s; 10s with --wait-for)", 0)
	numberFlag(cmd, &w.peers, "wait-for", "wait only until this many "+whom+" are present; fail if they are not within the time of --wait", 1, 4096)
}

// errTimeout means that a wait timed out.
var errTimeout = errors.New("too late")

// until waits until done holds and reports problems meanwhile. It fails with errTimeout after d, and when ctx or the node ends.
func (s *session) until(ctx context.Context, d time.Duration, done func() bool) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		if done() {
			return nil
		}
		select {
		case event, ok := <-s.node.Events():
			if !ok {
				return zre.ErrClosed
			}
			if p, ok := event.(zre.Problem); ok && !p.Solved {
				s.printError(s.cmd, errors.New(problemText(p)))
			}
		case <-timer.C:
			return errTimeout
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// members waits for the peers that list returns, according to w, and returns them. whom describes them in errors.
func (s *session) members(ctx context.Context, w waiting, whom string, list func() []*zre.Peer) ([]*zre.Peer, error) {
	d := w.time
	switch {
	case s.cmd.Flags().Changed("wait"):
	case w.peers > 0:
		d = waitTime
	default:
		d = lookTime
	}
	err := s.until(ctx, d, func() bool { return w.peers > 0 && len(list()) >= w.peers })
	found := list()
	switch {
	case err != nil && !errors.Is(err, errTimeout):
		return nil, err
	case len(found) < w.peers:
		return nil, fmt.Errorf("--wait-for %d: found %d %s within %v: %s", w.peers, len(found), whom, d, listOf(namesOf(found), "none"))
	}
	return found, nil
}

// peer waits for the peer with that name, UUID or UUID prefix.
func (s *session) peer(ctx context.Context, text string, d time.Duration) (*zre.Peer, error) {
	var found []*zre.Peer
	look := func() bool { found = matching(s.node.Peers(), text); return len(found) > 0 }
	err := s.until(ctx, d, look)
	if id, wrong := uuid.Parse(text); err == nil && wrong != nil || err == nil && id != found[0].UUID {
		err = s.until(ctx, secondMatchTime, func() bool { look(); return len(found) > 1 }) // another match may appear
		if errors.Is(err, errTimeout) {
			err = nil
		}
	}
	switch {
	case errors.Is(err, errTimeout):
		return nil, fmt.Errorf("no node %s was found within %v; found: %s", inQuotes(text), d, listOf(namesOf(s.node.Peers()), "none"))
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, fmt.Errorf("%s left again", quoted(text))
	case len(found) > 1:
		var which strings.Builder
		for _, p := range found {
			fmt.Fprintf(&which, "\n  %s  %s at %s", p.UUID, termtext.Text(p.Name), p.Endpoint)
		}
		return nil, fmt.Errorf("%s fits %d nodes; use a UUID, or the beginning of one:%s", quoted(text), len(found), which.String())
	}
	return found[0], nil
}

// minPrefix is the minimum number of digits in a UUID prefix.
const minPrefix = 4

// matching returns the peers that a text identifies: the one with that UUID, else those with that name, else those with that UUID prefix.
func matching(peers []*zre.Peer, text string) (found []*zre.Peer) {
	id, err := uuid.Parse(text)
	digits := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }
	var named, begin []*zre.Peer
	for _, p := range peers {
		switch {
		case err == nil && p.UUID == id:
			return []*zre.Peer{p}
		case p.Name == text:
			named = append(named, p)
		case len(digits(text)) >= minPrefix && strings.HasPrefix(digits(p.UUID.String()), digits(text)):
			begin = append(begin, p)
		}
	}
	if len(named) > 0 {
		return named
	}
	return begin
}

func namesOf(peers []*zre.Peer) (names []string) {
	for _, p := range peers {
		names = append(names, quoted(p.Name))
	}
	return names
}

// quoted formats a name within a sentence. It quotes a name that is empty or has more than letters, digits and the like.
func quoted(name string) string {
	s := termtext.Text(name)
	if s == "" || strings.ContainsAny(s, " ,:;()\"'\u3000\u00a0") {
		return inQuotes(name)
	}
	return s
}

func inQuotes(name string) string {
	return `"` + strings.ReplaceAll(termtext.Text(name), `"`, `\"`) + `"`
}

// close ends the node and reports what was not sent.
func (s *session) close() error {
	var list []error
	for _, l := range zre.Losses(s.node.Close()) {
		list = append(list, l)
	}
	return errors.Join(list...)
}
