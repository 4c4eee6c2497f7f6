//go:build linux

package interop

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// counter returns one of the counters that the kernel keeps for a host, such as ActiveOpens of Tcp.
func counter(t *testing.T, host *testbed.Host, protocol, name string) (value int) {
	t.Helper()
	err := host.Do(func() error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/net/snmp", syscall.Gettid()))
		if err != nil {
			return err
		}
		var names []string // in one line, and the numbers in the next
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) == 0 || fields[0] != protocol+":" {
				continue
			}
			if names == nil {
				names = fields
				continue
			}
			for i, n := range names {
				if n == name {
					value, err = strconv.Atoi(fields[i])
					return err
				}
			}
		}
		return fmt.Errorf("no counter %s of %s", name, protocol)
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}
