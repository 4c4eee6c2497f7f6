package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// room is the chat of one group, as one of its members sees it.
type room struct {
	node  *zre.Node
	group string
	out   io.Writer
	told  map[uuid.UUID]zre.State // of each peer, the state that is known on the screen
}

// show prints what happened.
func (r *room) show(event zre.Event) {
	peer := event.From()
	name := marked(peer)
	switch e := event.(type) {
	case zre.Enter:
		r.told[peer.UUID] = calm(peer.State)
	case zre.Join:
		if e.Group == r.group {
			r.print("* %s enters", name)
		}
	case zre.Leave:
		if e.Group == r.group {
			r.print("* %s leaves", name)
		}
	case zre.Exit:
		delete(r.told, peer.UUID)
		if e.Err != nil {
			r.print("* %s is gone: %s (%s)", clean(peer.Name), e.Reason, clean(e.Err.Error()))
			return
		}
		r.print("* %s is gone: %s", clean(peer.Name), e.Reason)
	case zre.StateChange:
		r.changed(peer)
	case zre.Shout:
		r.print("%s: %s", name, text(e.Frames))
	case zre.Whisper:
		r.print("(%s whispers) %s", name, text(e.Frames))
	case zre.Problem:
		r.trouble(e)
	}
}

// trouble prints a problem that somebody who chats can do something about.
func (r *room) trouble(e zre.Problem) {
	switch {
	case e.Solved && e.Kind == zre.ProblemInterfaceMissing:
		r.print("* %s is there", clean(e.About))
	case e.Solved:
	case e.Kind == zre.ProblemInterfaceMissing:
		r.print("! there is no interface or address %s here, waiting for it", clean(e.About))
	case e.Kind == zre.ProblemNotAccepting:
		r.print("! others cannot connect: %s", clean(fmt.Sprint(e.Err)))
	case e.Kind == zre.ProblemInterfacesUnknown, e.Kind == zre.ProblemBeaconPort, e.Kind == zre.ProblemBeacons:
		r.print("! others may not find this chat (zre doctor tells more): %s", clean(fmt.Sprint(e.Err)))
	case e.Kind == zre.ProblemUnreachable, e.Kind == zre.ProblemDNS:
		r.print("! cannot reach %s: %s", clean(cmp.Or(e.From().Name, e.About)), clean(fmt.Sprint(e.Err)))
	case e.Kind == zre.ProblemConflict && e.From().UUID == r.node.UUID():
		r.print("! another chat, at %s, goes by the same identity as yours, so the others take the two for one: "+
			"/quit, and start again", clean(e.From().Endpoint))
	}
}

// changed tells that a member does something else now.
func (r *room) changed(peer *zre.Peer) {
	state := calm(peer.State)
	if r.told[peer.UUID] == state {
		return
	}
	r.told[peer.UUID] = state
	if !slices.Contains(peer.Groups, r.group) {
		return
	}
	switch state {
	case zre.StateIdle:
		r.print("* %s is back", clean(peer.Name))
	case zre.StateProcessing:
		r.print("* %s is away", clean(peer.Name))
	default:
		r.print("* %s is in state %s", clean(peer.Name), state)
	}
}

// calm is the state as the chat tells of it. Some programs are RECEIVING for a moment at every message: a line for that would
// drown the talk, and the mark beside the name is enough.
func calm(state zre.State) zre.State {
	if state == zre.StateReceiving || state == zre.StateUnknown {
		return zre.StateIdle
	}
	return state
}

// mark is what is said beside a name of somebody in a state, if anything.
func mark(state zre.State) string {
	switch state {
	case zre.StateIdle, zre.StateUnknown:
		return ""
	case zre.StateProcessing:
		return "away"
	}
	return state.String()
}

// marked is a peer's name with the mark of its state.
func marked(peer *zre.Peer) string {
	if m := mark(peer.State); m != "" {
		return clean(peer.Name) + " (" + m + ")"
	}
	return clean(peer.Name)
}

// say does what a typed line asks for.
func (r *room) say(ctx context.Context, line string) error {
	command, rest, _ := strings.Cut(line, " ")
	switch {
	case strings.TrimSpace(line) == "":
		return nil
	case command == "/who":
		r.who()
		return nil
	case command == "/msg":
		name, message, _ := strings.Cut(strings.TrimSpace(rest), " ")
		for _, peer := range r.node.Peers() {
			if peer.Name == name {
				return r.node.Whisper(ctx, peer.UUID, []byte(message))
			}
		}
		return fmt.Errorf("nobody here is called %q; /who lists who is", name)
	case command == "/away":
		r.print("* you are away")
		return r.node.SetState(zre.StateProcessing)
	case command == "/back":
		r.print("* you are back")
		return r.node.SetState(zre.StateIdle)
	case strings.HasPrefix(line, "/"):
		return fmt.Errorf("there is no command %s; try %s", command, commands)
	}
	return r.node.Shout(ctx, r.group, []byte(line))
}

// who lists the members.
func (r *room) who() {
	you := "you"
	if m := mark(r.node.State()); m != "" {
		you += ", " + m
	}
	r.print("* %s (%s)", clean(r.node.Name()), you)
	for _, peer := range r.node.PeersIn(r.group) {
		r.print("* %s at %s, by %s", marked(peer), clean(peer.Endpoint), peer.Transport)
	}
}

func (r *room) print(format string, values ...any) {
	fmt.Fprintf(r.out, format+"\n", values...)
}

func text(frames [][]byte) string {
	parts := make([]string, len(frames))
	for i, frame := range frames {
		parts[i] = clean(string(frame))
	}
	return strings.Join(parts, " | ")
}

// clean keeps what strangers send from commanding the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
