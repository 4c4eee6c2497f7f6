//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// watchReader calls gone when w is a pipe and its reader goes away, even if nothing is written.
func watchReader(ctx context.Context, w io.Writer, gone func()) {
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
			fds := []unix.PollFd{{Fd: fd}} // poll reports errors even if no event is requested
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
