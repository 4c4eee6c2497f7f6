//go:build linux || darwin || freebsd

package ipc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/google/uuid"
)

// Dial connects to a node of the same effective user. The error is ErrAbsent, wrapped, if no process listens; any other error says that
// something is not safe or went wrong. It does not wait for the node to accept. The connection is a *net.UnixConn.
func (d Dir) Dial(ctx context.Context, id uuid.UUID) (net.Conn, error) {
	conn, err := d.dial(ctx, id)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	if err != nil {
		return nil, err
	}
	if err := checkPeer(conn, os.Geteuid()); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return tune(conn), nil
}

func (d Dir) dial(ctx context.Context, id uuid.UUID) (*net.UnixConn, error) {
	path := d.socket(id)
	if err := d.check(id); err != nil {
		return nil, err
	}
	if err := checkPrivate(d.home(id)); err != nil {
		return nil, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("ipc: cannot use %s: %w", path, err)
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return nil, fmt.Errorf("ipc: %s is not safe: it is not a socket (%v)", path, info.Mode())
	}
	var dialer net.Dialer
	conn, err := dialer.DialUnix(ctx, "unix", nil, &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		return nil, fmt.Errorf("ipc: cannot connect: %w", err)
	}
	return conn, nil
}
