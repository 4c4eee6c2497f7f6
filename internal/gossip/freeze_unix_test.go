//go:build unix

package gossip

import (
	"syscall"
	"testing"
	"time"
)

// freeze stops a process for a while.
func freeze(t testing.TB, c *czmq, d time.Duration) {
	t.Helper()
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		if err := c.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if s == syscall.SIGSTOP {
			<-time.After(d)
		}
	}
}
