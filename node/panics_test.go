package node

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

// A handler that panics all the time does not fill the log. The log gives the number of panics.
func TestPanicsInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		n := &Node{log: zerolog.New(&log)}
		lines := func() (list []string) {
			list = strings.Split(strings.TrimSpace(log.String()), "\n")
			log.Reset()
			return list
		}
		for range 1000 {
			n.LogPanic(uuid.Nil, "no", []byte("stack"))
		}
		if got := lines(); len(got) != panicsPerSecond || !strings.Contains(got[0], `"panic":"no","stack":"stack"`) || strings.Contains(got[0], "skipped") {
			t.Errorf("the log has %d lines, want %d with the panic and the stack; the first is %s", len(got), panicsPerSecond, got[0])
		}
		time.Sleep(time.Second) // fake time
		n.LogPanic(uuid.Nil, "no", nil)
		n.LogPanic(uuid.Nil, "no", nil)
		if got := lines(); len(got) != 2 || !strings.Contains(got[0], `"skipped":995`) || strings.Contains(got[1], "skipped") {
			t.Errorf("a second later the log has %q, want two lines, the first with the number skipped", got)
		}
	})
}
