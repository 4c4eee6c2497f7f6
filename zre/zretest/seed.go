package zretest

import (
	"flag"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
)

var (
	seedFlag = flag.Uint64("zretest.seed", 0, "use this `seed` for every simulated LAN, to repeat a test that failed")
	runsFlag = flag.Int("zretest.runs", 0, "let each test of zretest.Run try this `number` of seeds, instead of its own number")
)

// Run runs a test in fake time with each seed from 1 to runs, several at once, each in a bubble of testing/synctest with a LAN of its own. A
// failed run prints the command that repeats it. The flag -zretest.runs sets another number of seeds, and -zretest.seed a single seed.
//
// The seed determines what the LAN does, what its Rand returns, and the jitter and ports of the nodes. It does not determine the order in which
// the goroutines of one instant run: where that matters, use -count to repeat a run several times.
func Run(t *testing.T, runs int, test func(t *testing.T, lan *LAN)) {
	t.Helper()
	first, last := uint64(1), uint64(runs)
	if *runsFlag > 0 {
		last = uint64(*runsFlag)
	}
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, NewLAN(t, Seed(seed))) })
		})
	}
}

// repeatCommand returns the command that repeats a test with a seed.
func repeatCommand(test string, seed uint64) string {
	test, _, _ = strings.Cut(test, "/seed=")
	var pattern []string
	for name := range strings.SplitSeq(test, "/") {
		pattern = append(pattern, "^"+name+"$")
	}
	where := "."
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasSuffix(info.Path, ".test") {
		where = strings.TrimSuffix(info.Path, ".test")
	}
	return fmt.Sprintf("go test %s -run '%s' -zretest.seed=%d", where, strings.Join(pattern, "/"), seed)
}
