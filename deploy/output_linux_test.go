package deploy

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// output collects what a program writes.
type output struct {
	mu   sync.Mutex // guards text
	text strings.Builder
	more chan struct{} // receives a token after each write
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// wait waits until the output contains what.
func (o *output) wait(t *testing.T, what string) {
	t.Helper()
	for late := time.After(testbed.Patience); !strings.Contains(o.String(), what); {
		select {
		case <-o.more:
		case <-late:
			t.Fatalf("no %q in the output:\n%s", what, o)
		}
	}
}
