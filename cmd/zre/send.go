package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/zre"
)

// maxMessage is the largest message from standard input. A node limits the total size of all frames and the header.
const maxMessage = 63 << 20

// flushTime is how long a peer may take to read the messages sent to it.
const flushTime = 10 * time.Second

// sentResult is what zre shout and whisper print with --json.
type sentResult struct {
	Event    string     `json:"event"` // "sent"
	Group    string     `json:"group,omitempty"`
	Messages int        `json:"messages"`
	Got      []peerName `json:"got"`
	Missed   []peerName `json:"missed"`
}

type peerName struct {
	Peer  string `json:"peer"`
	Name  string `json:"name"`
	Error string `json:"error,omitempty"`
}

const sentKeys = `With --json it prints one object: event (sent), group (of a shout), messages (their number), got and missed. These two are lists of nodes with peer (the UUID) and name; those in missed also have error, the reason.`

// sendOptions holds what zre shout and whisper share.
type sendOptions struct {
	json, lines, frames bool
	timeout             time.Duration
}

func (o *sendOptions) addFlags(cmd *cobra.Command) {
	jsonFlag(cmd, &o.json, "print the result as a JSON object")
	switchFlag(cmd, &o.frames, "frames", "send each TEXT as a frame, instead of all in one frame with spaces between them")
	switchFlag(cmd, &o.lines, "lines", "with -: send each line of standard input as a message, instead of all of it as one")
	o.timeout = flushTime
	timeFlag(cmd, &o.timeout, "timeout", "how long a receiver may take to read the message", time.Millisecond)
}

// check verifies that the options fit the words of the message.
func (o *sendOptions) check(words []string) error {
	stdin := len(words) == 1 && words[0] == "-"
	switch {
	case o.lines && !stdin:
		return usageErrorf("--lines goes with - in place of TEXT")
	case o.frames && stdin:
		return usageErrorf("--frames goes with TEXT, not with -")
	}
	return nil
}

// messages passes the messages to send, one after the other.
func (o *sendOptions) messages(ctx context.Context, in io.Reader, words []string, send func(frames [][]byte) error) error {
	switch {
	case len(words) != 1 || words[0] != "-":
		if !o.frames {
			words = []string{strings.Join(words, " ")}
		}
		frames := make([][]byte, len(words))
		for i, word := range words {
			frames[i] = []byte(word)
		}
		return send(frames)
	case !o.lines:
		text, err := readAll(ctx, in)
		if err != nil {
			return err
		}
		return send([][]byte{text})
	}
	lines, failed := readLines(ctx, in)
	for line := range lines {
		if err := send([][]byte{line}); err != nil {
			return err
		}
	}
	return failed()
}

