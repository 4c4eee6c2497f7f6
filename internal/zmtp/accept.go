package zmtp

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/go-zeromq/zmq4"
)

// Serve accepts connections from l until l or the Router is closed; then it returns ErrClosed. Serve closes l. If Accept fails for another
// reason (no file descriptor left, no memory), Serve waits a little and tries again, without end: 5 ms at first, 1 s at most. It fails if
// the system says that l is no longer a listening socket, and at once if Config has a property or an identity that READY cannot carry, or
// CURVE without keys.
func (r *Router) Serve(l net.Listener) error {
	defer l.Close()
	if _, err := newMechanism(r.cfg, zmq4.Router); err != nil {
		return err
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	r.listeners[l] = struct{}{}
	r.wg.Add(1)
	r.mu.Unlock()
	defer r.wg.Done()

	err := r.acceptAll(l)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.listeners, l)
	if r.closed || errors.Is(err, net.ErrClosed) {
		return ErrClosed
	}
	return fmt.Errorf("zmtp: cannot accept on %v: %w", l.Addr(), err)
}

// acceptAll accepts until it fails for good, and returns that error.
func (r *Router) acceptAll(l net.Listener) error {
	const shortest, longest = 5 * time.Millisecond, time.Second
	const logEvery = time.Minute // a flood takes every descriptor that becomes free: one line for all of it
	wait, logged := time.Duration(0), time.Time{}
	for {
		nc, err := l.Accept()
		if err == nil {
			wait = 0
			r.start(nc)
			continue
		}
		if isGone(err) {
			return err
		}
		switch now := time.Now(); {
		case r.AcceptFailed != nil:
			r.AcceptFailed(l, err)
		case logged.IsZero() || now.Sub(logged) >= logEvery:
			logged = now
			r.cfg.Log.Warn().Err(err).Stringer("listener", l.Addr()).Msg("zmtp: cannot accept now, will try again")
		}
		wait = min(max(2*wait, shortest), longest)
		select {
		case <-time.After(wait):
		case <-r.ctx.Done():
			return ErrClosed
		}
	}
}

// isGone tells whether an error of Accept says that there is no listener any more. Any other error may pass, whatever the system calls it.
func isGone(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EBADF) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSOCK)
}
