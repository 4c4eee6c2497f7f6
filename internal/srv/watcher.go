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
	firstRetry = 500 * time.Millisecond // after the first failure; twice as long after each further one
	aloneWait  = time.Second            // at most, while no other endpoint is known by the name
	minWait    = 5 * time.Second        // otherwise, and also the longest after failures
	maxWait    = 5 * time.Minute

	// emptyFor is how long a name may have no endpoints before that is a problem: the first of many nodes comes before its record does.
	emptyFor = 30 * time.Second
)

// A Watcher looks up a name again and again, and reports changes. Set the fields, then call Run.
type Watcher struct {
	Name     string    // from the function Name
	Resolver *Resolver // not nil

	// OnChange gets the endpoints, best first and each once, with the first answer, and when the set of them has changed; nil or an empty
	// slice if there are only our own. It may keep the slice. Run calls it, and waits for it.
	OnChange func([]netip.AddrPort)

	// OnKeys, if set, gets the endpoints instead of OnChange, with their keys; another key is a change too. It is for a Resolver with Keys.
	OnKeys func([]Endpoint)

	// OnProblem gets the error of each failed lookup. That the name has no endpoints is an answer; it is an error only if that has lasted
	// for 30 s and there has never been a good answer. OnProblem gets nil once when the problem is over. Run calls it, and waits for it.
	// Nil reports nothing.
	OnProblem func(error)

	// Skip tells which endpoints are our own; they are left out. Run calls it, for each endpoint of each answer. Nil skips none.
	Skip func(netip.AddrPort) bool

	// Log gets a line when the name has no endpoints, or when some records cannot be used, and when that is over, not for each try. The
	// zero Logger is silent.
	Log zerolog.Logger

	// Roll returns a random duration from 0 up to, not including, d, which is positive. The default is the process's own random numbers.
	Roll func(d time.Duration) time.Duration

	answer     Answer           // the last good one
	others     int              // endpoints in it that are not our own
	reported   []netip.AddrPort // what OnChange last got, sorted; nil before the first call
	keys       []string         // what OnKeys last got: the keys of reported
	wait       time.Duration    // until the next lookup
	failures   int              // since the last good answer
	lastLogged string           // the kind of what was last logged
	emptySince time.Time        // since when the name has no endpoints; zero if it has some
	failing    bool             // OnProblem has an error
}

// Run keeps looking until ctx ends, and blocks that long; it is called once. It looks at once, and again when the answer's TTL ends, though
// not within 5 s (1 s while no other endpoint is known by the name) nor after more than 5 min. After a failure, or while the name has no
// endpoints, it looks again in 0.5 s, then 1, 2, 4 and 5 s, but at most 1 s if no other endpoint is known by the name. All times vary by 10
// %. After a failure the last good answer stays.
func (w *Watcher) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := w.look(ctx)
		if ctx.Err() != nil {
			return
		}
		w.logProblem(err)
		w.reportProblem(err)
		if err == nil {
			w.reportEndpoints()
		}
		timer.Reset(w.wait)
	}
}

// look looks up the name once, and returns Lookup's error.
func (w *Watcher) look(ctx context.Context) error {
	answer, err := w.Resolver.Lookup(ctx, w.Name)
	if err == nil {
		w.answer, w.failures, w.emptySince = answer, 0, time.Time{}
		w.others = len(w.list())
		w.wait = w.jitter(min(max(answer.TTL, w.shortestWait()), maxWait))
		return nil
	}
	longest := w.shortestWait()
	if isEmpty(err) {
		longest = aloneWait
		if w.emptySince.IsZero() {
			w.emptySince = time.Now()
		}
	}
	w.wait = w.jitter(min(firstRetry<<min(w.failures, 8), longest))
	w.failures++
	return err
}

// shortestWait returns the shortest wait after a good answer, which is the longest after a failure.
func (w *Watcher) shortestWait() time.Duration {
	if w.others == 0 {
		return aloneWait
	}
	return minWait
}

// list returns the endpoints of the last good answer, without our own.
func (w *Watcher) list() []netip.AddrPort {
	list := make([]netip.AddrPort, 0, len(w.answer.Endpoints))
	for _, e := range w.answer.Endpoints {
		if w.Skip == nil || !w.Skip(e.AddrPort) {
			list = append(list, e.AddrPort)
		}
	}
	return list
}

// reportEndpoints calls OnChange if the set is new.
func (w *Watcher) reportEndpoints() {
	list := w.list()
	set := slices.SortedFunc(slices.Values(list), netip.AddrPort.Compare)
	others, keys := w.endpointsWithKeys()
	if w.reported != nil && slices.Equal(set, w.reported) && slices.Equal(keys, w.keys) {
		return
	}
	w.keys = keys
	w.reported = append([]netip.AddrPort{}, set...) // never nil again
	w.Log.Debug().Str("name", w.Name).Int("endpoints", len(list)).Msg("SRV: endpoints changed")
	if w.OnKeys != nil {
		w.OnKeys(others)
		return
	}
	w.OnChange(list)
}

// endpointsWithKeys returns the endpoints of the last good answer, without our own, and their addresses and keys as text, sorted; nothing without
// OnKeys.
func (w *Watcher) endpointsWithKeys() (list []Endpoint, keys []string) {
	if w.OnKeys == nil {
		return nil, nil
	}
	for _, e := range w.answer.Endpoints {
		if w.Skip == nil || !w.Skip(e.AddrPort) {
			list, keys = append(list, e), append(keys, e.AddrPort.String()+"|"+e.Key)
		}
	}
	slices.Sort(keys)
	return list, keys
}

// reportProblem calls OnProblem if there is a problem, or was one.
func (w *Watcher) reportProblem(err error) {
	if isEmpty(err) && (len(w.answer.Endpoints) > 0 || time.Since(w.emptySince) < emptyFor) {
		err = nil
	}
	if w.OnProblem != nil && (err != nil || w.failing) {
		w.OnProblem(err)
	}
	w.failing = err != nil
}

// logProblem logs what OnProblem does not get, once for each change of its kind.
func (w *Watcher) logProblem(err error) {
	noted, text, level := "", "", zerolog.WarnLevel
	switch {
	case isEmpty(err):
		noted, text = "empty: "+innermostText(err), "SRV: the name has no endpoints, will look again"
		level = zerolog.InfoLevel // the first of many nodes comes before its record does
	case err != nil:
		return // OnProblem gets it
	case w.answer.Partial != nil:
		err = w.answer.Partial
		noted, text = "partial: "+innermostText(err), "SRV: some of the records cannot be used"
	}
	if noted == w.lastLogged {
		return
	}
	w.lastLogged = noted
	if noted == "" {
		w.Log.Info().Str("name", w.Name).Msg("SRV: all is well again")
		return
	}
	w.Log.WithLevel(level).Err(err).Str("name", w.Name).Int("endpoints", len(w.reported)).Msg(text)
}

// jitter makes a wait up to 10 % shorter or longer, so that many nodes do not ask in step.
func (w *Watcher) jitter(d time.Duration) time.Duration {
	roll := w.Roll
	if roll == nil {
		roll = rand.N[time.Duration]
	}
	return d - d/10 + roll(d/5)
}