// readAll reads a message to its end, or until ctx ends.
func readAll(ctx context.Context, in io.Reader) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() { // do not wait: a read of standard input cannot be interrupted
		text, err := io.ReadAll(io.LimitReader(in, maxMessage+1))
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		if len(r.text) > maxMessage {
			r.err = fmt.Errorf("standard input is larger than the largest message, %d MiB", maxMessage>>20)
		}
		return r.text, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// readLines reads lines to the end, or until ctx ends. Then failed returns why it ended early, if it did.
func readLines(ctx context.Context, in io.Reader) (lines <-chan []byte, failed func() error) {
	list := make(chan []byte)
	var err error
	go func() {
		defer close(list)
		reader := bufio.NewReaderSize(in, 64<<10)
		for {
			line, tooLong, end := readLine(reader, nil, maxMessage)
			switch {
			case tooLong:
				err = fmt.Errorf("a line is longer than the largest message, %d MiB", maxMessage>>20)
				return
			case end != nil && len(line) == 0:
				if !errors.Is(end, io.EOF) {
					err = end
				}
				return
			}
			select {
			case list <- line:
			case <-ctx.Done():
				return
			}
		}
	}()
	return list, func() error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
}

func (c *cli) shout() *cobra.Command {
	var o sendOptions
	var w waiting
	cmd := &cobra.Command{
		Use:   "shout GROUP TEXT…|- [options]",
		Short: "Sends a message to a group.",
		Long:  "Sends a message to the members of a group. It looks for members for two seconds, sends the message, waits until each member has read it, and names those that have not.",
		Example: `  zre shout CHAT hello everybody
  zre shout CHAT --wait-for 3 hello          sends as soon as three members are present
  date | zre shout CHAT -                    sends standard input as one message
  tail -f log | zre shout LOG - --lines      sends each line as a message`,
		Annotations: map[string]string{
			noteExit: "0 all members read the message; 1 some did not, or there are no members, or fewer than --wait-for says; 2 wrong usage",
			noteJSON: sentKeys,
		},
		Args:              arguments(true, "GROUP", "TEXT"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.addFlags(cmd)
	w.addFlags(cmd, "members")
	flags := c.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		group, words := args[0], args[1:]
		if err := errors.Join(checkGroup(group), o.check(words)); err != nil {
			return err
		}
		s, err := flags.session(cmd)
		if err != nil {
			return err
		}
		defer s.node.Close()
		whom := "members of " + quoted(group)
		members, err := s.members(cmd.Context(), w, whom, func() []*zre.Peer { return s.node.PeersIn(group) })
		if err != nil {
			return err
		}
		if len(members) == 0 {
			return fmt.Errorf("there are no %s; nothing was sent", whom)
		}
		r := newReceipt(group)
		err = o.messages(cmd.Context(), c.in, words, func(frames [][]byte) error {
			r.messages++
			r.addReceivers(s.node.PeersIn(group))
			return r.record(s.node.Shout(cmd.Context(), group, frames...))
		})
		return s.report(cmd.Context(), &o, r, err)
	}
	return cmd
}

func (c *cli) whisper() *cobra.Command {
	var o sendOptions
	wait := waitTime
	cmd := &cobra.Command{
		Use:   "whisper PEER TEXT…|- [options]",
		Short: "Sends a message to one node.",
		Long: `Sends a message to one node, and waits until that node has read it. PEER is the node's name, its UUID, or the beginning of its UUID (at least four digits).
If several nodes have the same name, it lists them and sends nothing.`,
		Example: `  zre whisper alice hello
  zre whisper 3f2a hello                   sends to the node whose UUID begins with 3f2a
  zre whisper alice - < picture.jpg        sends standard input as one message`,
		Annotations: map[string]string{
			noteExit: "0 the node read the message; 1 it did not, or it is not present, or several nodes have that name; 2 wrong usage",
			noteJSON: sentKeys,
		},
		Args:              arguments(true, "PEER", "TEXT"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.addFlags(cmd)
	timeFlag(cmd, &wait, "wait", "how long to look for the node", 0)
	flags := c.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.check(args[1:]); err != nil {
			return err
		}
		return flags.withPeer(cmd, args[0], wait, func(s *session, peer *zre.Peer) error {
			r := newReceipt("")
			r.addReceivers([]*zre.Peer{peer})
			err := o.messages(cmd.Context(), c.in, args[1:], func(frames [][]byte) error {
				r.messages++
				return r.record(s.node.Whisper(cmd.Context(), peer.UUID, frames...))
			})
			return s.report(cmd.Context(), &o, r, err)
		})
	}
	return cmd
}

// A receipt records the peers that messages are for, and those that missed one.
type receipt struct {
	group    string
	messages int
	order    []*zre.Peer
	known    map[uuid.UUID]bool
	missed   map[uuid.UUID]error
}

func newReceipt(group string) *receipt {
	return &receipt{group: group, known: make(map[uuid.UUID]bool), missed: make(map[uuid.UUID]error)}
}

// addReceivers adds the peers that the next message is for.
func (r *receipt) addReceivers(peers []*zre.Peer) {
	for _, p := range peers {
		if !r.known[p.UUID] {
			r.known[p.UUID] = true
			r.order = append(r.order, p)
		}
	}
}

// record records the peers that an error is about. It returns an error that is about no peer.
func (r *receipt) record(err error) error {
	if err == nil {
		return nil
	}
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	for _, err := range list {
		var peer *zre.PeerError
		if !errors.As(err, &peer) {
			return keyfiles.PlainError(err)
		}
		if r.missed[peer.UUID] == nil {
			r.missed[peer.UUID] = whyMissed(peer.Err)
		}
	}
	return nil
}

// whyMissed explains why a peer was sent nothing.
func whyMissed(err error) error {
	if errors.Is(err, zre.ErrUnknownPeer) {
		return errors.New("it has left")
	}
	return err
}

// flush waits until each peer that missed nothing has read all it was sent.
func (r *receipt) flush(ctx context.Context, node *zre.Node, d time.Duration) {
	ctx, cancel := context.WithTimeoutCause(ctx, d, fmt.Errorf("not read within %v", d))
	defer cancel()
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, p := range r.order {
		if r.missed[p.UUID] != nil {
			continue
		}
		all.Go(func() {
			err := node.Flush(ctx, p.UUID)
			if err == nil {
				return
			}
			var peer *zre.PeerError
			if errors.Is(err, zre.ErrUnknownPeer) {
				err = errors.New("it left before it had read everything")
			} else if ctx.Err() != nil {
				err = context.Cause(ctx)
			} else if errors.As(err, &peer) {
				err = peer.Err
			}
			mu.Lock()
			defer mu.Unlock()
			r.missed[p.UUID] = keyfiles.PlainError(err)
		})
	}
	all.Wait()
}

// report waits for the receivers and prints which ones got the messages.
func (s *session) report(ctx context.Context, o *sendOptions, r *receipt, err error) error {
	if r.messages > 0 {
		r.flush(ctx, s.node, o.timeout)
	}
	result := sentResult{Event: "sent", Group: r.group, Messages: r.messages, Got: []peerName{}, Missed: []peerName{}}
	var got []*zre.Peer
	var failed []error
	for _, p := range r.order {
		name := peerName{Peer: p.UUID.String(), Name: p.Name}
		if why := r.missed[p.UUID]; why != nil {
			name.Error = why.Error()
			result.Missed = append(result.Missed, name)
			failed = append(failed, fmt.Errorf("%s (%s) did not get it: %w", quoted(p.Name), shortID(p), why))
		} else {
			got = append(got, p)
			result.Got = append(result.Got, name)
		}
	}
	switch {
	case o.json:
		s.json(result)
	case len(got) > 0 && r.messages > 0:
		what := "the message"
		if r.messages > 1 {
			what = plural(r.messages, "message")
		}
		s.printf("%s got %s: %s", plural(len(got), "node"), what, listOf(namesOf(got), ""))
	}
	return errors.Join(append(failed, err, s.close())...)
}
