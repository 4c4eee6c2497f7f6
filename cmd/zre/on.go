package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/zre"
)

// handledLine is a line of zre on --json.
type handledLine struct {
	Event   string  `json:"event"` // "handled"
	Peer    string  `json:"peer"`
	Name    string  `json:"name"`
	Group   string  `json:"group,omitempty"`
	Status  int     `json:"status"`
	Elapsed float64 `json:"elapsed_ms"`
	Error   string  `json:"error,omitempty"`
}

// handler runs a program for each message.
type handler struct {
	*session
	program []string
	json    bool
	reply   bool
	timeout time.Duration
	free    chan struct{} // has room for as many as may run at once
	running sync.WaitGroup
}

func (c *cli) on() *cobra.Command {
	cmd := &cobra.Command{
		Use:         "on",
		Short:       "Runs a program for each message that comes.",
		Long:        "Runs a program for each message that comes.",
		Annotations: map[string]string{noteExit: exitStatus},
		Args:        noSuchCommand,
		RunE:        func(*cobra.Command, []string) error { return misused("choose shout or whisper") },
	}
	cmd.AddCommand(c.onMessage(true), c.onMessage(false))
	return cmd
}

const aboutHandler = `
The content comes on its standard input, all frames in a row. Its environment has ZRE_EVENT (shout or whisper), ZRE_EVENT_PEER (the sender's UUID), ZRE_EVENT_NAME (its name), ZRE_EVENT_GROUP, ZRE_EVENT_FRAMES (how many) and ZRE_EVENT_SIZES (the bytes of each, with spaces between them).
No shell is between: what strangers send becomes no part of a command line. Do not make it one in a script of yours either.
Messages wait while as many programs run as --jobs says; then the senders wait.`

func (c *cli) onMessage(shout bool) *cobra.Command {
	var h handler
	var count int
	jobs := 1
	cmd := &cobra.Command{
		Use:   "whisper -- PROGRAM [ARGUMENT…]",
		Short: "Runs a program for each message to this node.",
		Long:  "Runs a program for each message that is whispered to this node." + aboutHandler,
		Example: `  zre on whisper --name printer -- lp                    prints what is sent to the node "printer"
  zre on whisper --name clock --reply -- date            answers with what the program prints`,
		Annotations: map[string]string{
			noteExit: "0 it was interrupted, or has handled so many messages as --count says; 1 it failed; 2 wrong usage. The statuses of the program are told, and do not end it",
			noteJSON: `With --json it prints a line for each program that has ended: event (handled), peer, name, group, status, elapsed_ms, and error if it could not be run; what the program prints then goes to standard error.`,
		},
		Args: noGroups,
	}
	if shout {
		cmd.Use, cmd.Short, cmd.Args = "shout GROUP… -- PROGRAM [ARGUMENT…]", "Runs a program for each message to a group.", someGroups
		cmd.Long = "Runs a program for each message that is shouted to a group." + aboutHandler
		cmd.Example = `  zre on shout LOG -- tee -a all.log                     writes down what is said in a group
  zre on shout WORK --jobs 4 -- ./convert                at most four at once`
	}
	jsonFlag(cmd, &h.json, "print a line of JSON for each program that has ended")
	switchFlag(cmd, &h.reply, "reply", "whisper what the program prints back to the sender, if its status is 0")
	numberFlag(cmd, &jobs, "jobs", "how many programs may run at once (default 1: one after the other, in order)", 1, 1000)
	numberFlag(cmd, &count, "count", "end after so many messages", 1, 1<<30)
	timeFlag(cmd, &h.timeout, "timeout", "end a program that runs for longer (default: never)", time.Millisecond)
	flags := c.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dash := cmd.ArgsLenAtDash()
		h.program = args[dash:]
		if _, err := exec.LookPath(h.program[0]); err != nil {
			return misused("cannot run %q: %w", h.program[0], errors.Unwrap(err))
		}
		node, err := flags.start(cmd.Context(), cmd, args[:dash])
		if err != nil {
			return err
		}
		h.session = &session{cli: c, cmd: cmd, node: node}
		h.free = make(chan struct{}, jobs)
		h.handle(cmd.Context(), shout, count)
		return h.close()
	}
	return cmd
}

