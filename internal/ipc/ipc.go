// Package ipc connects ZRE nodes of one user on one host without TCP: through unix sockets, on a path that both sides derive from the
// listening node's UUID.
//
//	/tmp/zre-1000/                                  of the effective user 1000, mode 0700
//	/tmp/zre-1000/<UUID, 32 hex digits>/            of one node, which holds a lock (flock) on it while it lives
//	/tmp/zre-1000/<UUID, 32 hex digits>/socket
//
// Three things keep other users out: nothing is used in a directory that another user could have written, both sides ask the kernel for the
// effective user of each connection's other end, and a path never leads through a symbolic link. Root is a user like the others, and a
// set-user-ID program counts by its effective user.
//
// The lock tells whether a node is alive without asking it: the kernel drops the lock with the process, however that ended. So what a dead
// node left is replaced or swept away, and nothing of a live one is ever touched. (A test connection would disturb live nodes, and BSD also
// refuses a connection when a live node has too many waiting.)
//
// The path does not depend on TMPDIR or XDG_RUNTIME_DIR, which differ between a service and a shell of the same user. If two processes
// don't share /tmp, as in containers, Dial finds no node. Linux's abstract names would need no files, but they belong to a network, have no
// owner, and any process may take them first.
//
// It works on Linux, macOS and FreeBSD. Elsewhere Listen and Dial fail with an error that wraps errors.ErrUnsupported.
package ipc

import (
	"errors"
	"os"
	"strconv"
)

// ErrAbsent says that Dial found no node: no directory, no socket, or none with a listener. That is normal: the node may belong to another
// user, run in another container, or have no ipc. Any other error of Dial is worth a line in the log.
var ErrAbsent = errors.New("ipc: no node listens here")

// A Dir is the path of a user's directory. It need not exist, but its parent must: Listen makes only the last element.
type Dir string

// Default returns the directory of the effective user. It is the same for all of that user's processes.
func Default() Dir {
	return Dir("/tmp/zre-" + strconv.Itoa(os.Geteuid()))
}
