//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// hangup calls gone when nobody reads any more from a pipe that w is, though nothing is written.
func hangup(ctx context.Context, w io.Writer, gone func()) {
	file, ok := w.(*os.File)
	if !ok {
		return
	}
	if info, err := file.Stat(); err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return
	}
	fd := int32(file.Fd())
	go func() {
		for ctx.Err() == nil {
			fds := []unix.PollFd{{Fd: fd}} // errors are told without being asked for
			n, err := unix.Poll(fds, 1000)
			switch {
			case errors.Is(err, unix.EINTR):
			case err != nil:
				return
			case n > 0:
				gone()
				return
			}
		}
	}()
}
