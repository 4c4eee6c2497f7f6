package zmtp

import (
	"errors"
	"fmt"
	"time"
)

// admit adds the connection to the others. If another one has its identity, and the new one may take over, admit closes the other and waits
// for its end.
func (r *Router) admit(n *newcomer, c *Conn) error {
	identity := string(c.Identity())
	r.mu.Lock()
	defer r.mu.Unlock()
	n.conn = c
	older := r.active[identity]
	switch {
	case r.closed:
		return ErrClosed
	case older == nil && len(r.conns) >= r.cfg.Limits.Connections:
		return fmt.Errorf("zmtp: there are %d connections, no more are allowed", r.cfg.Limits.Connections)
	}
	r.conns[c] = struct{}{}
	if identity == "" {
		return nil
	}
	if waiting := r.successors[identity]; waiting != nil {
		delete(r.successors, identity)
		waiting.Close(ErrReplaced)
	}
	if older != nil {
		r.successors[identity] = c
		r.mu.Unlock()
		err := r.takeOver(c, older)
		r.mu.Lock()
		if r.successors[identity] != c {
			return ErrReplaced
		}
		delete(r.successors, identity)
		if err != nil {
			return err
		}
	}
	r.active[identity] = c
	return nil
}

// takeOver closes an older connection, if c may take over from it, and waits for its end.
func (r *Router) takeOver(c, older *Conn) error {
	hasOtherKey := c.curve != nil && older.curve != nil && c.curve.key != older.curve.key && older.Err() == nil
	if hasOtherKey && older.greeted.Load() {
		return ErrIdentityInUse
	}
	if r.Rival != nil && older.Err() == nil && !hasOtherKey {
		mayReplace := r.Rival(older, c)
		switch err := c.Err(); {
		case err != nil:
			return err
		case !mayReplace:
			return ErrIdentityInUse
		}
	}
	older.Close(ErrReplaced)
	timeout := time.NewTimer(r.cfg.HandshakeTimeout)
	defer timeout.Stop()
	select {
	case <-older.finished:
		return nil
	case <-c.done: // an even newer one replaced it, or the Router closes
		return c.Err()
	case <-timeout.C:
		return errors.New("zmtp: an older connection of this identity still delivers a message")
	}
}

// remove removes a connection.
func (r *Router) remove(c *Conn) {
	identity := string(c.Identity())
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	if r.active[identity] == c {
		delete(r.active, identity)
	}
}
