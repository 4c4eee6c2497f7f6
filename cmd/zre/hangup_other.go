//go:build !unix

package main

import (
	"context"
	"io"
)

// hangup does nothing: here a write tells that nobody reads any more.
func hangup(context.Context, io.Writer, func()) {}
