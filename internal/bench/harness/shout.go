//go:build linux

package harness

import (
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/bench"
)

// shouts compares a SHOUT to all members of a group with a WHISPER to each, both by tcp to members in one other process, and counts
// deliveries.
func shouts(t testing.TB, r *run, members int, rows []string) {
	if r.config.Smoke {
		members = 3
	}
	port := freePort()
	serve(t, port, members, "tcp")
	client, _ := meet(t, port, members, "tcp")
	for i, size := range sizes[:2] {
		// Longer and more rounds than elsewhere: now and then the system changes between running both processes on one processor in turn
		// and each on its own, which doubles all times.
		deliveries := r.count(size.count*2, 100*members)
		load := func(shout bool, count int) func() sample {
			return func() sample {
				rate := send(t, client, bench.Load{Shout: shout, Size: size.bytes, Count: count})
				return sample{[]float64{rate.PerSecond()}, rate.Processor()}
			}
		}
		r.compare(rows[i:i+1], 15, load(true, deliveries/members), load(false, deliveries/members*members))
		if !strings.Contains(rows[i], size.name) {
			t.Fatalf("%s is of another size than %s", rows[i], size.name)
		}
	}
}
