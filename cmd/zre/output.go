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

	"github.com/go-zre/go-zre/internal/termtext"
)

// output is standard output. If a write fails, the command ends as if by a signal and reports the error at the end.
type output struct {
	mu     sync.Mutex
	writer io.Writer
	broken func()
	err    error // the first one
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

// fail records an error and ends the command.
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

// isClosed tells whether a write failed because the reader is gone.
func isClosed(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}

// printf prints a line. Pass text from other nodes through termtext.Text first.
func (c *cli) printf(format string, values ...any) { fmt.Fprintf(c.out, format+"\n", values...) }

// json prints a value as a line of JSON, with terminal control characters escaped.
func (c *cli) json(value any) {
	_ = jsonTo(c.out).Encode(value) // errors of the output are reported at the end
}

// jsonTo returns an encoder for lines of JSON.
func jsonTo(w io.Writer) *json.Encoder {
	encoder := json.NewEncoder(plainJSON{w})
	encoder.SetEscapeHTML(false)
	return encoder
}

// plainJSON escapes in JSON what termtext.Text escapes elsewhere.
type plainJSON struct{ w io.Writer }

func (p plainJSON) Write(text []byte) (int, error) {
	if _, err := p.w.Write(termtext.JSON(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// columns returns the width of a terminal, or 0 if w is not one.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// hasColour tells whether w is a terminal that shows colours and the user wants them.
func hasColour(w io.Writer) bool {
	return columns(w) > 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// The colours, as SGR numbers.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
	faint  = "2"
)

// paint colours a text if the output has colours.
func (c *cli) paint(colour, text string) string {
	if !c.colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
