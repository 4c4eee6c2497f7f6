package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/term"

	"github.com/go-zre/go-zre/internal/plain"
)

// output is standard output, which may break: then the command ends as by a signal, and the error is told at the end.
type output struct {
	mu     sync.Mutex
	writer io.Writer
	broken func()
	err    error // the first
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.writer.Write(p)
	if err != nil {
		o.err = err
		o.broken()
	}
	return n, err
}

// fail has it broken by an error.
func (o *output) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
		o.broken()
	}
}

func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// isClosed tells whether a write failed since nobody reads any more.
func isClosed(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}

// say prints a line. Text of strangers in it must have been through plain.Text.
func (c *cli) say(format string, values ...any) { fmt.Fprintf(c.out, format+"\n", values...) }

// json prints a value as a line of JSON, without characters that command a terminal.
func (c *cli) json(value any) {
	_ = jsonTo(c.out).Encode(value) // an error of the output is told at the end
}

// jsonTo returns an encoder for lines of JSON.
func jsonTo(w io.Writer) *json.Encoder {
	encoder := json.NewEncoder(plainJSON{w})
	encoder.SetEscapeHTML(false)
	return encoder
}

// plainJSON escapes in JSON what plain.Text escapes elsewhere.
type plainJSON struct{ w io.Writer }

func (p plainJSON) Write(text []byte) (int, error) {
	if _, err := p.w.Write(plain.JSON(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// columns returns the width of a terminal, 0 for what is none.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// hasColour tells whether w is a terminal that shows colours, and the user wants them.
func hasColour(w io.Writer) bool {
	return columns(w) > 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// The colours, by number of SGR.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
	faint  = "2"
)

// paint colours a text, where there are colours.
func (c *cli) paint(colour, text string) string {
	if !c.colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
