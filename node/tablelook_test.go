package node

import (
	"strings"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// A look is everything that a test can see of a world at one moment.
type look struct {
	session        *session
	next           *session // the current session; nil if none
	state          state    // of next
	in, out        *zmtp.Conn
	turn           int
	cause          error
	dials          int
	repeatedHellos int // of next
	pings          int
	events         int
	remember       map[string]bool
}

func (w *tableWorld) look() (l look) {
	synctest.Wait()
	l.dials, l.events = w.network.dialled(), w.count()
	w.do(func() {
		n, s := w.node, w.session
		l.session, l.out, l.turn, l.cause = s, s.mailbox, s.graceNumber, s.dialErr
		if s.inbox != nil {
			l.in = s.inbox.conn
		}
		for _, next := range n.sessions {
			l.next, l.state, l.repeatedHellos = next, next.state, next.repeatedHellos
		}
		l.remember = map[string]bool{
			"former":    n.former.has(w.peer.id),
			"unreached": n.unreachable.has(w.peer.id),
			"departed":  n.departures.Recent(w.peer.id, time.Now()),
		}
		if s.mailbox == nil {
			l.pings, _ = s.out.Depth() // only PINGs wait: nothing else is sent
		}
	})
	w.peer.mu.Lock()
	defer w.peer.mu.Unlock()
	l.pings += w.peer.pings
	return l
}

// outcome returns an event's outcome, from the looks before and after it.
func (l look) outcome(now look, e event) (o outcome) {
	same := now.next == l.session
	switch {
	case same:
		o.to = now.state.String()
	case now.next != nil:
		o.to = "new " + now.state.String()
	default:
		o.to = "over"
	}
	var does []string
	note := func(word string, is bool) {
		if is {
			does = append(does, word)
		}
	}
	note("connected", l.out == nil && now.out != nil)
	note("cause", now.cause != nil && now.cause != l.cause)
	note("grace", same && now.state == l.state && now.turn != l.turn)
	note("dial", now.dials > l.dials)
	note("again", !same && now.repeatedHellos > l.repeatedHellos)
	note("PING", now.pings > l.pings)
	note("-ours", e != mailboxClosed && isClosed(l.out))
	note("-its", e != inboxClosed && isClosed(l.in))
	for _, word := range []string{"former", "unreached", "departed"} {
		note(word, now.remember[word] && !l.remember[word])
	}
	o.does = strings.Join(does, " ")
	return o
}

func isClosed(conn *zmtp.Conn) bool { return conn != nil && conn.Err() != nil }

// count returns how many events the application has received.
func (w *tableWorld) count() int {
	r := w.node
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.events)
}

// eventsSince returns the events since then, without text in parentheses except for reasons.
func (w *tableWorld) eventsSince(since int) string {
	synctest.Wait()
	r := w.node
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, e := range r.events[since:] {
		word := describe(e)
		if e.Kind != Exit {
			word, _, _ = strings.Cut(word, "(")
			word, _, _ = strings.Cut(word, ":")
		}
		list = append(list, word)
	}
	return strings.Join(list, " ")
}
