package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/termtext"
	"github.com/go-zre/go-zre/zre"
)

// commandSummary is shown at the start, commandHelp by /help.
const commandSummary = "/who  lists members    /msg NAME TEXT  whispers    /away  and  /back    /help    /quit"

var commandHelp = []string{
	"/who            lists the members, their states, and how they are reached",
	"/msg NAME TEXT  whispers to one member; if two have the same name, use NAME#1A2B as /who shows it",
	"/away, /back    tells the others that you are away (they see it beside your name), or back",
	"//TEXT          says /TEXT",
	"/help           shows these commands",
	"/quit           leaves, like the end of the input",
}

// A display shows what happens in a room. Two goroutines call its methods, one at a time.
type display interface {
	show(entry)
	setMembers([]member) // who is here now, sorted by name, including this node
	maxBytes() int       // how many bytes of a message it shows; 0: all
}

// room is the chat of one group, as one member sees it. It knows nothing about terminals: typed lines go in (say), entries come out.
type room struct {
	node    *zre.Node
	group   string
	display display

	mu      sync.Mutex // guards members and calls of display
	members map[uuid.UUID]member
}

// A member is a node in the group. All its text is safe to print.
type member struct {
	id        uuid.UUID
	name      string
	mark      string    // its state, if it is worth showing: "away"
	announced zre.State // the state in the last entry about this member
	you       bool
	sameName  bool // another member has the same name
}

// newRoom makes the room of a group that the node has joined.
func newRoom(node *zre.Node, group string, display display) *room {
	return &room{node: node, group: group, display: display, members: make(map[uuid.UUID]member)}
}

// run shows events and sends typed lines until /quit, the end of lines, or ctx. The error says how many lines were not sent.
func (r *room) run(ctx context.Context, lines <-chan string) error {
	listening, stop := context.WithCancel(ctx)
	var listener sync.WaitGroup
	listener.Go(func() {
		for event := range r.node.AllEvents(listening) {
			if request, ok := event.(zre.Request); ok {
				_ = request.ReplyError(listening, "zrechat answers no requests") // the peer may be gone
			}
			r.handle(event)
		}
	})
	defer listener.Wait()
	defer stop()
	r.notice("you are %s in %s", termtext.Text(r.node.Name()), termtext.Text(r.group))
	r.notice("%s", commandSummary)
	r.updateMembers()
	missed := 0
	for {
		select {
		case <-ctx.Done():
			missed += len(lines)
			if missed > 0 {
				return fmt.Errorf("%s not sent", count(missed, "line"))
			}
			return nil
		case line, ok := <-lines:
			if !ok || strings.TrimSpace(line) == "/quit" {
				return nil
			}
			switch err := r.say(ctx, line); {
			case err != nil && ctx.Err() != nil:
				missed++
			case err != nil:
				for _, text := range failures(err) {
					r.warn("%s", text)
				}
			}
		}
	}
}

// handle handles an event if it concerns the group. It ignores nodes that are only in other groups.
func (r *room) handle(event zre.Event) {
	if problem, ok := event.(zre.Problem); ok {
		r.showProblem(problem)
		return
	}
	peer := event.From()
	switch e := event.(type) {
	case zre.Join:
		if e.Group == r.group {
			r.enter(peer)
		}
		return
	case zre.Leave:
		if e.Group == r.group {
			r.leave(peer, "leaves")
		}
		return
	case zre.Exit:
		how := "is gone: " + e.Reason.String()
		if e.Err != nil {
			how += " (" + termtext.Text(e.Err.Error()) + ")"
		}
		r.leave(peer, how)
		return
	}
	who, ok := r.member(peer)
	if !ok {
		return
	}
	switch e := event.(type) {
	case zre.StateChange:
		r.changeState(who, peer.State)
	case zre.Silent:
		r.notice("%s does not answer now, and may not receive your messages", who)
	case zre.Shout:
		r.show(entry{kind: said, from: who.String(), text: messageText(e.Frames, r.display.maxBytes())})
	case zre.Whisper:
		r.show(entry{kind: whispered, from: who.String(), text: messageText(e.Frames, r.display.maxBytes())})
	}
}

// enter records a new member.
func (r *room) enter(peer *zre.Peer) {
	r.mu.Lock()
	r.members[peer.UUID] = member{id: peer.UUID, name: printableName(peer), mark: stateMark(peer.State), announced: announcedState(peer.State)}
	r.mu.Unlock()
	if who, ok := r.member(peer); ok {
		r.notice("%s enters", who)
	}
	r.updateMembers()
}

// leave removes a member and says how it left.
func (r *room) leave(peer *zre.Peer, how string) {
	who, ok := r.member(peer)
	if !ok {
		return
	}
	who.mark = ""
	r.mu.Lock()
	delete(r.members, peer.UUID)
	r.mu.Unlock()
	r.notice("%s %s", who, how)
	r.updateMembers()
}

