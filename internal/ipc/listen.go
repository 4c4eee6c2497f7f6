//go:build linux || darwin || freebsd

package ipc

import (
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Listen listens for connections to a node, from processes of the same effective user. It makes the directories that it needs and removes
// what dead nodes left, of this UUID and of others. The error says what is not as it must be; it wraps syscall.EADDRINUSE if another live
// listener has that UUID, which takes 100 ms to be sure of. Otherwise Listen does not block.
//
// Accept closes a connection of another user and waits for the next. Its errors wrap net.ErrClosed after Close, and otherwise the system's
// error. Of those, syscall.EMFILE and ENFILE (no file descriptor is left), ENOBUFS and ENOMEM may pass: call Accept again after a while.
// Connections are *net.UnixConn. Close removes the socket, but never that of a successor; it is safe to call it again.
func (d Dir) Listen(id uuid.UUID) (net.Listener, error) {
	h, err := d.openHome(id)
	if err != nil {
		return nil, err
	}
	l, err := h.listen(d.socket(id))
	if err != nil {
		h.remove()
		return nil, err
	}
	d.sweep(time.Minute)
	return l, nil
}

// listen listens in a locked directory.
func (h *home) listen(path string) (*listener, error) {
	if err := h.clear(); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		return nil, fmt.Errorf("ipc: cannot listen: %w", err)
	}
	l.SetUnlinkOnClose(false) // home removes it, with more care
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("ipc: cannot listen: %w", err)
	}
	return &listener{unix: l, home: h}, nil
}

type listener struct {
	unix   *net.UnixListener
	home   *home
	remove sync.Once
}

// Accept waits for a connection of this user.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.unix.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if checkPeer(conn, os.Geteuid()) == nil {
			return tune(conn), nil
		}
		_ = conn.Close()
	}
}

// Close ends Accept. Connections stay open.
func (l *listener) Close() error {
	l.remove.Do(l.home.remove) // before the socket is removed: a process that finds the socket must be served
	return l.unix.Close()
}

// Addr returns the socket's path, a *net.UnixAddr.
func (l *listener) Addr() net.Addr { return l.unix.Addr() }
