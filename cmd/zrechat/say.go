package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/termtext"
	"github.com/go-zre/go-zre/zre"
)

// say executes a typed line. It waits while a peer's queue is full.
func (r *room) say(ctx context.Context, line string) error {
	command, rest, _ := strings.Cut(line, " ")
	switch {
	case strings.TrimSpace(line) == "":
		return nil
	case strings.HasPrefix(line, "//"):
		return r.shout(ctx, line[1:])
	case command == "/who":
		r.listMembers()
		return nil
	case command == "/help":
		for _, line := range commandHelp {
			r.notice("%s", line)
		}
		return nil
	case command == "/msg":
		return r.whisper(ctx, rest)
	case command == "/away":
		return r.setState(zre.StateProcessing, "you are away")
	case command == "/back":
		return r.setState(zre.StateIdle, "you are back")
	case strings.HasPrefix(line, "/"):
		return fmt.Errorf("there is no command %s; try %s", termtext.Truncate(termtext.Text(command), 40), commandSummary)
	}
	return r.shout(ctx, line)
}

// shout sends a text to the group.
func (r *room) shout(ctx context.Context, text string) error {
	r.show(entry{kind: ownShout, from: termtext.Text(r.node.Name()), text: termtext.Text(text)})
	err := r.node.Shout(ctx, r.group, []byte(text))
	if err == nil && len(r.node.PeersIn(r.group)) == 0 {
		return errors.New("nobody heard that: nobody else is here")
	}
	return err
}

// setState changes this node's state.
func (r *room) setState(state zre.State, text string) error {
	if err := r.node.SetState(state); err != nil {
		return err
	}
	r.notice("%s", text)
	r.updateMembers()
	return nil
}

// whisper sends to one member the text that follows its name.
func (r *room) whisper(ctx context.Context, rest string) error {
	rest = strings.TrimLeft(rest, " ")
	found, message := findPeers(r.node.PeersIn(r.group), rest)
	switch {
	case rest == "":
		return errors.New("to whom? /msg NAME TEXT")
	case len(found) == 0:
		name, _, _ := strings.Cut(rest, " ")
		return fmt.Errorf("nobody here is called \"%s\"; /who lists who is", termtext.Truncate(termtext.Text(name), 60))
	case len(found) > 1:
		return ambiguous(found)
	case strings.TrimSpace(message) == "":
		return fmt.Errorf("what? /msg %s TEXT", printableName(found[0]))
	}
	r.show(entry{kind: ownWhisper, from: printableName(found[0]), text: termtext.Text(message)})
	return r.node.Whisper(ctx, found[0].UUID, []byte(message))
}

// ambiguous is the error for several peers with one name. It shows how to choose one.
func ambiguous(peers []*zre.Peer) error {
	list := make([]string, len(peers))
	for i, peer := range peers {
		digits := hexOf(peer.UUID)
		n := 4
		for slices.ContainsFunc(peers, func(other *zre.Peer) bool {
			return other.UUID != peer.UUID && strings.HasPrefix(hexOf(other.UUID), digits[:n])
		}) {
			n++
		}
		list[i] = fmt.Sprintf("/msg %s#%s TEXT for the one at %s", termtext.Text(peer.Name), digits[:n], termtext.Text(peer.Endpoint))
	}
	return fmt.Errorf("%d here are called %s: %s", len(peers), termtext.Text(peers[0].Name), strings.Join(list, ", "))
}

// findPeers returns the peers named at the beginning of text, and the rest. A peer is identified by its name, raw or as printed, with or without
// "#" and a prefix of its UUID, or by "#" and the prefix alone. A name may contain spaces: the longest match counts.
func findPeers(peers []*zre.Peer, text string) (found []*zre.Peer, rest string) {
	longest := 0
	for _, peer := range peers {
		n := 0
		for _, name := range []string{peer.Name, printableName(peer), ""} {
			n = max(n, matchLength(text, name, peer.UUID))
		}
		switch {
		case n == 0 || n < longest:
			continue
		case n > longest:
			longest, found = n, nil
		}
		found = append(found, peer)
	}
	return found, strings.TrimPrefix(text[longest:], " ")
}

// matchLength returns the length of the peer's name at the beginning of text, or 0 if it is not there.
func matchLength(text, name string, id uuid.UUID) int {
	rest, ok := strings.CutPrefix(text, name)
	if !ok {
		return 0
	}
	if digits, ok := strings.CutPrefix(rest, "#"); ok {
		digits, _, _ = strings.Cut(digits, " ")
		if digits != "" && strings.HasPrefix(hexOf(id), strings.ToUpper(digits)) {
			return len(name) + 1 + len(digits)
		}
	}
	if rest == "" || strings.HasPrefix(rest, " ") {
		return len(name)
	}
	return 0
}

// listMembers lists the members.
func (r *room) listMembers() {
	you := "you"
	if m := stateMark(r.node.State()); m != "" {
		you += ", " + m
	}
	r.notice("%s (%s)", termtext.Text(r.node.Name()), you)
	peers := r.node.PeersIn(r.group)
	names := map[string]int{termtext.Text(r.node.Name()): 1}
	for _, peer := range peers {
		names[printableName(peer)]++
	}
	for _, peer := range peers {
		name := printableName(peer)
		m := member{id: peer.UUID, name: name, mark: stateMark(peer.State), sameName: names[name] > 1}
		r.notice("%s at %s, by %s", m, termtext.Text(peer.Endpoint), peer.Transport)
	}
}

// showProblem reports a problem that the user can do something about.
func (r *room) showProblem(e zre.Problem) {
	about, cause := termtext.Text(e.About), termtext.Text(fmt.Sprint(e.Err))
	switch {
	case e.Solved && e.Kind == zre.ProblemInterfaceMissing:
		r.notice("%s is there", about)
	case e.Solved:
	case e.Kind == zre.ProblemInterfaceMissing:
		r.warn("there is no interface or address %s here, waiting for it", about)
	case e.Kind == zre.ProblemNotAccepting:
		r.warn("others cannot connect: %s", cause)
	case e.Kind == zre.ProblemInterfacesUnknown, e.Kind == zre.ProblemBeaconPort, e.Kind == zre.ProblemBeacons:
		r.warn("others may not find this chat (zre doctor tells more): %s", cause)
	case e.Kind == zre.ProblemUnreachable, e.Kind == zre.ProblemDNS:
		if groups := e.From().Groups; len(groups) == 0 || slices.Contains(groups, r.group) { // the groups of a peer that never entered are unknown
			r.warn("cannot reach %s: %s", cmp.Or(termtext.Text(e.From().Name), about), cause)
		}
	case e.Kind == zre.ProblemConflict && e.From().UUID == r.node.UUID():
		r.warn("another chat, at %s, goes by the same identity as yours, so the others take the two for one: "+
			"/quit, and start again", termtext.Text(e.From().Endpoint))
	}
}

// escapeCommand returns what to type to send a line as it is, even if it looks like a command.
func escapeCommand(line string) string {
	if strings.HasPrefix(line, "/") {
		return "/" + line
	}
	return line
}

// printableInput drops characters that no line may have: controls, and those that change the text direction. Tabs become spaces.
func printableInput(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == '\n', r == '\u200c', r == '\u200d', unicode.IsPrint(r), unicode.Is(unicode.Zs, r):
			return r
		}
		return -1
	}, s)
}
