package node

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isRefused tells that a host answered and nobody listens there.
func isRefused(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
