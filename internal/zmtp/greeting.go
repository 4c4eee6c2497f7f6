package zmtp

import (
	"fmt"
	"math"
	"time"
)

// A Greeter is a Receiver whose protocol begins with a greeting, as ZRE does with HELLO. Until the greeting comes, the connection is
// bounded like a handshake: it has a place among those, and the same time once more.
type Greeter interface {
	Receiver

	// Greeted tells whether the greeting has come. It is called after each Receive (and Wants), on the same goroutine, until it has.
	Greeted() bool
}

// greeting is the Receiver of a connection until its Greeter has its greeting; then the Greeter is.
type greeting struct {
	Greeter
	conn     *Conn
	newcomer *newcomer
	deadline time.Time
	timer    *time.Timer // ends the connection
}

func (r *Router) awaitGreeting(n *newcomer, c *Conn, g Greeter) Receiver {
	timeout := r.cfg.HandshakeTimeout
	late := func() {
		c.Close(fmt.Errorf("zmtp: no greeting of the protocol came within %v after the handshake", timeout))
	}
	return &greeting{
		Greeter:  g,
		conn:     c,
		newcomer: n,
		deadline: time.Now().Add(timeout),
		timer:    time.AfterFunc(timeout, late),
	}
}

// Receive stops the timer while the Receiver has a message: if it waits, that is not the peer's fault.
func (g *greeting) Receive(frames [][]byte) error {
	g.timer.Stop()
	err := g.Greeter.Receive(frames)
	g.received()
	return err
}

// HeadSize and Wants are those of the Greeter, if it is a Screener.
func (g *greeting) HeadSize() int {
	if s, ok := g.Greeter.(Screener); ok {
		return s.HeadSize()
	}
	return math.MaxInt
}

func (g *greeting) Wants(head []byte) bool {
	s, ok := g.Greeter.(Screener)
	if !ok {
		return true
	}
	g.timer.Stop()
	wants := s.Wants(head)
	g.received()
	return wants
}

// received checks whether the greeting has come.
func (g *greeting) received() {
	if g.Greeted() {
		g.conn.greeted.Store(true)
		g.conn.router.removeNewcomer(g.newcomer)
		g.conn.receiver = g.Greeter
	} else {
		g.timer.Reset(time.Until(g.deadline))
	}
}

func (g *greeting) Closed(err error) {
	g.timer.Stop()
	g.conn.router.removeNewcomer(g.newcomer)
	g.Greeter.Closed(err)
}
