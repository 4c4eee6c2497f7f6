package beacon

import (
	"errors"
	"net"
	"slices"
	"time"

	"github.com/rs/zerolog"
)

const (
	// scanInterval is the maximum age of the list of interfaces. A scan takes 0.2 ms on a usual machine.
	scanInterval = 800 * time.Millisecond
	// changePause follows a change, and doubles up to scanInterval: another address may soon follow one that went.
	changePause = 50 * time.Millisecond
	// burstPause is the time to wait for more news after a change: changes come in bursts.
	burstPause = 10 * time.Millisecond
	// pollCost and burstCost are the ratio of the pauses to the duration of a scan: on a host with hundreds of interfaces a scan takes tens
	// of milliseconds.
	pollCost, burstCost = 20, 5
	// sleepGap is how much the wall clock gains while the machine sleeps or the process is stopped. Less is a busy machine.
	sleepGap = 3 * time.Second
)

// startWatcher makes the network's Watcher, if it has one, trigger scans. The caller stops that with the function returned.
func (s *station) startWatcher(log *zerolog.Logger) (stop func()) {
	if w, ok := s.key.network.(Watcher); ok {
		stop, err := w.Watch(func() { signal(s.trigger) })
		if err == nil {
			return stop
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			log.Warn().Stringer("call", OpWatch).Err(err).Msgf("beacon: changes of the interfaces are not told, looking every %v", s.key.poll)
			s.failing[action{op: OpWatch}] = failureState{err, time.Now()} // no other goroutine knows the station yet
			s.isHealthy.Store(false)
		}
	}
	return func() {}
}

// watch scans the interfaces from time to time, and when triggered.
func (s *station) watch() {
	pause, took := s.key.poll, time.Duration(0)
	next := time.NewTimer(pause)
	defer next.Stop()
	for {
		wait := max(pause, pollCost*took)
		next.Reset(wait)
		began := s.wall()
		select {
		case <-next.C:
		case <-s.trigger:
			if !s.awaitBurstEnd(max(burstPause, burstCost*took)) {
				return
			}
		case <-s.done:
			return
		}
		slept := s.wall().Sub(began) > wait+sleepGap
		before, start := s.world.Load(), time.Now()
		_ = s.scan() // it has logged its error, and the next one may succeed
		took = time.Since(start)
		if slept {
			s.restartAgents("beacon: the machine has slept, or this process was stopped")
		}
		if pause = min(2*pause, s.key.poll); s.world.Load() != before {
			pause = changePause
		}
	}
}

// awaitBurstEnd waits for a burst of triggers to end, and tells whether the station continues.
func (s *station) awaitBurstEnd(pause time.Duration) bool {
	select {
	case <-time.After(pause):
	case <-s.done:
		return false
	}
	select {
	case <-s.trigger: // the next scan serves it too
	default:
	}
	return true
}

// wall returns the time of day. Unlike the clock of timers it advances while the machine sleeps.
func (s *station) wall() time.Time {
	if clock, ok := s.key.network.(Clock); ok {
		return clock.Wall().Round(0)
	}
	return time.Now().Round(0) // without the monotonic clock reading
}

// restartAgents makes all agents send beacons as newcomers, for a reason that is logged.
func (s *station) restartAgents(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.agents {
		a.noteChange(true)
	}
	s.log().Info().Msg(reason)
}

// scan looks at the interfaces, makes the agents use them as they are now, and joins the groups. It joins at every scan, even if nothing
// seems to have changed: a deleted and recreated interface may have its old index.
func (s *station) scan() error {
	s.scanning.Lock()
	defer s.scanning.Unlock()
	s.listen()
	all, err := s.key.network.Interfaces()
	s.report(action{op: OpList}, err)
	if err != nil {
		return err
	}
	s.join(s.setInterfaces(all))
	return nil
}

// join leaves the groups that the agents no longer need, and joins those that they need, those of hardware first.
func (s *station) join(needed []subscription) {
	for _, socket := range s.all() {
		socket.leave(needed)
	}
	for _, n := range needed {
		s.report(action{OpJoin, n.destination()}, n.socket.join(n.membership, func() (PacketConn, error) { return s.openPart(n.socket) }))
	}
}

// setInterfaces makes these the station's interfaces, and returns what its agents need to hear multicast.
func (s *station) setInterfaces(all []Interface) []subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.world.Load()
	changed := !before.known || !slices.EqualFunc(all, before.interfaces, Interface.same)
	if changed {
		s.world.Store(newWorld(all))
		clear(s.lastHeard)
	}
	logged := false
	for _, a := range s.agents {
		if !changed {
			break
		}
		if a.setView(s.viewOf(a)) && !logged {
			logged = true
			a.config.Log.Info().Str("interfaces", formatInterfaces(a.view.Load().interfaces)).Msg("beacon: interfaces in use")
		}
		a.noteMissing(all)
	}
	needed := s.needed()
	if changed {
		s.dropFailures(func(what action) bool { return s.isStillTried(what, needed) })
	}
	return needed
}

// needed returns what the agents need to hear multicast, in a fixed order: the interfaces as the system lists them, but virtual ones last.
// The caller holds mu.
func (s *station) needed() (needed []subscription) {
	type use struct{ four, six bool }
	uses := make(map[int]use) // by index of the interface
	for _, a := range s.agents {
		for _, i := range a.view.Load().interfaces {
			if i.can(net.FlagMulticast) {
				u := uses[i.Index]
				uses[i.Index] = use{u.four || i.has4(), u.six || i.has6()}
			}
		}
	}
	for _, virtual := range []bool{false, true} {
		for _, i := range s.world.Load().interfaces {
			if u, ok := uses[i.Index]; ok && i.virtual == virtual {
				needed = append(needed, s.subscriptions(&s.key, i, u.four, u.six)...)
			}
		}
	}
	return needed
}

// isStillTried tells whether an action on an interface is still taken from time to time. The caller holds mu.
func (s *station) isStillTried(what action, needed []subscription) bool {
	if what.op == OpJoin {
		return slices.ContainsFunc(needed, func(n subscription) bool { return n.destination() == what.Destination })
	}
	return slices.ContainsFunc(s.agents, func(a *Agent) bool {
		v := a.view.Load()
		return slices.Contains(v.classic, what.Destination) || slices.Contains(v.state, what.Destination)
	})
}
