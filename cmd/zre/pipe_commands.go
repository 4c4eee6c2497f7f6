package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// A pipeCommand is a command of zre pipe.
type pipeCommand struct {
	name         string
	required     []string // required keys
	optional     []string // optional keys
	content      bool     // it has frames or text
	about        string
	do           func(ctx context.Context, p *piper, c *command) error // returns the outcome, unless asynchronous is set
	asynchronous bool                                                  // do calls p.finish itself
}

// pipeCommands lists all commands. The loop that reads executes quit.
var pipeCommands = []pipeCommand{
	{name: "join", required: []string{"group"}, about: "joins a group", do: func(_ context.Context, p *piper, c *command) error { return p.node.Join(c.group()) }},
	{name: "leave", required: []string{"group"}, about: "leaves a group", do: func(_ context.Context, p *piper, c *command) error { return p.node.Leave(c.group()) }},
	{name: "contest", required: []string{"group"}, about: "joins a group, and contests for its leadership",
		do: func(_ context.Context, p *piper, c *command) error { return p.node.Contest(c.group()) }},
	{name: "shout", required: []string{"group"}, content: true, about: `sends a message to a group; "frames":[base64, …] may replace "text"`, asynchronous: true, do: shoutCommand},
	{name: "whisper", required: []string{"peer"}, content: true, about: "sends a message to a peer; likewise", asynchronous: true, do: whisperCommand},
	{name: "request", required: []string{"peer"}, optional: []string{"timeout"}, content: true, about: "sends a request, answered by a reply; T is a time such as 5s (default 10s)", asynchronous: true, do: requestCommand},
	{name: "reply", required: []string{"request"}, content: true, about: "replies to the request with this number", asynchronous: true, do: replyCommand},
	{name: "reply-error", required: []string{"request", "error"}, about: "replies with an error", asynchronous: true, do: replyErrorCommand},
	{name: "flush", required: []string{"peer"}, optional: []string{"timeout"}, about: "answered by ok when the peer has read everything sent to it, within T (default 10s)", asynchronous: true, do: flushCommand},
	{name: "ping", required: []string{"peer"}, optional: []string{"timeout"}, about: "answered by a pong, within T (default 10s)", asynchronous: true, do: pingCommand},
	{name: "state", required: []string{"state"}, about: "sets the state of this node: " + stateChoices, do: func(_ context.Context, p *piper, c *command) error {
		state, err := parseState(c.values["state"])
		if err != nil {
			return err
		}
		return p.node.SetState(state)
	}},
	{name: "header", required: []string{"name"}, optional: []string{"value"}, about: "sets a header that peers see; without a value it removes the header", do: headerCommand},
	{name: "add-peer", required: []string{"endpoint"}, about: "adds an endpoint, like --peer",
		do: func(_ context.Context, p *piper, c *command) error { return p.node.AddPeers(c.values["endpoint"]) }},
	{name: "remove-peer", required: []string{"endpoint"}, about: "removes it",
		do: func(_ context.Context, p *piper, c *command) error { return p.node.RemovePeers(c.values["endpoint"]) }},
	{name: "add-srv", required: []string{"domain"}, about: "adds a domain, like --srv",
		do: func(_ context.Context, p *piper, c *command) error { return p.node.AddSRV(c.values["domain"]) }},
	{name: "remove-srv", required: []string{"domain"}, about: "removes it",
		do: func(_ context.Context, p *piper, c *command) error { return p.node.RemoveSRV(c.values["domain"]) }},
	{name: "connect-gossip", required: []string{"endpoint"}, about: "connects to a gossip hub, like --gossip-connect",
		do: func(_ context.Context, p *piper, c *command) error { return p.node.ConnectGossip(c.values["endpoint"]) }},
	{name: "disconnect-gossip", required: []string{"endpoint"}, about: "disconnects from it",
		do: func(_ context.Context, p *piper, c *command) error {
			return p.node.DisconnectGossip(c.values["endpoint"])
		}},
	{name: "peers", about: "lists the peers, in an event peers", do: peersCommand},
	{name: "quit", about: "ends, like the end of the input"},
}

func pipeCommandNames() (names []string) {
	for _, k := range pipeCommands {
		names = append(names, k.name)
	}
	return names
}

