package bench

import (
	"bytes"
	"os"
	"strconv"
)

// Resident returns the bytes of memory that this process occupies, now and at most so far; 0 if the system does not report it, which is
// everywhere but on Linux.
func Resident() (now, most int64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range bytes.Lines(status) {
		fields := bytes.Fields(line)
		if len(fields) != 3 || string(fields[2]) != "kB" {
			continue
		}
		n, _ := strconv.ParseInt(string(fields[1]), 10, 64) // an invalid number shows as unknown
		switch string(fields[0]) {
		case "VmRSS:":
			now = n << 10
		case "VmHWM:":
			most = n << 10
		}
	}
	return now, most
}
