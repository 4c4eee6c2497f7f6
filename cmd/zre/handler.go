package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-zre/go-zre/internal/keyfiles"
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
	kind    string   // shout, whisper or request
	names   []string // of groups or requests
	program []string
	json    bool
	reply   bool
	timeout time.Duration
	slots   chan struct{} // limits how many programs run at once
	running sync.WaitGroup
}

// job is one message to handle.
type job struct {
	kind, group, requestName string
	peer                     *zre.Peer
	frames                   [][]byte
	request                  zre.Request // for a request
}

// handle runs the program for each message until ctx ends or count messages are handled. It waits for running programs.
func (h *handler) handle(ctx context.Context, count int) {
	defer h.running.Wait()
	handled := 0
	for event := range h.node.AllEvents(ctx) {
		if p, ok := event.(zre.Problem); ok && !p.Solved {
			h.printError(h.cmd, errors.New(problemText(p)))
		}
		j := h.job(ctx, event)
		if j == nil {
			continue
		}
		select {
		case h.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		h.running.Go(func() {
			defer func() { <-h.slots }()
			h.run(ctx, j)
		})
		if handled++; handled == count {
			return
		}
	}
}

// job returns the work for an event, or nil if there is none.
func (h *handler) job(ctx context.Context, event zre.Event) *job {
	j := &job{peer: event.From()}
	switch e := event.(type) {
	case zre.Shout:
		j.kind, j.group, j.frames = "shout", e.Group, e.Frames
	case zre.Whisper:
		j.kind, j.frames = "whisper", e.Frames
	case zre.Request:
		j.kind, j.requestName, j.frames, j.request = "request", e.Name(), e.Frames[1:], e
		if h.kind != "request" || !slices.Contains(h.names, j.requestName) {
			_ = e.ReplyError(ctx, "there is no handler for this request") // the peer may be gone
			return nil
		}
	}
	if j.kind != h.kind {
		return nil
	}
	return j
}

// run runs the program for one message.
func (h *handler) run(ctx context.Context, j *job) {
	began := time.Now()
	if h.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, h.timeout, fmt.Errorf("ended after %v", h.timeout))
		defer cancel()
	}
	printed, err := h.start(ctx, j)
	l := handledLine{Event: "handled", Peer: j.peer.UUID.String(), Name: j.peer.Name, Group: j.group, Elapsed: float64(time.Since(began).Microseconds()) / 1000}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		l.Status = exit.ExitCode()
		if ctx.Err() != nil {
			l.Error = context.Cause(ctx).Error()
		}
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		l.Status, l.Error = -1, err.Error()
	}
	h.answer(j, printed, l.Status)
	h.report(l, err)
}

// start runs the program to its end. It returns the program's output if it is wanted.
func (h *handler) start(ctx context.Context, j *job) ([]byte, error) {
	program := exec.CommandContext(ctx, h.program[0], h.program[1:]...)
	program.Cancel = func() error { return program.Process.Signal(syscall.SIGTERM) }
	program.WaitDelay = 2 * time.Second
	program.Env = append(os.Environ(), j.environment()...)
	readers := make([]io.Reader, len(j.frames))
	for i, frame := range j.frames {
		readers[i] = bytes.NewReader(frame)
	}
	program.Stdin = io.MultiReader(readers...)
	program.Stderr = h.errs
	var printed bytes.Buffer
	switch {
	case h.reply || h.kind == "request":
		program.Stdout = &printed
	case h.json:
		program.Stdout = h.errs
	default:
		program.Stdout = h.out
	}
	err := program.Run()
	return printed.Bytes(), err
}

// answerTime is how long an answer may wait for a busy peer.
const answerTime = 5 * time.Second

// answer sends the program's output if the message wants an answer.
func (h *handler) answer(j *job, printed []byte, status int) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime) // not ctx: the answer must go out even when the command ends
	defer cancel()
	var err error
	switch {
	case j.kind == "request" && status == 0:
		err = j.request.Reply(ctx, printed)
	case j.kind == "request" && status < 0:
		err = j.request.ReplyError(ctx, "the program did not run, or was ended")
	case j.kind == "request":
		err = j.request.ReplyError(ctx, fmt.Sprintf("the program failed with status %d", status))
	case h.reply && status == 0 && len(printed) > 0:
		err = h.node.Whisper(ctx, j.peer.UUID, printed)
	}
	if errors.Is(err, zre.ErrUnknownPeer) {
		err = errors.New("the peer has left")
	}
	if err != nil {
		h.printError(h.cmd, fmt.Errorf("reply to %s: %w", quoted(j.peer.Name), keyfiles.PlainError(err)))
	}
}

func (h *handler) report(l handledLine, err error) {
	switch {
	case h.json:
		h.session.json(l)
	case err != nil && l.Error != "":
		h.printError(h.cmd, fmt.Errorf("%s for %s: %s", h.program[0], quoted(l.Name), l.Error))
	case err != nil:
		h.printError(h.cmd, fmt.Errorf("%s for %s: %w", h.program[0], quoted(l.Name), err))
	}
}

// environment describes a message to the program, as environment variables.
func (j *job) environment() []string {
	sizes := make([]string, len(j.frames))
	for i, frame := range j.frames {
		sizes[i] = strconv.Itoa(len(frame))
	}
	list := []string{
		"ZRE_EVENT=" + j.kind,
		"ZRE_EVENT_PEER=" + j.peer.UUID.String(),
		"ZRE_EVENT_NAME=" + j.peer.Name,
		"ZRE_EVENT_GROUP=" + j.group,
		"ZRE_EVENT_REQUEST=" + j.requestName,
		"ZRE_EVENT_FRAMES=" + strconv.Itoa(len(j.frames)),
		"ZRE_EVENT_SIZES=" + strings.Join(sizes, " "),
	}
	for i, fact := range list {
		list[i] = strings.ReplaceAll(fact, "\x00", "\uFFFD") // a variable cannot hold NUL
	}
	return list
}
