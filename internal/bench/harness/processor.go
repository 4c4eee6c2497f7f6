//go:build linux

package harness

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// processorOf returns the processor time of processes so far, to 10 ms.
func processorOf(t testing.TB, pids ...int) (sum time.Duration) {
	t.Helper()
	const tick = 10 * time.Millisecond // USER_HZ is 100 wherever Go runs
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		for _, field := range fields[11:13] { // utime and stime
			ticks, err := strconv.ParseInt(string(field), 10, 64)
			if err != nil {
				t.Fatalf("/proc/%d/stat: %v", pid, err)
			}
			sum += time.Duration(ticks) * tick
		}
	}
	return sum
}

// perMessage returns what processes have spent on a message since before, in microseconds.
func perMessage(t testing.TB, before time.Duration, count int, pids ...int) float64 {
	t.Helper()
	return float64((processorOf(t, pids...) - before).Microseconds()) / float64(count)
}
