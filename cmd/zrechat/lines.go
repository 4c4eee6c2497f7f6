package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-zre/go-zre/zre"
)

// maxLine is the longest input line in bytes: the largest message.
const maxLine = 64 << 20

// plainLines is a display without a terminal: a line for each entry.
type plainLines struct {
	out    io.Writer
	broken context.CancelCauseFunc // called when the reader is gone
}

func (p plainLines) show(e entry) {
	if e.kind == ownShout || e.kind == ownWhisper { // the user typed it
		return
	}
	if _, err := fmt.Fprintln(p.out, e); err != nil {
		p.broken(err)
	}
}

func (p plainLines) setMembers([]member) {}
func (p plainLines) maxBytes() int       { return 0 }

// runLines chats in plain lines until the end of in, /quit, or ctx.
func runLines(ctx context.Context, node *zre.Node, group string, in io.Reader, out io.Writer) error {
	chatting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := newRoom(node, group, plainLines{out, stop})
	typed := make(chan string)
	var broken error
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(typed)
		broken = readLines(in, maxLine, func(line string, err error) bool {
			if err != nil {
				r.warn("%s", err)
				return true
			}
			select {
			case typed <- line:
				return true
			case <-chatting.Done():
				return false
			}
		})
	})
	err := r.run(chatting, typed)
	if chatting.Err() == nil {
		select {
		case _, open := <-typed:
			if !open { // the input ended or failed
				reader.Wait()
				err = errors.Join(err, broken)
			}
		default: // after /quit the reader may wait for input forever
		}
	}
	if cause := context.Cause(chatting); ctx.Err() == nil && cause != nil {
		err = errors.Join(err, cause)
	}
	return err
}

// readLines calls yield with each line of r, or with an error for a line longer than limit bytes. It stops when yield returns false or r
// ends, and returns the error of r, or nil at its end.
func readLines(r io.Reader, limit int, yield func(line string, err error) bool) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	long := false
	for {
		part, err := in.ReadSlice('\n')
		switch {
		case long:
		case len(line)+len(bytes.TrimRight(part, "\r\n")) > limit:
			line, long = nil, true
		default:
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		text := string(bytes.TrimRight(line, "\r\n"))
		switch {
		case long:
			if !yield("", fmt.Errorf("a line is longer than %d bytes, and was not sent", limit)) {
				return nil
			}
		case err == nil || text != "":
			if !yield(text, nil) {
				return nil
			}
		}
		line, long = line[:0], false
		if cap(line) > 1<<20 {
			line = nil
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}
