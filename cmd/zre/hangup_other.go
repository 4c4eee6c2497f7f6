//go:build !unix

package main

import (
	"context"
	"io"
)

// hangup does nothing: on this system only a write shows that the reader is gone.
func hangup(context.Context, io.Writer, func()) {}
