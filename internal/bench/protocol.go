// Package bench measures a ZRE network with its own messages: a server counts and echoes, a client sends and measures the time. The tool's
// command "zre bench" and the harness of "make bench" use it.
//
// A server is a node in the group ZRE-BENCH. From each peer it takes
//
//   - WHISPERs of one frame that begins with 'E': whispered back unchanged;
//   - any other WHISPER of one frame, and SHOUT to the group: counted;
//   - WHISPERs of two frames, "ZRE-BENCH/1" and "REPORT": answered with "ZRE-BENCH/1" and a line such as
//     "messages=400000 octets=6400000 process=9af3 processor-ns=812000000 allocations=800123 allocated=19200000": what that peer sent
//     since its last REPORT, a word that tells processes apart, and what the whole process has spent since it started.
//
// Everything else is ignored. The messages of a peer are in order, so the answer to REPORT says that everything before it arrived.
package bench

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	// Group is the group that servers are in.
	Group = "ZRE-BENCH"

	version       = "ZRE-BENCH/1"
	reportRequest = "REPORT"
	echoMark      = 'E'
)

// Cost is what a process has spent since it started, or between two moments.
type Cost struct {
	Processor   time.Duration // 0 if the system does not report it
	Allocations uint64        // on the heap
	Allocated   uint64        // bytes
}

// Spent returns what this process has spent so far.
func Spent() Cost {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Cost{Processor: processor(), Allocations: m.Mallocs, Allocated: m.TotalAlloc}
}

func (c Cost) minus(d Cost) Cost {
	return Cost{c.Processor - d.Processor, c.Allocations - d.Allocations, c.Allocated - d.Allocated}
}

func (c Cost) plus(d Cost) Cost {
	return Cost{c.Processor + d.Processor, c.Allocations + d.Allocations, c.Allocated + d.Allocated}
}

// report is the answer to REPORT.
type report struct {
	messages, bytes uint64
	process         string
	cost            Cost
}

// thisProcess distinguishes the processes of a run.
var thisProcess = strconv.FormatUint(rand.Uint64(), 36)

const reportFormat = "messages=%d octets=%d process=%s processor-ns=%d allocations=%d allocated=%d"

func (r report) String() string {
	return fmt.Sprintf(reportFormat, r.messages, r.bytes, r.process, r.cost.Processor, r.cost.Allocations, r.cost.Allocated)
}

// parseReport reads a report from the network.
func parseReport(text string) (r report, err error) {
	if len(text) > 400 || strings.Count(text, " ") != 5 {
		return r, fmt.Errorf("bench: not a report: %.100q", text)
	}
	_, err = fmt.Sscanf(text, reportFormat, &r.messages, &r.bytes, &r.process, &r.cost.Processor, &r.cost.Allocations, &r.cost.Allocated)
	if err != nil {
		return r, fmt.Errorf("bench: not a report: %.100q: %w", text, err)
	}
	return r, nil
}