func noGroups(cmd *cobra.Command, args []string) error {
	switch dash := cmd.ArgsLenAtDash(); {
	case dash < 0 || dash == len(args):
		return misused("PROGRAM is missing: write it behind --")
	case dash > 0:
		return misused("unexpected argument %q", args[0])
	}
	return nil
}

func someGroups(cmd *cobra.Command, args []string) error {
	switch dash := cmd.ArgsLenAtDash(); {
	case dash == 0 || len(args) == 0:
		return misused("GROUP is missing")
	case dash < 0 || dash == len(args):
		return misused("PROGRAM is missing: write it behind --")
	}
	return nil
}

// handle runs the program for each message, until ctx ends or count messages were handled. It waits for those that run.
func (h *handler) handle(ctx context.Context, shouts bool, count int) {
	defer h.running.Wait()
	handled := 0
	for event := range h.node.All(ctx) {
		var group string
		var frames [][]byte
		switch e := event.(type) {
		case zre.Problem:
			if !e.Solved {
				h.complain(h.cmd, errors.New(e.String()))
			}
			continue
		case zre.Shout:
			if !shouts {
				continue
			}
			group, frames = e.Group, e.Frames
		case zre.Whisper:
			if shouts {
				continue
			}
			frames = e.Frames
		default:
			continue
		}
		select {
		case h.free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		h.running.Go(func() {
			defer func() { <-h.free }()
			h.run(ctx, event.From(), group, frames)
		})
		if handled++; handled == count {
			return
		}
	}
}

// run runs the program for one message.
func (h *handler) run(ctx context.Context, peer *zre.Peer, group string, frames [][]byte) {
	began := time.Now()
	if h.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, h.timeout, fmt.Errorf("ended after %v", h.timeout))
		defer cancel()
	}
	program := exec.CommandContext(ctx, h.program[0], h.program[1:]...)
	program.Cancel = func() error { return program.Process.Signal(syscall.SIGTERM) }
	program.WaitDelay = 2 * time.Second
	program.Env = append(os.Environ(), facts(peer, group, frames)...)
	readers := make([]io.Reader, len(frames))
	for i, frame := range frames {
		readers[i] = bytes.NewReader(frame)
	}
	program.Stdin = io.MultiReader(readers...)
	program.Stderr = h.errs
	var printed bytes.Buffer
	switch {
	case h.reply:
		program.Stdout = &printed
	case h.json:
		program.Stdout = h.errs
	default:
		program.Stdout = h.out
	}
	err := program.Run()
	l := handledLine{Event: "handled", Peer: peer.UUID.String(), Name: peer.Name, Group: group, Elapsed: float64(time.Since(began).Microseconds()) / 1000}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		l.Status = exit.ExitCode()
		if ctx.Err() != nil {
			l.Error = context.Cause(ctx).Error()
		}
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		l.Status, l.Error = -1, err.Error()
	case h.reply && printed.Len() > 0:
		if err := h.node.Whisper(ctx, peer.UUID, printed.Bytes()); err != nil {
			h.complain(h.cmd, fmt.Errorf("reply: %w", cause(err)))
		}
	}
	h.tell(l, err)
}

func (h *handler) tell(l handledLine, err error) {
	switch {
	case h.json:
		h.session.json(l)
	case err != nil && l.Error != "":
		h.complain(h.cmd, fmt.Errorf("%s for %s: %s", h.program[0], quoted(l.Name), l.Error))
	case err != nil:
		h.complain(h.cmd, fmt.Errorf("%s for %s: %w", h.program[0], quoted(l.Name), err))
	}
}

// facts are what the program is told of a message, as environment variables.
func facts(peer *zre.Peer, group string, frames [][]byte) []string {
	kind := "whisper"
	if group != "" {
		kind = "shout"
	}
	sizes := make([]string, len(frames))
	for i, frame := range frames {
		sizes[i] = strconv.Itoa(len(frame))
	}
	return []string{
		"ZRE_EVENT=" + kind,
		"ZRE_EVENT_PEER=" + peer.UUID.String(),
		"ZRE_EVENT_NAME=" + strings.ReplaceAll(peer.Name, "\x00", "\uFFFD"), // which no variable can hold
		"ZRE_EVENT_GROUP=" + group,
		"ZRE_EVENT_FRAMES=" + strconv.Itoa(len(frames)),
		"ZRE_EVENT_SIZES=" + strings.Join(sizes, " "),
	}
}
