package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

const pipeUsage = `A node driven by JSON, one object a line. The end of input quits, as {"cmd":"quit"} does: what is queued is sent first, for up to the
time of --linger. The exit status is 0, 1 if something failed or was not sent, 2 if an option is wrong.

Commands, on standard input:
  {"cmd":"join","group":G}  {"cmd":"leave","group":G}
  {"cmd":"contest","group":G}                 as --contest
  {"cmd":"shout","group":G,"text":["…"]}      or "frames":[base64, …] in place of "text"
  {"cmd":"whisper","peer":UUID,"text":["…"]}  likewise
  {"cmd":"state","state":S}                   says what the node is doing: ` + choices + `
  {"cmd":"add-peer","endpoint":E}        {"cmd":"remove-peer","endpoint":E}        as --peer, from now on and no longer
  {"cmd":"add-srv","domain":D}           {"cmd":"remove-srv","domain":D}           as --srv
  {"cmd":"connect-gossip","endpoint":E}  {"cmd":"disconnect-gossip","endpoint":E}  as --gossip-connect
  {"cmd":"peers"}  {"cmd":"quit"}

Events, on standard output, each with the fields named here if they apply:
  ready           the first line: uuid, name and endpoint of this node
  enter           a peer is present: peer (its UUID), name, headers, endpoint, transport, state
  join, leave     peer, name, group
  whisper, shout  peer, name, group of a shout, frames (base64), text (the same, if all of it is UTF-8)
  state           a peer does something else now: peer, name, state
  leader          a member leads a group from now on: peer, name, group, and self (true) if it is this node. Of the members that contest it
                  is the one with the lowest UUID; where none does there is no event
  evasive, silent a peer is silent, and still is when asked for a sign of life: peer, name
  exit            a peer is gone: peer, name, reason, transport, state (its last), and error (the cause) if it was unreachable
  peers           the answer to that command: a list with peer, name, endpoint, transport, headers, groups and state of each,
                  and queued_messages and queued_octets if some wait to be sent to it
  problem         what keeps this node from working as it should: kind (unreachable, flapping, conflict, address taken, too many peers,
                  contradiction, interface missing, interfaces unknown, beacon port, beacons, not accepting, DNS, gossip or unlisted; more
                  may come), about (an endpoint, a uuid, a domain name, an interface or a setting), error (the cause),
                  solved (false when it begins or its cause changes, true when it is over), and peer, name and endpoint where they are
                  known. A conflict about the uuid of this node: another node, at endpoint, has it too
  discarded       with --discard, at the end: messages, how many were
  error           error says which line of input was wrong, or what failed. The last ones are of messages that were not sent before
                  the end: peer, name, messages (how many), octets (of them, those not sent)

The transport is tcp, ipc or inproc; the reason of an exit left, crashed, expired, lost messages, replaced, not responding
or unreachable. Peers of other implementations have no state.

Usage: zre pipe [options]

`

// maxLine bounds a line of input: the largest message, in base64.
const maxLine = 100 << 20

