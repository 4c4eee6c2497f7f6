//go:build !linux && !darwin && !freebsd

package ipc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"

	"github.com/google/uuid"
)

var errUnsupported = fmt.Errorf("ipc: not supported on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Listen fails.
func (d Dir) Listen(id uuid.UUID) (net.Listener, error) {
	return nil, errUnsupported
}

// Dial fails, also with ErrAbsent, because no node can listen.
func (d Dir) Dial(ctx context.Context, id uuid.UUID) (net.Conn, error) {
	return nil, fmt.Errorf("%w: %w", ErrAbsent, errUnsupported)
}
