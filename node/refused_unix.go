//go:build !windows

package node

import (
	"errors"
	"syscall"
)

// isRefused reports that a host answered and that nothing listens on the port.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
