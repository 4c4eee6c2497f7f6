//go:build linux || darwin || freebsd

package ipc

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// A home is a node's directory, with the lock that says that the node is alive.
type home struct {
	path string
	dir  *os.File // holds the lock
}

// openHome makes the directory of a node, if necessary, and locks it.
func (d Dir) openHome(id uuid.UUID) (*home, error) {
	const tries, pause = 20, 5 * time.Millisecond
	path := d.home(id)
	for range tries {
		if err := makeDir(string(d)); err != nil {
			return nil, err
		}
		if err := d.check(id); err != nil {
			return nil, err
		}
		if err := makeDir(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		h, err := lockHome(path)
		switch {
		case err == nil:
			return h, nil
		case errors.Is(err, unix.EWOULDBLOCK): // perhaps only for a moment, by a sweep, or by a predecessor that is closing
			time.Sleep(pause)
		case !errors.Is(err, fs.ErrNotExist): // or swept away just now
			return nil, err
		}
	}
	return nil, fmt.Errorf("ipc: a live process already listens for node %v, in %s: %w", id, path, syscall.EADDRINUSE)
}

// lockHome locks an existing directory. The error wraps EWOULDBLOCK if another listener, of any process, has the lock, and fs.ErrNotExist
// if the directory is gone.
func lockHome(path string) (*home, error) {
	if err := checkPrivate(path); err != nil {
		return nil, err
	}
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("ipc: cannot open %s: %w", path, err)
	}
	h := &home{path: path, dir: dir}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("ipc: cannot lock %s: %w", path, err)
	}
	if !h.isCurrent() {
		h.unlock()
		return nil, fmt.Errorf("ipc: %s was removed meanwhile: %w", path, fs.ErrNotExist)
	}
	return h, nil
}

// isCurrent tells whether the path still leads to the locked directory.
func (h *home) isCurrent() bool {
	there, err := os.Lstat(h.path)
	if err != nil {
		return false
	}
	ours, err := h.dir.Stat()
	return err == nil && os.SameFile(there, ours)
}

// clear removes a socket, which can only be a dead node's. Anything else of that name is an error.
func (h *home) clear() error {
	path := filepath.Join(h.path, socketName)
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("ipc: cannot use %s: %w", path, err)
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("ipc: %s is not a socket (%v); remove it", path, info.Mode())
	}
	// Through the locked directory, not through its path, which may be a successor's if /tmp was emptied.
	if err := unix.Unlinkat(int(h.dir.Fd()), socketName, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ipc: cannot remove %s: %w", path, err)
	}
	return nil
}

// remove gives up the lock; if the path still leads to the locked directory it removes that and its content.
func (h *home) remove() {
	defer h.unlock()
	if h.isCurrent() && h.clear() == nil {
		_ = os.Remove(h.path)
	}
}

// unlock unlocks explicitly: a child process that is just being started has copies of all descriptors for a moment, and with them the lock.
func (h *home) unlock() {
	_ = unix.Flock(int(h.dir.Fd()), unix.LOCK_UN)
	_ = h.dir.Close()
}

// sweep removes what killed nodes left. A live node's directory is locked, so it is skipped. A young one is skipped too, so that a node
// that is just starting does not have to wait for our lock.
func (d Dir) sweep(age time.Duration) {
	const maxNames, maxRemovals = 1000, 100 // at most, so that Listen takes no more than some 10 ms
	dir, err := os.Open(string(d))
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(maxNames)
	removed := 0
	for _, name := range names {
		if id, err := hex.DecodeString(name); err != nil || len(id) != len(uuid.UUID{}) {
			continue
		}
		path := filepath.Join(string(d), name)
		if info, err := os.Lstat(path); err != nil || time.Since(info.ModTime()) < age {
			continue
		}
		if h, err := lockHome(path); err == nil {
			h.remove()
			if removed++; removed == maxRemovals {
				return
			}
		}
	}
}
