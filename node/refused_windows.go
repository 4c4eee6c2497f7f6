package node

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isRefused reports that a host answered and that nothing listens on the port.
func isRefused(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