// pipeKeys are the keys of commands, with the placeholder for each value in the help.
var pipeKeys = map[string]string{"group": "G", "peer": "UUID", "timeout": "T", "state": "S", "endpoint": "E", "domain": "D", "name": "NAME", "value": "V", "request": "N", "error": `"…"`}

// pipeInput is the help on commands.
func pipeInput() string {
	var b strings.Builder
	b.WriteString("Commands, on standard input, one per line. A command with an id (a string or a number) is answered by an ok or an error event with that id, a command without one only by an error. " +
		"Unknown and missing keys are errors; keys in brackets are optional. Commands for one peer run in their order. If a peer reads nothing, up to 1,000 commands wait for it, further ones fail, and those for other peers go on:\n")
	for _, k := range pipeCommands {
		fmt.Fprintf(&b, `  {"cmd":"%s"`, k.name)
		for _, key := range k.required {
			fmt.Fprintf(&b, `,"%s":%s`, key, pipeKeys[key])
		}
		for _, key := range k.optional {
			fmt.Fprintf(&b, `[,"%s":%s]`, key, pipeKeys[key])
		}
		if k.content {
			b.WriteString(`,"text":["…"]`)
		}
		b.WriteString("}")
		if k.about != "" {
			b.WriteString("  " + k.about)
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// command is one line of input.
type command struct {
	id      json.RawMessage // as received; nil if absent
	kind    *pipeCommand
	err     error // what is wrong with the command
	values  map[string]string
	frames  [][]byte
	timeout time.Duration
	number  uint64 // of a request
}

func (c *command) quits() bool   { return c.err == nil && c.kind.name == "quit" }
func (c *command) group() string { return c.values["group"] }

// maxID limits the size of an id.
const maxID = 1000

// parseCommand parses a line.
func parseCommand(text []byte) *command {
	c := &command{values: make(map[string]string), timeout: flushTime}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil || fields == nil {
		c.err = errors.New("not a JSON command: want an object, such as {\"cmd\":\"peers\"}")
		if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
			c.err = fmt.Errorf("not a JSON command: %w", err)
		}
		return c
	}
	if id, ok := fields["id"]; ok {
		if len(id) > maxID || id[0] != '"' && id[0] != '-' && (id[0] < '0' || id[0] > '9') {
			c.err = fmt.Errorf("not a JSON command: \"id\" must be a string or a number, of %d bytes at most", maxID)
			return c
		}
		c.id = bytes.Clone(id)
	}
	c.err = c.read(fields)
	return c
}

// read takes the keys of a command.
func (c *command) read(fields map[string]json.RawMessage) error {
	var name string
	if raw, ok := fields["cmd"]; ok && json.Unmarshal(raw, &name) != nil {
		return errors.New(`not a JSON command: "cmd" must be a string`)
	}
	i := slices.IndexFunc(pipeCommands, func(k pipeCommand) bool { return k.name == name })
	if i < 0 {
		if like := closest(name, pipeCommandNames()); like != "" {
			return fmt.Errorf("there is no command %q; did you mean %s?", name, like)
		}
		return fmt.Errorf("there is no command %q; see zre pipe --help", name)
	}
	c.kind = &pipeCommands[i]
	allowed := slices.Concat([]string{"cmd", "id"}, c.kind.required, c.kind.optional)
	if c.kind.content {
		allowed = append(allowed, "text", "frames")
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(allowed, key) {
			return fmt.Errorf("%s: there is no key %q; it has %s", name, key, strings.Join(allowed, ", "))
		}
	}
	for _, key := range slices.Concat(c.kind.required, c.kind.optional) {
		raw, ok := fields[key]
		if !ok && slices.Contains(c.kind.required, key) && key != "state" { // the error for a missing state lists the possible ones
			return fmt.Errorf("%s: %q is missing", name, key)
		}
		if ok {
			if err := c.set(key, raw); err != nil {
				return err
			}
		}
	}
	if c.kind.content {
		return c.readContent(fields)
	}
	return nil
}

func (c *command) set(key string, raw json.RawMessage) error {
	var s string
	if number := raw[0] != '"'; number && (key == "timeout" || key == "request") {
		s = string(raw)
	} else if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return fmt.Errorf("not a JSON command: %q must be a string", key)
	}
	c.values[key] = s
	if key == "request" {
		var err error
		if c.number, err = strconv.ParseUint(s, 10, 64); err != nil {
			return fmt.Errorf("%s: \"request\": want the number of a request", c.kind.name)
		}
	}
	if key == "timeout" {
		d, err := parseDuration(s)
		if err != nil || d <= 0 || d > time.Hour {
			return fmt.Errorf("%s: \"timeout\": want a time such as 500ms or 5s, up to 1h", c.kind.name)
		}
		c.timeout = d
	}
	return nil
}

// readContent takes the message of a command.
func (c *command) readContent(fields map[string]json.RawMessage) error {
	frames, asFrames := fields["frames"]
	text, asText := fields["text"]
	if asFrames == asText {
		return fmt.Errorf(`%s: give either "frames" or "text"`, c.kind.name)
	}
	if asFrames {
		if err := json.Unmarshal(frames, &c.frames); err != nil || frames[0] != '[' {
			return fmt.Errorf(`not a JSON command: "frames" must be a list of strings in base64`)
		}
		return nil
	}
	var list []string
	if err := json.Unmarshal(text, &list); err != nil || text[0] != '[' {
		return fmt.Errorf(`not a JSON command: "text" must be a list of strings`)
	}
	c.frames = make([][]byte, len(list))
	for i, s := range list {
		c.frames[i] = []byte(s)
	}
	return nil
}

// peer returns the peer that a command names.
func (c *command) peer() (uuid.UUID, error) {
	id, err := uuid.Parse(c.values["peer"])
	if err != nil {
		return id, &commandError{fmt.Errorf(`%s: "peer":%q: not a UUID`, c.kind.name, c.values["peer"])}
	}
	return id, nil
}

// size is the memory that a command holds while it waits.
func (c *command) size() (n int64) {
	for _, frame := range c.frames {
		n += int64(len(frame))
	}
	return n
}

// do executes a command, or arranges for it.
func (p *piper) do(ctx context.Context, c *command) {
	if err := c.malformed(); err != nil {
		p.finish(c, err)
		return
	}
	if err := c.kind.do(ctx, p, c); err != nil || !c.kind.asynchronous {
		p.finish(c, err)
	}
}

func whisperCommand(_ context.Context, p *piper, c *command) error {
	peer, err := c.peer()
	if err != nil {
		return err
	}
	p.lanes.whisper(peer, c.frames, func(err error) { p.finish(c, err) })
	return nil
}

func shoutCommand(_ context.Context, p *piper, c *command) error {
	p.lanes.shout(c.group(), c.frames, p.skips, func(err error) { p.finish(c, err) })
	return nil
}

func flushCommand(_ context.Context, p *piper, c *command) error {
	peer, err := c.peer()
	if err != nil {
		return err
	}
	p.lanes.afterQueued(peer, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, &timeoutError{"not read", c.timeout})
		defer cancel()
		return p.node.Flush(ctx, peer)
	}, func(err error) { p.finish(c, err) })
	return nil
}

func pingCommand(_ context.Context, p *piper, c *command) error {
	peer, err := c.peer()
	if err != nil {
		return err
	}
	p.lanes.background(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, &timeoutError{"no answer", c.timeout})
		defer cancel()
		took, err := p.node.Ping(ctx, peer)
		if err != nil {
			return err
		}
		l := line{Event: "pong", ID: c.id, Peer: peer.String(), RTT: float64(took.Nanoseconds()) / 1e6}
		if known, ok := p.node.Peer(peer); ok {
			l.Name = known.Name
		}
		p.out.write(l, true)
		return nil
	}, func(err error) { p.finish(c, err) })
	return nil
}

func headerCommand(_ context.Context, p *piper, c *command) error {
	if value, ok := c.values["value"]; ok {
		return p.node.SetHeader(c.values["name"], value)
	}
	return p.node.RemoveHeader(c.values["name"])
}

func peersCommand(_ context.Context, p *piper, c *command) error {
	list := make([]peerLine, 0)
	for _, peer := range p.node.Peers() {
		list = append(list, peerLineOf(peer))
	}
	p.out.write(line{Event: "peers", ID: c.id, Peers: &list}, true)
	return nil
}
