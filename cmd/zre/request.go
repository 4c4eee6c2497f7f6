package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/termtext"
	"github.com/go-zre/go-zre/zre"
)

// replyLine is what zre request --json prints.
type replyLine struct {
	Event   string    `json:"event"` // "reply"
	Peer    string    `json:"peer"`
	Name    string    `json:"name"`
	Frames  *[][]byte `json:"frames,omitempty"`
	Text    *[]string `json:"text,omitempty"`
	Elapsed float64   `json:"elapsed_ms"`
	Error   string    `json:"error,omitempty"`
}

func (c *cli) request() *cobra.Command {
	var asJSON, raw bool
	wait, timeout := waitTime, flushTime
	cmd := &cobra.Command{
		Use:   "request PEER NAME [TEXT…|-] [options]",
		Short: "Sends a request to a node, and prints the reply.",
		Long: `Sends a request to a node, and prints the reply, each frame on its own lines. PEER is a name, a UUID or the beginning of one, as for zre whisper. NAME says what is requested. NAME and each TEXT are the frames of the request.
The node needs a program that answers: zre on request, a Go program with Node.Serve, or any program with zre pipe.`,
		Example: `  zre request robot temperature kitchen
  zre request printer print - < page.pdf         sends standard input as the last frame
  zre request camera picture --raw > now.jpg`,
		Annotations: map[string]string{
			noteExit: "0 the node replied; 1 it did not, or replied with an error, or is not present; 2 wrong usage",
			noteJSON: `With --json it prints one object: event (reply), peer, name, frames (base64), text (the frames as text, if all are UTF-8) and elapsed_ms. It has error if there was no reply.`,
		},
		Args:              arguments(true, "PEER", "NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	jsonFlag(cmd, &asJSON, "print the reply as a JSON object")
	switchFlag(cmd, &raw, "raw", "print the frames as they are, with nothing between them")
	timeFlag(cmd, &timeout, "timeout", "how long to wait for the reply", time.Millisecond)
	timeFlag(cmd, &wait, "wait", "how long to look for the node", 0)
	flags := c.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return flags.withPeer(cmd, args[0], wait, func(s *session, peer *zre.Peer) (err error) {
			frames := make([][]byte, len(args)-1)
			for i, word := range args[1:] {
				frames[i] = []byte(word)
			}
			if last := len(frames) - 1; last > 0 && args[last+1] == "-" {
				if frames[last], err = readAll(cmd.Context(), c.in); err != nil {
					return err
				}
			}
			began := time.Now()
			reply, err := s.sendRequest(cmd.Context(), peer, timeout, frames)
			return c.printReply(peer, reply, time.Since(began), err, asJSON, raw)
		})
	}
	return cmd
}

// sendRequest makes a request.
func (s *session) sendRequest(ctx context.Context, peer *zre.Peer, timeout time.Duration, frames [][]byte) (zre.Reply, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%s did not reply within %v", quoted(peer.Name), timeout))
	defer cancel()
	reply, err := s.node.Request(ctx, peer.UUID, frames...)
	var said *zre.ReplyError
	switch {
	case err == nil:
	case errors.Is(err, zre.ErrNoHandler):
		err = fmt.Errorf("%s does not answer this request", quoted(peer.Name))
	case errors.Is(err, zre.ErrPeerGone), errors.Is(err, zre.ErrUnknownPeer):
		err = fmt.Errorf("%s left, or its connection broke, before it replied", quoted(peer.Name))
	case errors.As(err, &said):
		err = fmt.Errorf("%s: %s", quoted(peer.Name), said.Text)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return reply, err
}

// printReply prints a reply.
func (c *cli) printReply(peer *zre.Peer, reply zre.Reply, took time.Duration, err error, asJSON, raw bool) error {
	switch {
	case asJSON:
		l := replyLine{Event: "reply", Peer: peer.UUID.String(), Name: peer.Name, Elapsed: float64(took.Microseconds()) / 1000}
		if err != nil {
			l.Error = err.Error()
			err = exitError(exitFailed)
		} else {
			l.Frames, l.Text = framesOf(reply.Frames)
		}
		c.json(l)
	case err != nil:
	case raw:
		for _, frame := range reply.Frames {
			_, _ = c.out.Write(frame) // errors of the output are reported at the end
		}
	default:
		for _, frame := range reply.Frames {
			for _, line := range linesOf(frame) {
				c.printf("%s", line)
			}
		}
	}
	return err
}

// linesOf formats a frame for people: the lines of its text, or its size if it is not text.
func linesOf(frame []byte) (list []string) {
	if !utf8.Valid(frame) {
		return []string{contentText([][]byte{frame})}
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(frame), "\n"), "\n") {
		list = append(list, termtext.Text(line))
	}
	return list
}
