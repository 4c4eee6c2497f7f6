package discovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

// A world is everything that a Seeker in a test sees: sessions, with a count of its questions, and ROUTERs. All of it runs in fake time.
type world struct {
	t *testing.T
	*Seeker
	loop    chan func()
	routers map[netip.AddrPort]router
	hosts   map[string][]netip.Addr
	own     netip.AddrPort
	full    bool          // there is no room for peers
	silence time.Duration // of an attempt that fails

	sessions map[uuid.UUID]bool // by peer; whether it is foreign
	at       map[netip.AddrPort]uuid.UUID
	greeted  []*Candidate // and not over
	asked    int          // questions to sessions
	recorded []string
	reported map[netip.AddrPort]error
	troubles map[string]error // of names and hubs
	zone     []string         // SRV records, in zone file syntax; nil: the DNS does not answer
	looked   int              // look-ups of host names
	changes  int              // of what the application names, reported by ConfiguredChanged
	log      bytes.Buffer
	turns    int // of the control loop
	tries    int
	most     int // concurrent probes
}

// A router answers at an address.
type router struct {
	id    uuid.UUID // Nil: it has no identity
	delay time.Duration
}

var errRefused = errors.New("refused")

// inWorld runs a test of a Seeker in fake time.
func inWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		var all sync.WaitGroup
		life, die := context.WithCancel(t.Context())
		w := &world{
			t: t, loop: make(chan func()), routers: make(map[netip.AddrPort]router), hosts: make(map[string][]netip.Addr),
			sessions: make(map[uuid.UUID]bool), at: make(map[netip.AddrPort]uuid.UUID),
			reported: make(map[netip.AddrPort]error), silence: time.Millisecond, troubles: make(map[string]error),
		}
		w.Seeker = New(Config{
			Sessions: w, Self: uuid.UUID{255}, Candidates: 5_000, Context: life,
			Go: all.Go,
			Post: func(f func()) {
				select {
				case w.loop <- f:
				case <-life.Done():
				}
			},
			Probe:             w.probe,
			Resolver:          w,
			IsOwn:             func(at netip.AddrPort) bool { return at == w.own },
			Pause:             func(attempts int) time.Duration { return min(50*time.Millisecond<<min(attempts-1, 10), 5*time.Second) },
			Report:            w.report,
			Removed:           func(c *Candidate) { w.record("removed %v", c.At()) },
			ConfiguredChanged: func() { w.changes++ },
			Dial:              w.dial,
			ReportDNS:         func(src Source, err error) { w.recordChange(src.Name, err) },
			ReportHub:         func(endpoint string, err error) { w.recordChange(endpoint, err) },
			Log:               zerolog.New(zerolog.SyncWriter(&w.log)),
		})
		all.Go(func() {
			for {
				w.turns++
				select {
				case f := <-w.loop:
					f()
				case <-w.C:
					w.Run()
				case <-life.Done():
					return
				}
			}
		})
		defer all.Wait()
		defer die()
		test(w)
	})
}

// do runs a function in the control loop, and waits until nothing is left to do at this time.
func (w *world) do(f func()) {
	w.loop <- f
	synctest.Wait()
}

func (w *world) pass(d time.Duration) {
	time.Sleep(d) // fake time
	synctest.Wait()
}

func (w *world) record(format string, args ...any) {
	w.recorded = append(w.recorded, fmt.Sprintf(format, args...))
}

// expectRecorded takes what was recorded so far.
func (w *world) expectRecorded(want ...string) {
	w.t.Helper()
	w.do(func() {
		if !slices.Equal(w.recorded, want) {
			w.t.Errorf("recorded %q, want %q", w.recorded, want)
		}
		w.recorded, w.reported = nil, make(map[netip.AddrPort]error)
	})
}

func (w *world) probe(ctx context.Context, at Place) (id uuid.UUID, named bool, err error) {
	answer := make(chan router, 1)
	select {
	case w.loop <- func() {
		w.tries++
		w.most = max(w.most, w.probes)
		r, ok := w.routers[at.AddrPort]
		if !ok {
			close(answer)
			return
		}
		answer <- r
	}:
	case <-ctx.Done():
		return uuid.Nil, false, ctx.Err()
	}
	r, ok := <-answer
	if !ok {
		time.Sleep(w.silence) // fake time
		return uuid.Nil, false, errRefused
	}
	time.Sleep(max(r.delay, time.Millisecond)) // fake time
	return r.id, r.id != uuid.Nil, nil
}

func (w *world) LookupNetIP(ctx context.Context, _, host string) (list []netip.Addr, err error) {
	ran := make(chan struct{})
	select {
	case w.loop <- func() {
		w.looked++
		list = slices.Clone(w.hosts[host])
		close(ran)
	}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	<-ran
	if list == nil {
		return nil, errors.New("no such host")
	}
	return list, nil
}

func (w *world) report(c *Candidate, err error) {
	if err == nil {
		delete(w.reported, c.At())
		w.record("solved %v", c.At())
	} else if w.reported[c.At()] != err {
		w.reported[c.At()] = err
		w.record("%v: %v", c.At(), err)
	}
}

// recordChange records trouble with a name or a hub, when it begins and when it is over.
func (w *world) recordChange(about string, err error) {
	if (w.troubles[about] != nil) == (err != nil) {
		return
	}
	w.troubles[about] = err
	if err == nil {
		w.record("solved %s", about)
	} else {
		w.record("trouble with %s", about)
	}
}

// At implements Sessions.
func (w *world) At(at Place) (uuid.UUID, bool) {
	w.asked++
	id, ok := w.at[at.AddrPort]
	return id, ok
}

// With implements Sessions.
func (w *world) With(id uuid.UUID) (found, isForeign bool) {
	w.asked++
	isForeign, found = w.sessions[id]
	return found, isForeign
}

// Meet implements Sessions.
func (w *world) Meet(id uuid.UUID, at Place) error {
	if w.full {
		return ErrTooManyPeers
	}
	w.record("meet %d at %v", id[0], at)
	w.sessions[id], w.at[at.AddrPort] = false, id
	return nil
}

// Greet implements Sessions.
func (w *world) Greet(c *Candidate) bool {
	if w.full {
		return false
	}
	w.record("greet %v", c.At())
	w.greeted = append(w.greeted, c)
	return true
}

// End implements Sessions.
func (w *world) End(c *Candidate) {
	w.record("end %v", c.At())
	w.ended(c)
	w.GreetingEnded(c, errRefused) // as the sessions do for each that is over
}

func (w *world) ended(c *Candidate) {
	w.greeted = slices.DeleteFunc(w.greeted, func(o *Candidate) bool { return o == c })
}

// sessionEnded ends the session with a peer.
func (w *world) sessionEnded(id uuid.UUID, entered bool) {
	delete(w.sessions, id)
	for at, other := range w.at {
		if other == id {
			delete(w.at, at)
		}
	}
	w.SessionEnded(id, entered)
}

// answers makes the peer that was sent HELLO first send its UUID.
func (w *world) answers(id uuid.UUID) {
	c := w.greeted[0]
	w.ended(c)
	w.sessions[id], w.at[c.At()] = true, id
	w.Identified(c, id)
}

// hangsUp ends the session with the peer that was sent HELLO first.
func (w *world) hangsUp() {
	c := w.greeted[0]
	w.ended(c)
	w.GreetingEnded(c, errRefused)
}

func at(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

var domain = Source{Kind: SRV, Name: "x"}

func static(endpoint string) Source { return Source{Kind: Configured, Name: endpoint} }

func gossiped(id uuid.UUID) Source { return Source{Kind: Gossip, Peer: id} }