// changeState records a member's new state and shows it.
func (r *room) changeState(who member, state zre.State) {
	before := who.announced
	who.mark, who.announced = stateMark(state), announcedState(state)
	r.mu.Lock()
	r.members[who.id] = who
	r.mu.Unlock()
	r.updateMembers()
	if who.announced == before {
		return
	}
	who.mark = ""
	switch who.announced {
	case zre.StateIdle:
		r.notice("%s is back", who)
	case zre.StateProcessing:
		r.notice("%s is away", who)
	default:
		r.notice("%s is in state %s", who, who.announced)
	}
}

// member returns what is known of a peer, if it is in the group.
func (r *room) member(peer *zre.Peer) (member, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	who, ok := r.members[peer.UUID]
	who.sameName = who.name == termtext.Text(r.node.Name())
	for id, other := range r.members {
		who.sameName = who.sameName || id != who.id && other.name == who.name
	}
	return who, ok
}

// updateMembers tells the display which members are here.
func (r *room) updateMembers() {
	r.mu.Lock()
	defer r.mu.Unlock()
	you := member{id: r.node.UUID(), name: termtext.Text(r.node.Name()), mark: stateMark(r.node.State()), you: true}
	names := map[string]int{you.name: 1}
	for _, m := range r.members {
		names[m.name]++
	}
	list := []member{you}
	for _, m := range r.members {
		m.sameName = names[m.name] > 1
		list = append(list, m)
	}
	slices.SortFunc(list[1:], func(a, b member) int { return strings.Compare(a.String(), b.String()) })
	r.display.setMembers(list)
}

// announcedState simplifies a state for entries. Some programs are RECEIVING for a moment at every message; entries for that would drown the talk,
// and the mark beside the name is enough.
func announcedState(state zre.State) zre.State {
	if state == zre.StateReceiving || state == zre.StateUnknown {
		return zre.StateIdle
	}
	return state
}

// stateMark is the word shown beside the name of a member in that state, if any.
func stateMark(state zre.State) string {
	switch state {
	case zre.StateIdle, zre.StateUnknown:
		return ""
	case zre.StateProcessing:
		return "away"
	}
	return state.String()
}

// title is a member's name, made distinct from others with the same name.
func (m member) title() string {
	if m.sameName && !m.you {
		return m.name + "#" + hexOf(m.id)[:4]
	}
	return m.name
}

// String returns the name with the mark of the state.
func (m member) String() string {
	if m.mark != "" {
		return m.title() + " (" + m.mark + ")"
	}
	return m.title()
}

// printableName returns a peer's name, safe to print, or the beginning of its UUID if it has no name.
func printableName(peer *zre.Peer) string {
	if peer.Name == "" {
		return "#" + hexOf(peer.UUID)[:6]
	}
	return termtext.Text(peer.Name)
}

// hexOf returns a UUID as 32 digits.
func hexOf(id uuid.UUID) string { return strings.ToUpper(fmt.Sprintf("%x", id[:])) }

// messageText returns a message as one line. If limit is not 0, it cuts off a longer message.
func messageText(frames [][]byte, limit int) string {
	parts, all, left := make([]string, 0, len(frames)), 0, limit
	for _, frame := range frames {
		all += len(frame)
		if limit > 0 {
			if left == 0 && len(frame) > 0 {
				continue
			}
			frame = frame[:min(len(frame), left)]
			left -= len(frame)
		}
		parts = append(parts, termtext.Text(string(frame)))
	}
	line := strings.Join(parts, " | ")
	if limit > 0 && all > limit {
		line += "… (" + count(all, "byte") + ")"
	}
	return line
}

func (r *room) show(e entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.display.show(e)
}

func (r *room) notice(format string, values ...any) {
	r.show(entry{kind: notice, text: fmt.Sprintf(format, values...)})
}

func (r *room) warn(format string, values ...any) {
	r.show(entry{kind: warning, text: fmt.Sprintf(format, values...)})
}

// failures describes an error of a node call, with one text for each peer that it concerns.
func failures(err error) []string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var list []string
		for _, e := range joined.Unwrap() {
			list = append(list, failures(e)...)
		}
		return list
	}
	name := "it"
	if peer, ok := errors.AsType[*zre.PeerError](err); ok && peer.Name != "" {
		name = termtext.Text(peer.Name)
	}
	switch {
	case errors.Is(err, zre.ErrPeerBusy):
		return []string{name + " did not get that: it takes no messages now"}
	case errors.Is(err, zre.ErrUnknownPeer):
		return []string{name + " did not get that: it has just left"}
	case errors.Is(err, zre.ErrTooLarge):
		return []string{"that is longer than others accept (64 MiB), and was not sent"}
	}
	return []string{termtext.Text(err.Error())}
}
