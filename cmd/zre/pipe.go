package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/zre"
)

const aboutPipe = `Runs a node that another program drives by JSON, one object per line: commands on standard input, events on standard output.

It ends at the end of the input, with {"cmd":"quit"}, with SIGINT, SIGTERM or SIGHUP, and when nothing reads its output any more. It then sends queued messages for up to the time of --linger, and peers see the node leave.`

const pipeEvents = `Events, on standard output. Each has the keys named here; keys without a value are left out:
  ready           the first line: uuid, name and endpoint of this node, and public_key (Z85) of a secure one
  enter           a peer is present: peer (its UUID), name, headers, endpoint, transport, state, and public_key, which the peer has proven, if this node has a certificate
  join, leave     a peer joins or leaves a group: peer, name, group
  whisper, shout  a message: peer, name, group (of a shout), frames (base64), text (the frames as text, if all are UTF-8)
  request         a peer requests something and waits for a reply: peer, name, frames, text, and request, a number for the commands reply and reply-error
  reply           the answer to request: peer, name, frames, text
  state           a peer changes its state: peer, name, state
  headers         a peer changes its headers: peer, name, headers (all of them)
  endpoint        this node has a new endpoint, because its interfaces or its port changed: peer (its own UUID), name, endpoint
  leader          a group has a new leader: peer, name, group, and self (true) if this node is the leader. It is the contesting member with the lowest UUID. A group without contesting members has no leader
  evasive         a peer is silent, and this node pings it: peer, name
  silent          a peer is still silent: peer, name
  exit            a peer is gone: peer, name, reason, transport, state (its last one), and error (the cause) if it was unreachable or refused
  ok              the command with this id is done. A whisper or shout is queued then; flush tells when the peer has read it
  peers           the answer to peers: a list with peer, name, endpoint, public_key, transport, headers, groups, state, queued_messages and queued_bytes of each
  pong            the answer to ping: peer, name, rtt_ms
  problem         something keeps this node from working as it should: kind, about (an endpoint, a UUID, a domain, an interface or a setting), error (the cause), solved (false when the problem begins or its cause changes, true when it is over), and peer, name, endpoint and public_key if they are known. The kind is unreachable, flapping, conflict, address taken, too many peers, contradiction, interface missing, interfaces unknown, beacon port, beacons, not accepting, DNS, gossip, unlisted, refused, refused by, no key or warning; later versions may have more. A warning has kind and error only. In a conflict about this node's UUID, the node at endpoint has the same UUID
  discarded       with --discard, at the end: messages (their number)
  error           a command failed, or messages are lost: error (what went wrong). Of a command also id, if it has one, and code: ` + codesHelp + `. At the end, for each peer to which messages were not sent: peer, name, messages (their number), bytes (their size)
The transport is tcp, ipc or inproc. The reason of an exit is left, crashed, expired, lost messages, replaced, not responding, unreachable or refused. Peers of other implementations have no state.`

// maxLine limits an input line: it holds the largest message in base64.
const maxLine = 100 << 20

// writeTime is how long the reader may take at the end to read the remaining output.
const writeTime = 5 * time.Second

// pipeOptions are the options of zre pipe itself.
type pipeOptions struct {
	flags    *nodeFlags
	groups   []string
	contests []string
	state    *zre.State // the initial one, if given
	auto     bool       // the state follows the work
	discard  bool
	skips    bool
	waits    waiting
}

