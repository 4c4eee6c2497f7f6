package gossip

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A table holds tuples, in the order in which they changed. Each feeder has a cursor into that order, so there are no queues of tuples, and
// a slow peer gets the latest value of each.
type table struct {
	linger time.Duration
	limits Limits
	accept func(Tuple) error // Config.Accept
	local  *origin           // owns what this side publishes

	mu      sync.Mutex
	tuples  map[string]*tuple
	log     []entry // by version, some of them outdated
	version uint64
	changes chan struct{} // closed with the next change
	counts  map[netip.Addr]int
	timer   *time.Timer // for the tuple that ends first
	nextEnd time.Time   // when it ends
	closed  bool

	tracksEnded bool     // takeEnded is in use
	ended       []string // keys of dropped tuples that the application knew of
}

// An origin is where tuples come from: a connection, or this side.
type origin struct {
	addr netip.Addr // of the other side, for the limit; the zero Addr has none
	from netip.Addr // of the other side, for Tuple.From
}

type tuple struct {
	key, value string
	version    uint64        // of the last change that concerns others; 0: no longer in the table
	from       netip.Addr    // where the value came from
	owner      *origin       // the origin that publishes it; nil if that connection has ended
	counted    netip.Addr    // the address that it counts for
	ttl        time.Duration // of a local tuple
	ends       time.Time     // zero: never
	reported   bool          // to the application
}

type entry struct {
	version uint64
	*tuple
}

func newTable(cfg Config) *table {
	return &table{
		linger:  cfg.Linger,
		limits:  cfg.Limits,
		accept:  cfg.Accept,
		local:   new(origin),
		tuples:  make(map[string]*tuple),
		changes: make(chan struct{}),
		counts:  make(map[netip.Addr]int),
	}
}

// errKeyTaken says that another node published another value for a key of ours.
var errKeyTaken = errors.New("gossip: another node publishes this key")

// put adds or renews a tuple. The error is for the log: the tuple was not taken.
func (t *table) put(from *origin, in Tuple) error {
	if err := in.check(t.limits); err != nil {
		return err
	}
	if t.accept != nil && from != t.local {
		if err := t.accept(in); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.tuples[in.Key]
	switch {
	case t.closed:
		return ErrClosed
	case old == nil:
		if err := t.makeRoom(from); err != nil {
			return err
		}
		old = &tuple{key: in.Key, value: in.Value, from: from.from}
		t.tuples[in.Key] = old
	case old.owner == t.local && from != t.local:
		if old.value != in.Value {
			return fmt.Errorf("%w: %q, with the value %q instead of %q", errKeyTaken, in.Key, in.Value, old.value)
		}
		return nil
	case old.value != in.Value:
		old.value, old.from, old.reported = in.Value, from.from, false
	case old.owner != from && old.owner != nil && (in.TTL > 0 || old.ends.IsZero()):
		return nil // another origin publishes it already: this came another way
	case !old.renews(from, in.TTL, from == t.local):
		t.setOwner(old, from)
		return nil
	}
	t.setOwner(old, from)
	old.ends, old.ttl = time.Time{}, 0
	if from == t.local {
		old.ttl = in.TTL
	} else if in.TTL > 0 {
		t.endAt(old, time.Now().Add(in.TTL))
	}
	t.makeNewest(old)
	return nil
}

// renews tells whether a TTL that comes again should be passed on; if not, the old one stays. It should if it differs by half: this way,
// what circulates among hubs, a little later each time, comes to rest.
func (t *tuple) renews(from *origin, ttl time.Duration, local bool) bool {
	switch {
	case local:
		return t.owner != from || t.ttl != ttl || !t.ends.IsZero()
	case ttl == 0 || t.ends.IsZero():
		return (ttl == 0) != t.ends.IsZero()
	}
	left := time.Until(t.ends)
	return ttl < left/2 || left < ttl/2
}

// makeRoom makes a place for one more tuple of that origin, or says why there is none.
func (t *table) makeRoom(from *origin) error {
	if have := t.counts[from.addr]; from.addr.IsValid() && have >= t.limits.TuplesPerAddress {
		return fmt.Errorf("gossip: %v published %d tuples, more are ignored (Limits.TuplesPerAddress)", from.addr, have)
	}
	if len(t.tuples) < t.limits.Tuples || from == t.local {
		return nil
	}
	for _, e := range t.log { // the oldest first
		if e.isCurrent() && e.owner == nil {
			t.drop(e.tuple)
			return nil
		}
	}
	return fmt.Errorf("gossip: there are %d tuples, more are ignored (Limits.Tuples)", len(t.tuples))
}

func (e entry) isCurrent() bool { return e.version == e.tuple.version }

// setOwner gives a tuple to an origin.
func (t *table) setOwner(tu *tuple, from *origin) {
	t.uncount(tu)
	tu.owner, tu.counted = from, from.addr
	if from.addr.IsValid() {
		t.counts[from.addr]++
	}
}

func (t *table) uncount(tu *tuple) {
	if !tu.counted.IsValid() {
		return
	}
	if t.counts[tu.counted]--; t.counts[tu.counted] == 0 {
		delete(t.counts, tu.counted)
	}
	tu.counted = netip.Addr{}
}

func (t *table) drop(tu *tuple) {
	t.uncount(tu)
	tu.version = 0
	delete(t.tuples, tu.key)
	if tu.reported && t.tracksEnded {
		t.ended = append(t.ended, tu.key)
		t.notifyChange()
	}
}

// takeEnded returns the keys that ended since the last call.
func (t *table) takeEnded() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ended := t.ended
	t.ended = nil
	return ended
}

