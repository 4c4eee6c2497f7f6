package beacon

import (
	"errors"
	"net"
	"slices"
	"time"

	"github.com/rs/zerolog"
)

const (
	// scanInterval is how old the knowledge of the interfaces may get. A scan takes 0.2 ms on a usual machine.
	scanInterval = 800 * time.Millisecond
	// changePause follows a change, and doubles up to scanInterval: an address that went may soon be followed by another.
	changePause = 50 * time.Millisecond
	// burstPause is left for more news to come when something has changed: they do not come alone.
	burstPause = 10 * time.Millisecond
	// pollCost and burstCost are by how many times the pauses exceed what a scan takes: on a host of hundreds of interfaces
	// that is tens of milliseconds.
	pollCost, burstCost = 20, 5
	// sleepGap is what the wall clock gains while the machine sleeps or the process is stopped. Less is a busy machine.
	sleepGap = 3 * time.Second
)

// follow has the network's Watcher, if it is one, trigger scans. The caller ends that by the function returned.
func (s *station) follow(log *zerolog.Logger) (stop func()) {
	if w, ok := s.key.network.(Watcher); ok {
		stop, err := w.Watch(func() { signal(s.trigger) })
		if err == nil {
			return stop
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			log.Warn().Stringer("call", OpWatch).Err(err).Msgf("beacon: changes of the interfaces are not told, looking every %v", s.key.poll)
			s.failing[action{call: OpWatch}] = failed{err, time.Now()} // nobody else knows the station yet
			s.sound.Store(false)
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
			if !s.settle(max(burstPause, burstCost*took)) {
				return
			}
		case <-s.done:
			return
		}
		slept := s.wall().Sub(began) > wait+sleepGap
		before, start := s.world.Load(), time.Now()
		_ = s.scan() // it has logged its error, and the next one may fare better
		took = time.Since(start)
		if slept {
			s.renew("beacon: the machine has slept, or this process was stopped")
		}
		if pause = min(2*pause, s.key.poll); s.world.Load() != before {
			pause = changePause
		}
	}
}

// settle lets a burst of triggers pass, and reports whether the station goes on.
func (s *station) settle(pause time.Duration) bool {
	select {
	case <-time.After(pause):
	case <-s.done:
		return false
	}
	select {
	case <-s.trigger: // the scan to come is for it too
	default:
	}
	return true
}

// wall returns the time of day. Unlike the clock of timers it goes on while the machine sleeps.
func (s *station) wall() time.Time {
	if clock, ok := s.key.network.(Clock); ok {
		return clock.Wall().Round(0)
	}
	return time.Now().Round(0) // without the reading of the other clock
}

// renew makes all agents speak as newcomers, for a reason that is logged.
func (s *station) renew(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.agents {
		a.notice(true)
	}
	s.log().Info().Msg(reason)
}

// scan looks at the interfaces, makes the agents use them as they are now, and joins the groups. It joins at every scan,
// also where nothing seems to have changed: an interface deleted and made again can have got its old index.
func (s *station) scan() error {
	s.scanning.Lock()
	defer s.scanning.Unlock()
	s.listen()
	all, err := s.key.network.Interfaces()
	s.report(action{call: OpList}, err)
	if err != nil {
		return err
	}
	s.join(s.adopt(all))
	return nil
}

// join leaves the groups that the agents do not need any more, and joins those that they need, those of hardware first.
func (s *station) join(needed []subscription) {
	for _, socket := range s.all() {
		socket.leave(needed)
	}
	for _, n := range needed {
		s.report(action{OpJoin, n.where()}, n.socket.join(n.membership, func() (PacketConn, error) { return s.more(n.socket) }))
	}
}

// adopt makes all the station's world and returns what its agents need to hear multicast.
func (s *station) adopt(all []Interface) []subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.world.Load()
	changed := !before.known || !slices.EqualFunc(all, before.interfaces, Interface.same)
	if changed {
		s.world.Store(newWorld(all))
		clear(s.audible)
	}
	told := false
	for _, a := range s.agents {
		if !changed {
			break
		}
		if a.adopt(s.look(a)) && !told {
			told = true
			a.config.Log.Info().Str("interfaces", list(a.view.Load().interfaces)).Msg("beacon: interfaces in use")
		}
		a.noteMissing(all)
	}
	needed := s.needed()
	if changed {
		s.forget(func(what action) bool { return s.tries(what, needed) })
	}
	return needed
}

// needed returns what the agents need to hear multicast, in a fixed order: the interfaces as the system lists them, but those that are
// no hardware last. The caller holds mu.
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

// tries reports whether an action on an interface is still taken from time to time. The caller holds mu.
func (s *station) tries(what action, needed []subscription) bool {
	if what.call == OpJoin {
		return slices.ContainsFunc(needed, func(n subscription) bool { return n.where() == what.Destination })
	}
	return slices.ContainsFunc(s.agents, func(a *Agent) bool {
		v := a.view.Load()
		return slices.Contains(v.classic, what.Destination) || slices.Contains(v.state, what.Destination)
	})
}
