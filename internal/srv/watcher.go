package srv

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/rs/zerolog"
)

// When a Watcher looks again.
const (
	minWait  = 5 * time.Second // also after the first failure; twice as long after each more
	maxWait  = 5 * time.Minute
	maxRetry = 30 * time.Second
)

// A Watcher looks up a name again and again, and tells of changes. Set the fields, call Look or not, then Run.
type Watcher struct {
	Name     string    // from the function Name
	Resolver *Resolver // not nil

	// OnChange gets the endpoints, best first and each once, when there is the first answer, and when the set of them has
	// changed; nil or an empty slice if there are only our own. It may keep the slice. It is called by Run, which waits for it.
	OnChange func([]netip.AddrPort)

	// Skip tells our own endpoints, which are left out. Run calls it, for each endpoint of each answer. Nil skips none.
	Skip func(netip.AddrPort) bool

	// Log gets a line when a problem begins, becomes another, or ends, and not for each try. The zero Logger is silent.
	Log zerolog.Logger

	// Roll gives a random duration from 0 up to, not including, d, which is positive. By default the process' own random
	// numbers do.
	Roll func(d time.Duration) time.Duration

	answer   Answer           // the last good one
	told     []netip.AddrPort // to OnChange, sorted; nil before the first call
	wait     time.Duration    // until the next lookup
	failures int              // since the last good answer
	problem  string           // the kind of what was last logged
}

// Look looks up the name once, and returns Lookup's error. It calls neither OnChange nor Log: what it finds is for Run to tell,
// and whether an error matters is the caller's to decide; Run tries again in any case. It must not be called beside Run.
func (w *Watcher) Look(ctx context.Context) error {
	answer, err := w.Resolver.Lookup(ctx, w.Name)
	if err != nil {
		w.wait = w.jitter(min(minWait<<min(w.failures, 8), maxRetry))
		w.failures++
		return err
	}
	w.answer, w.failures = answer, 0
	w.wait = w.jitter(min(max(answer.TTL, minWait), maxWait))
	return nil
}

// Run keeps looking until ctx ends, and blocks that long; it is called once. It begins with what Look found, or looks at once if
// that was not called. The next lookup comes when the answer's TTL ends, though not within 5 s nor after more than 5 min; or,
// after a failure, in 5, 10, 20, then 30 s; all of them +-10 %. After a failure the last good answer stays.
func (w *Watcher) Run(ctx context.Context) {
	if len(w.answer.Endpoints) > 0 {
		w.note(nil)
		w.tell()
	}
	timer := time.NewTimer(w.wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := w.Look(ctx)
		if ctx.Err() != nil {
			return
		}
		w.note(err)
		if err == nil {
			w.tell()
		}
		timer.Reset(w.wait)
	}
}

// tell calls OnChange if it has not heard of this set yet.
func (w *Watcher) tell() {
	list := make([]netip.AddrPort, 0, len(w.answer.Endpoints))
	for _, e := range w.answer.Endpoints {
		if w.Skip == nil || !w.Skip(e.AddrPort) {
			list = append(list, e.AddrPort)
		}
	}
	set := slices.SortedFunc(slices.Values(list), netip.AddrPort.Compare)
	if w.told != nil && slices.Equal(set, w.told) {
		return
	}
	w.told = append([]netip.AddrPort{}, set...) // never nil again
	w.Log.Debug().Str("name", w.Name).Int("endpoints", len(list)).Msg("SRV: endpoints changed")
	w.OnChange(list)
}

// note logs what is wrong, once for each change of its kind.
func (w *Watcher) note(err error) {
	problem, text := "", ""
	switch {
	case err != nil:
		problem, text = "failed: "+kind(err), "SRV: no answer, the last good one stays"
	case w.answer.Partial != nil:
		err = w.answer.Partial
		problem, text = "partial: "+kind(err), "SRV: some of the records cannot be used"
	}
	if problem == w.problem {
		return
	}
	w.problem = problem
	if problem == "" {
		w.Log.Info().Str("name", w.Name).Msg("SRV: all is well again")
		return
	}
	w.Log.Warn().Err(err).Str("name", w.Name).Int("endpoints", len(w.told)).Msg(text)
}

// jitter makes a wait up to 10 % shorter or longer, so that many nodes do not ask in step.
func (w *Watcher) jitter(d time.Duration) time.Duration {
	roll := w.Roll
	if roll == nil {
		roll = rand.N[time.Duration]
	}
	return d - d/10 + roll(d/5)
}
