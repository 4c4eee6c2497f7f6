package paths

import (
	"net/netip"
	"time"
)

// Unverified bounds the dials that beacons cause: anyone can send a beacon, for any address. It counts the sessions that a beacon began and
// whose peer has not sent HELLO yet, and remembers endpoints that could not be reached. A peer that is refused for that is not lost: its
// own connection to us, with its HELLO, begins a session too.
//
// One goroutine at a time may use it.
type Unverified struct {
	max, maxPerAddress int
	backoff            func(attempts int) time.Duration
	forget             time.Duration

	count   int
	from    map[netip.Addr]int
	failing map[keyed]failure
}

// keyed is an endpoint, and the public key that was tried there; zero if that does not matter.
type keyed struct {
	netip.AddrPort
	key [32]byte
}

// A failure is the back-off of an endpoint that could not be reached.
type failure struct {
	attempts int
	until    time.Time
}

// MaxFailing is how many endpoints that could not be reached are remembered. Beyond it the counts alone bound a flood.
const MaxFailing = 4_096

// NewUnverified admits max sessions in all, and maxPerAddress for each address. An endpoint that failed is not dialled for
// backoff(attempts), where attempts counts from 1. It is forgotten when nothing was heard of it for the time forget after that.
func NewUnverified(max, maxPerAddress int, backoff func(attempts int) time.Duration, forget time.Duration) *Unverified {
	return &Unverified{
		max: max, maxPerAddress: maxPerAddress, backoff: backoff, forget: forget,
		from:    make(map[netip.Addr]int),
		failing: make(map[keyed]failure),
	}
}

// Admit tells whether an endpoint may be dialled now, and counts it if so. The caller calls Release when the session ends or the peer has
// sent HELLO.
func (u *Unverified) Admit(endpoint netip.AddrPort, now time.Time) bool {
	if u.count >= u.max || u.from[endpoint.Addr()] >= u.maxPerAddress || now.Before(u.failing[keyed{AddrPort: endpoint}].until) {
		return false
	}
	u.count++
	u.from[endpoint.Addr()]++
	return true
}

// AdmitKey is Admit for an endpoint where a public key is to be tried.
func (u *Unverified) AdmitKey(endpoint netip.AddrPort, key [32]byte, now time.Time) bool {
	return !now.Before(u.failing[keyed{endpoint, key}].until) && u.Admit(endpoint, now)
}

// Release undoes the count of Admit.
func (u *Unverified) Release(endpoint netip.AddrPort) {
	u.count--
	from := endpoint.Addr()
	if u.from[from]--; u.from[from] <= 0 {
		delete(u.from, from)
	}
}

// Failed starts the back-off of an endpoint, longer each time.
func (u *Unverified) Failed(endpoint netip.AddrPort, now time.Time) {
	u.fail(keyed{AddrPort: endpoint}, now)
}

// keyPause is how long an endpoint is not dialled, whatever the key, after a key was wrong there: anyone can name keys in beacons.
const keyPause = 100 * time.Millisecond

// FailedKey starts the back-off of an endpoint with that public key, which is wrong, longer each time; another key may be tried soon.
func (u *Unverified) FailedKey(endpoint netip.AddrPort, key [32]byte, now time.Time) {
	u.fail(keyed{endpoint, key}, now)
	if f, known := u.failing[keyed{AddrPort: endpoint}]; known || len(u.failing) < MaxFailing {
		f.until = now.Add(keyPause)
		u.failing[keyed{AddrPort: endpoint}] = f
	}
}

// RefusalFactor is how many times longer than otherwise an endpoint is left alone where the peer has refused us: that is its answer, and most likely stays it.
const RefusalFactor = 6

// RefusedBy has an endpoint left alone where the peer with that public key has refused us, for RefusalFactor times as long as FailedKey has it.
func (u *Unverified) RefusedBy(endpoint netip.AddrPort, key [32]byte, now time.Time) {
	u.FailedKey(endpoint, key, now)
	if f, known := u.failing[keyed{endpoint, key}]; known {
		f.until = now.Add(RefusalFactor * f.until.Sub(now))
		u.failing[keyed{endpoint, key}] = f
	}
}

func (u *Unverified) fail(at keyed, now time.Time) {
	f, known := u.failing[at]
	if !known && len(u.failing) >= MaxFailing {
		return
	}
	f.attempts++
	f.until = now.Add(u.backoff(f.attempts))
	u.failing[at] = f
}

// Reached ends the back-off of an endpoint.
func (u *Unverified) Reached(endpoint netip.AddrPort) { delete(u.failing, keyed{AddrPort: endpoint}) }

// Prune removes endpoints whose back-off ended long ago.
func (u *Unverified) Prune(now time.Time) {
	for endpoint, f := range u.failing {
		if now.Sub(f.until) > u.forget {
			delete(u.failing, endpoint)
		}
	}
}

// Count returns how many sessions are admitted and not released.
func (u *Unverified) Count() int { return u.count }

// Failing returns how many endpoints that could not be reached are remembered.
func (u *Unverified) Failing() int { return len(u.failing) }
