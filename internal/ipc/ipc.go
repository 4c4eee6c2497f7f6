// Package ipc is how ZRE nodes of one user on one host reach each other without TCP: by unix sockets, on a path that both
// sides derive from the listening node's UUID.
//
//	/tmp/zre-1000/                                  of the effective user 1000, mode 0700
//	/tmp/zre-1000/<UUID, 32 hex digits>/            of one node, which holds a lock (flock) on it while it lives
//	/tmp/zre-1000/<UUID, 32 hex digits>/socket
//
// Three things keep other users out: nothing is used in a directory that another user could have written, the kernel is asked
// for the effective user of each connection's other end, on both sides, and a path never leads through a symbolic link. Root
// is a user like the others, and a set-user-ID program counts by its effective user.
//
// The lock tells whether a node lives, with no need to ask it: the kernel drops it with the process, however that ended.
// So what a dead node left is replaced or swept away, and nothing of a living one is ever touched. (To connect and see
// would disturb the living, and BSD refuses a connection also when a living node has too many waiting.)
//
// The path does not depend on TMPDIR or XDG_RUNTIME_DIR, which differ between a service and a shell of the same user. Where
// two processes don't share /tmp, as in containers, Dial finds nobody. Linux's abstract names would need no
// files, but they belong to a network, have no owner, and anybody may take them first.
//
// On Linux, macOS and FreeBSD. Elsewhere Listen and Dial fail with an error that wraps errors.ErrUnsupported.
package ipc

import (
	"errors"
	"os"
	"strconv"
)

// ErrAbsent says that Dial found nobody: no directory, no socket, or none that is listened on. It is no news: the node may be
// another user's, in another container, or have no ipc. Any other error of Dial is worth a line in the log.
var ErrAbsent = errors.New("ipc: no node listens here")

// A Dir is the path of a user's directory. It need not exist, but what it is in must: Listen makes the last element alone.
type Dir string

// Default returns the directory of the effective user. It is the same for all of that user's processes.
func Default() Dir {
	return Dir("/tmp/zre-" + strconv.Itoa(os.Geteuid()))
}