func (c *cli) pipe() *cobra.Command {
	o := &pipeOptions{}
	cmd := &cobra.Command{
		Use:   "pipe [options]",
		Short: "Runs a node driven by JSON: commands on standard input, events on standard output.",
		Long:  aboutPipe,
		Example: `  zre pipe --name robot --group WORK
  echo '{"cmd":"shout","group":"CHAT","text":["hello"]}' | zre pipe --wait-for 1`,
		Annotations: map[string]string{
			noteExit:  "0 success; 1 failure, or messages were not sent; 2 wrong usage",
			noteInput: pipeInput(),
			noteJSON:  pipeEvents,
			noteAll:   "",
		},
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.addFlags(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.runPipe(cmd, o)
	}
	return cmd
}

// addFlags adds the options.
func (o *pipeOptions) addFlags(c *cli, cmd *cobra.Command) {
	listFlag(cmd, &o.groups, "group", "group", "a group to join before the node starts")
	listFlag(cmd, &o.contests, "contest", "group", "a group to join before the node starts, and to contest for its leadership")
	switchFlag(cmd, &o.discard, "discard", "discard incoming whispers and shouts, for programs that only send; the last line tells how many")
	switchFlag(cmd, &o.skips, "skip-busy", "let shouts skip busy members, with an error, instead of waiting for them")
	state := funcFlag(cmd, "state", "state", "the state at the start: "+stateChoices+"; or auto, which follows the work of the node (default idle)", func(s string) error {
		if o.auto = s == "auto"; o.auto {
			return nil
		}
		state, err := parseState(s)
		if err != nil {
			return fmt.Errorf("choose %s, or auto", stateChoices)
		}
		o.state = &state
		return nil
	})
	_ = cmd.RegisterFlagCompletionFunc(state.Name, cobra.FixedCompletions(append(stateNames(), "auto"), cobra.ShellCompDirectiveNoFileComp))
	numberFlag(cmd, &o.waits.peers, "wait-for", "take the first command when this many peers are present", 1, 4096)
	o.waits.time = waitTime
	timeFlag(cmd, &o.waits.time, "wait", "with --wait-for: how long to wait for them; then zre pipe fails", 0)
	o.flags = c.nodeFlags(cmd)
}

// options returns the node options.
func (o *pipeOptions) options() (list []zre.Option) {
	if o.auto {
		list = append(list, zre.WithAutoState())
	}
	if o.discard {
		list = append(list, zre.WithSendOnly())
	}
	if o.skips {
		list = append(list, zre.WithShoutPolicy(zre.ShoutSkipsBusy))
	}
	return list
}

// node makes the node.
func (o *pipeOptions) node(cmd *cobra.Command, p *piper) (*zre.Node, error) {
	options, err := o.flags.options(cmd, p)
	if err != nil {
		return nil, err
	}
	node, err := zre.NewNode(append(o.options(), options...)...)
	if err != nil {
		return nil, &usageError{err: keyfiles.PlainError(err)}
	}
	for _, group := range o.groups {
		if err := node.Join(group); err != nil {
			return nil, usageErrorf("--group: %w", keyfiles.PlainError(err))
		}
	}
	for _, group := range o.contests {
		if err := node.Contest(group); err != nil {
			return nil, usageErrorf("--contest: %w", keyfiles.PlainError(err))
		}
	}
	if o.state != nil {
		if err := node.SetState(*o.state); err != nil {
			return nil, usageErrorf("--state: %w", keyfiles.PlainError(err))
		}
	}
	return node, nil
}

// linger is how long queued messages may take at the end.
func (o *pipeOptions) linger() time.Duration {
	if d, err := parseDuration(o.flags.last("linger")); err == nil {
		return d
	}
	return 5 * time.Second
}

func (c *cli) runPipe(cmd *cobra.Command, o *pipeOptions) error {
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	p := &piper{out: newLineWriter(c.out, stop), changed: make(chan struct{}, 1), skips: o.skips}
	node, err := o.node(cmd, p)
	if err != nil {
		return err
	}
	defer node.Close()
	p.node = node
	if err := startUninterrupted(ctx, node); err != nil {
		p.ready()
		return err
	}
	p.ready(readyLine(node))

	var events sync.WaitGroup
	events.Go(p.events)
	p.lanes = newLanes(context.WithoutCancel(ctx), node) // end ends it, with the reason that commands report
	failed := make(chan error, 1)
	go func() { // do not wait: a read of standard input cannot be interrupted
		defer stop()
		if err := p.wait(ctx, o.waits); err != nil {
			failed <- err
			return
		}
		p.commands(ctx, c.in)
		p.lanes.drain(o.linger())
	}()
	<-ctx.Done()
	p.lanes.end()
	lost := zre.Losses(node.Close())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		events.Wait()
		p.writeEnding(o.discard, lost)
	}()
	select {
	case <-ended:
	case <-time.After(writeTime):
		return fmt.Errorf("standard output is not read: events are lost")
	}
	select {
	case err := <-failed:
		return err
	default:
	}
	if len(lost) > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// piper connects a node to its input and output lines.
type piper struct {
	node     *zre.Node
	out      *lineWriter
	lanes    *lanes
	changed  chan struct{} // a peer has appeared
	skips    bool
	requests openRequests

	mu            sync.Mutex // guards the fields below
	readyWritten  bool       // ready, the first line, was written
	earlyWarnings []string   // warnings from before
}

// ready writes the first line and any earlier warnings.
func (p *piper) ready(first ...line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readyWritten = true
	for _, l := range first {
		p.out.write(l, true)
	}
	for _, text := range p.earlyWarnings {
		p.out.write(warningLine(text), true)
	}
	p.earlyWarnings = nil
}

// warn reports a warning of the node.
func (p *piper) warn(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.readyWritten {
		p.earlyWarnings = append(p.earlyWarnings, text)
		return
	}
	p.out.write(warningLine(text), true)
}

// events writes a line for each event until the node closes.
func (p *piper) events() {
	events := p.node.Events()
	for event := range events {
		l := lineFor(p.node, event)
		if r, ok := event.(zre.Request); ok {
			l.Request = p.requests.add(r)
		}
		p.out.write(l, len(events) == 0)
		if _, ok := event.(zre.Enter); ok {
			select {
			case p.changed <- struct{}{}:
			default:
			}
		}
	}
}

// wait waits for the number of peers in w.
func (p *piper) wait(ctx context.Context, w waiting) error {
	if w.peers == 0 {
		return nil
	}
	late := time.NewTimer(w.time)
	defer late.Stop()
	for {
		peers := p.node.Peers()
		if len(peers) >= w.peers {
			return nil
		}
		select {
		case <-p.changed:
		case <-late.C:
			err := fmt.Errorf("--wait-for %d: found %d within %v: %s", w.peers, len(peers), w.time, listOf(namesOf(peers), "none"))
			p.writeError(err)
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// writeEnding writes the lines at the end.
func (p *piper) writeEnding(discards bool, lost []*zre.LostError) {
	if discards {
		count := p.node.Stats().Discarded
		p.out.write(line{Event: "discarded", Messages: &count}, true)
	}
	for _, l := range lost {
		p.out.write(lossLine(l), true)
	}
}

// commands reads and executes commands until quit or the end of input.
func (p *piper) commands(ctx context.Context, in io.Reader) {
	reader := bufio.NewReaderSize(in, 64<<10)
	var buffer []byte
	for ctx.Err() == nil {
		text, tooLong, err := readLine(reader, buffer[:0], maxLine)
		buffer = text
		switch {
		case tooLong:
			p.writeError(fmt.Errorf("a line has more than %d bytes", maxLine))
		case len(text) > 0:
			if c := parseCommand(text); c.quits() {
				p.finish(c, nil)
				return
			} else {
				p.do(ctx, c)
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *piper) writeError(err error) { p.out.write(line{Event: "error", Error: err.Error()}, true) }

// finish reports how a command ended.
func (p *piper) finish(c *command, err error) {
	switch {
	case err != nil:
		p.out.write(line{Event: "error", ID: c.id, Error: err.Error(), Code: codeOf(err)}, true)
	case c.id != nil:
		p.out.write(line{Event: "ok", ID: c.id}, true)
	}
}

// readLine reads a line into buffer, without its end. It discards a line longer than limit.
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
		return trimNewline(buffer), tooLong, err
	}
}
