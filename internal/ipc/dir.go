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

	"github.com/google/uuid"
)

// maxPath is the longest path that a socket's address can hold, in bytes, without the zero byte at its end.
const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// home returns the path of one node's directory.
func (d Dir) home(id uuid.UUID) string {
	return filepath.Join(string(d), hex.EncodeToString(id[:]))
}

const socketName = "socket"

// socket returns the path of one node's socket.
func (d Dir) socket(id uuid.UUID) string {
	return filepath.Join(d.home(id), socketName)
}

// check tells whether paths below d mean what this user made, and will continue to do so.
func (d Dir) check(id uuid.UUID) error {
	if path := d.socket(id); len(path) > maxPath {
		return fmt.Errorf("ipc: %s is too long for a socket: %d bytes, at most %d are possible", path, len(path), maxPath)
	}
	// A user with write access to the directory around d could replace d at any time.
	parent := filepath.Dir(string(d))
	info, err := os.Stat(parent)
	if err != nil {
		return fmt.Errorf("ipc: cannot use %s: %w", parent, err)
	}
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("ipc: %s is not safe: others may write to it and it is not sticky (chmod +t %[1]s)", parent)
	}
	return checkPrivate(string(d))
}

// checkPrivate returns an error unless path is a directory of this user, and closed to everyone else. One of ours with another mode is refused,
// not repaired: it was open, so its content may come from others.
func checkPrivate(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("ipc: cannot use %s: %w", path, err)
	}
	switch owner := ownerOf(info); {
	case !info.IsDir():
		return fmt.Errorf("ipc: %s is not safe: it is not a directory (%v); remove it", path, info.Mode())
	case owner != os.Geteuid():
		return fmt.Errorf("ipc: %s is not safe: it belongs to user %d, this process to %d", path, owner, os.Geteuid())
	case info.Mode().Perm() != 0o700:
		return fmt.Errorf("ipc: %s is not safe: its mode is %#o, not 0700; remove it", path, info.Mode().Perm())
	}
	return nil
}

func ownerOf(info fs.FileInfo) int {
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// makeDir makes a directory with mode 0700 whatever the umask, unless the path exists already.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = os.Chmod(path, 0o700)
	}
	if err != nil {
		return fmt.Errorf("ipc: cannot make %s: %w", path, err)
	}
	return nil
}