// pipe is the subcommand.
func pipe(args []string, in io.Reader, out, errs io.Writer) int {
	config, err := newPipeConfig(args, out)
	if err != nil {
		return refuse("pipe", err, errs)
	}
	node, err := zre.NewNode(config.node...)
	if err != nil {
		fmt.Fprintln(errs, "zre pipe:", err)
		return 2
	}
	defer node.Close()
	for _, group := range config.groups {
		if err := node.Join(group); err != nil {
			fmt.Fprintln(errs, "zre pipe: --group:", err)
			return 2
		}
	}
	for _, group := range config.contests {
		if err := node.Contest(group); err != nil {
			fmt.Fprintln(errs, "zre pipe: --contest:", err)
			return 2
		}
	}
	if config.state != nil {
		if err := node.SetState(*config.state); err != nil {
			fmt.Fprintln(errs, "zre pipe: --state:", err)
			return 2
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := node.Start(ctx); err != nil {
		fmt.Fprintln(errs, "zre pipe:", err)
		return 1
	}
	p := &piper{node: node, out: newLineWriter(out, stop)}
	p.out.write(line{Event: "ready", UUID: node.UUID().String(), Name: node.Name(), Endpoint: node.Endpoints()[0]}, true)

	var events sync.WaitGroup
	events.Go(p.events)
	go func() { // not waited for: a read of standard input cannot be ended
		defer stop()
		p.commands(ctx, in)
	}()
	<-ctx.Done()
	stop() // another signal ends the process at once
	lost := zre.Losses(node.Close())
	events.Wait()
	if config.discards {
		count := node.Discarded()
		p.out.write(line{Event: "discarded", Messages: &count}, true)
	}
	for _, l := range lost {
		p.out.write(lossLine(l), true)
	}
	if len(lost) > 0 {
		return 1
	}
	return 0
}

// piper connects a node to its lines.
type piper struct {
	node *zre.Node
	out  *lineWriter
}

// events writes what happens until the node closes.
func (p *piper) events() {
	events := p.node.Events()
	for event := range events {
		l := lineOf(event)
		if _, ok := event.(zre.Leader); ok {
			l.Self = event.From().UUID == p.node.UUID()
		}
		p.out.write(l, len(events) == 0)
	}
}

// commands reads and does commands until quit or the end of input.
func (p *piper) commands(ctx context.Context, in io.Reader) {
	reader := bufio.NewReaderSize(in, 64<<10)
	var buffer []byte
	for {
		text, tooLong, err := readLine(reader, buffer[:0], maxLine)
		buffer = text
		switch {
		case tooLong:
			p.fail(fmt.Errorf("line of more than %d octets", maxLine))
		case len(text) > 0:
			var c command
			if err := json.Unmarshal(text, &c); err != nil {
				p.fail(fmt.Errorf("not a JSON command: %w", err))
			} else if c.Cmd == "quit" {
				return
			} else if err := p.do(ctx, &c); err != nil {
				p.fail(err)
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *piper) fail(err error) { p.out.write(line{Event: "error", Error: err.Error()}, true) }

// command is one line of input.
type command struct {
	Cmd      string    `json:"cmd"`
	Group    string    `json:"group"`
	Peer     string    `json:"peer"`
	State    string    `json:"state"`
	Endpoint string    `json:"endpoint"`
	Domain   string    `json:"domain"`
	Frames   *[][]byte `json:"frames"`
	Text     *[]string `json:"text"`
}

func (p *piper) do(ctx context.Context, c *command) error {
	switch c.Cmd {
	case "join":
		return p.node.Join(c.Group)
	case "leave":
		return p.node.Leave(c.Group)
	case "contest":
		return p.node.Contest(c.Group)
	case "shout", "whisper":
		frames, err := c.content()
		if err != nil {
			return err
		}
		if c.Cmd == "shout" {
			return p.node.Shout(ctx, c.Group, frames...)
		}
		peer, err := uuid.Parse(c.Peer)
		if err != nil {
			return fmt.Errorf(`whisper: "peer":%q: not a UUID`, c.Peer)
		}
		return p.node.Whisper(ctx, peer, frames...)
	case "state":
		state, err := parseState(c.State)
		if err != nil {
			return err
		}
		return p.node.SetState(state)
	case "add-peer":
		return p.node.AddPeers(c.Endpoint)
	case "remove-peer":
		return p.node.RemovePeers(c.Endpoint)
	case "add-srv":
		return p.node.AddSRV(c.Domain)
	case "remove-srv":
		return p.node.RemoveSRV(c.Domain)
	case "connect-gossip":
		return p.node.ConnectGossip(c.Endpoint)
	case "disconnect-gossip":
		return p.node.DisconnectGossip(c.Endpoint)
	case "peers":
		list := make([]peerLine, 0)
		for _, peer := range p.node.Peers() {
			list = append(list, peerLineOf(peer))
		}
		p.out.write(line{Event: "peers", Peers: &list}, true)
		return nil
	}
	return fmt.Errorf("there is no command %q; see zre pipe --help", c.Cmd)
}

func (c *command) content() ([][]byte, error) {
	switch {
	case c.Frames != nil && c.Text != nil, c.Frames == nil && c.Text == nil:
		return nil, fmt.Errorf(`%s: give either "frames" or "text"`, c.Cmd)
	case c.Frames != nil:
		return *c.Frames, nil
	}
	frames := make([][]byte, len(*c.Text))
	for i, text := range *c.Text {
		frames[i] = []byte(text)
	}
	return frames, nil
}

// readLine reads a line without its end into buffer. Of a line longer than limit it reads all and keeps nothing.
func readLine(r *bufio.Reader, buffer []byte, limit int) (text []byte, tooLong bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(buffer)+len(part) > limit {
			tooLong, buffer = true, buffer[:0]
		}
		if !tooLong {
			buffer = append(buffer, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return bytesTrim(buffer), tooLong, err
	}
}