// notifyChange wakes those that wait for changes.
func (t *table) notifyChange() {
	close(t.changes)
	t.changes = make(chan struct{})
}

// makeNewest makes a tuple the newest.
func (t *table) makeNewest(tu *tuple) {
	if len(t.log) > 2*len(t.tuples)+64 {
		t.log = slices.DeleteFunc(t.log, func(e entry) bool { return !e.isCurrent() })
	}
	t.version++
	tu.version = t.version
	t.log = append(t.log, entry{t.version, tu})
	t.notifyChange()
}

// originEnded notes that a connection has ended: what it published lingers.
func (t *table) originEnded(from *origin) {
	t.mu.Lock()
	defer t.mu.Unlock()
	until := time.Now().Add(t.linger)
	for _, tu := range t.tuples {
		if tu.owner != from {
			continue
		}
		tu.owner = nil
		if tu.ends.IsZero() || until.Before(tu.ends) {
			t.endAt(tu, until)
			t.makeNewest(tu)
		}
	}
}

// withdraw ends a tuple of this side soon, so that there is time to pass that on.
func (t *table) withdraw(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tu := t.tuples[key]; tu != nil && tu.owner == t.local && tu.ends.IsZero() {
		t.endAt(tu, time.Now().Add(farewellTTL))
		t.makeNewest(tu)
	}
}

// forget drops a tuple that no origin publishes.
func (t *table) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tu := t.tuples[key]; tu != nil && tu.owner == nil {
		t.drop(tu)
	}
}

// retire ends a tuple of others soon, and passes that on. It stays if it is published again.
func (t *table) retire(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tu := t.tuples[key]; tu != nil && tu.owner != t.local {
		t.endAt(tu, time.Now().Add(farewellTTL))
		t.makeNewest(tu)
	}
}

// endAt sets when a tuple ends.
func (t *table) endAt(tu *tuple, at time.Time) {
	tu.ends = at
	if t.nextEnd.IsZero() || at.Before(t.nextEnd) {
		t.schedule(at)
	}
}

func (t *table) schedule(at time.Time) {
	t.nextEnd = at
	switch {
	case t.closed:
	case t.timer == nil:
		t.timer = time.AfterFunc(time.Until(at), t.expire)
	default:
		t.timer.Reset(time.Until(at))
	}
}

// expire drops the tuples whose time is over.
func (t *table) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, next := time.Now(), time.Time{}
	for _, tu := range t.tuples {
		switch {
		case tu.ends.IsZero():
		case !tu.ends.After(now):
			t.drop(tu)
		case next.IsZero() || tu.ends.Before(next):
			next = tu.ends
		}
	}
	if t.nextEnd = next; !next.IsZero() {
		t.schedule(next)
	}
}

// close stops the timer. No tuple is taken any more.
func (t *table) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.timer != nil {
		t.timer.Stop()
	}
}

// A cursor is a reader's position in a table.
type cursor struct {
	at          uint64
	owner       *origin // whose tuples are left out
	application bool    // it gets each value once
}

// after moves a cursor on by some tuples, and returns them: none if there are no more.
func (t *table) after(c *cursor) (batch []Tuple) {
	const most = 64
	t.mu.Lock()
	defer t.mu.Unlock()
	i, _ := slices.BinarySearchFunc(t.log, c.at+1, func(e entry, v uint64) int { return cmp.Compare(e.version, v) })
	for _, e := range t.log[i:] {
		if len(batch) == most {
			break
		}
		c.at = e.version
		if !e.isCurrent() || e.owner == c.owner || c.application && e.reported {
			continue
		}
		e.reported = e.reported || c.application
		batch = append(batch, e.export())
	}
	return batch
}

// changed returns a channel that is closed with the next change. To miss none, get it before calling after.
func (t *table) changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changes
}

// localTuples returns this side's tuples.
func (t *table) localTuples() (own []Tuple) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, tu := range t.tuples {
		if tu.owner == t.local {
			own = append(own, tu.export())
		}
	}
	return own
}

// size returns how many tuples there are.
func (t *table) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.tuples)
}

// lookup returns a tuple.
func (t *table) lookup(key string) (Tuple, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tu := t.tuples[key]; tu != nil {
		return tu.export(), true
	}
	return Tuple{}, false
}

// export returns the tuple as it is sent now.
func (t *tuple) export() Tuple {
	out := Tuple{Key: t.key, Value: t.value, TTL: t.ttl, From: t.from}
	if !t.ends.IsZero() {
		out.TTL = max(time.Until(t.ends), time.Millisecond)
	}
	return out
}
