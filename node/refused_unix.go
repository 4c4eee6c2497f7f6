//go:build !windows

package node

import (
	"errors"
	"syscall"
)

// isRefused tells that a host answered and nobody listens there.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
