package election

import "time"

// Times of the waves of C zyre's nodes.
const (
	// Answers to a foreign member are collected for this long, so that a member that floods us gets a bounded number of answers.
	answerGrace = 20 * time.Millisecond

	// If a foreign member supports another challenger than the lowest, we tell it about the lowest. If that is a third node, and no member
	// has joined for a while, the answer waits: the wave may have begun because the third node is gone, which we may learn later, and C
	// zyre never gives up a challenger that is gone.
	hearsayGrace = 1500 * time.Millisecond
	joinGrace    = time.Second

	// When foreign members are told after the leader left, if none of them begins a wave by itself.
	unaskedGrace = 2 * time.Second

	// This node's wave is repeated, because C zyre members may have missed a part of it. A repetition does them no harm.
	repeatGrace = 1500 * time.Millisecond
	repeats     = 2

	// If a member starts again all the time, this is the shortest time between our waves.
	waveGrace = 200 * time.Millisecond
)

// begin resets a foreign member whose wave starts again.
func (m *member) begin() { m.led, m.answered, m.told = false, false, false }

// inform tells foreign members about a new lowest contestant. If the one before is gone, those that contest begin a new wave when they
// notice; a challenger that comes before that would wait for the one that is gone.
func (e *Election) inform(now time.Time, gone bool) {
	if gone {
		for _, m := range e.members {
			if m.contests && !m.ours {
				return
			}
		}
	}
	if e.has && e.best == e.self {
		e.repeats = repeats
		e.repeatIn(now)
	}
	for _, m := range e.members {
		switch {
		case !m.speaks:
		case gone:
			e.answerIn(now, unaskedGrace, m)
		default:
			e.answerIn(now, e.patience(now, m), m)
		}
	}
}

// patience returns how long a foreign member waits for our ELECT.
func (e *Election) patience(now time.Time, m *member) time.Duration {
	if e.best == e.self || m.heard && m.supports == e.best || now.Sub(e.joined) < joinGrace {
		return answerGrace
	}
	return hearsayGrace
}

// challenge begins a new wave, if this node is the challenger: if one C zyre member starts again, it waits for all the others.
func (e *Election) challenge(now time.Time) {
	if !e.has || e.best != e.self {
		return
	}
	wait := max(answerGrace, e.waveAt.Add(waveGrace).Sub(now))
	e.waveAt = now.Add(wait)
	e.repeats = repeats
	e.repeatIn(now)
	for _, m := range e.members {
		if m.speaks {
			m.begin()
			e.answerIn(now, wait, m)
		}
	}
}

func (e *Election) repeatIn(now time.Time) {
	e.repeatAt = now.Add(repeatGrace)
	e.tickIn(now, repeatGrace)
}

// repeat sends the whole wave once more, without waiting for any member, for C zyre members that missed a part of it.
func (e *Election) repeat(now time.Time, ids []ID) {
	e.repeatAt = time.Time{}
	if e.repeats--; e.repeats > 0 {
		e.repeatIn(now)
	}
	if !e.has || e.best != e.self {
		return
	}
	for _, id := range ids {
		if e.members[id].speaks {
			e.send(SendElect, id, e.self)
			e.send(SendLeader, id, e.self)
		}
	}
}

// answerIn schedules the answer to a foreign member for that time, unless it is due earlier already.
func (e *Election) answerIn(now time.Time, d time.Duration, m *member) {
	if at := now.Add(d); m.due.IsZero() || at.Before(m.due) {
		m.due = at
	}
	e.tickIn(now, d)
}

func (e *Election) tickIn(now time.Time, d time.Duration) {
	if at := now.Add(d); e.answerAt.IsZero() || at.Before(e.answerAt) {
		e.answerAt = at
	}
}

// answer sends foreign members what is due.
func (e *Election) answer(now time.Time) {
	e.answerAt = time.Time{}
	ids := e.sorted()
	for _, id := range ids {
		m := e.members[id]
		if m.due.IsZero() {
			continue
		}
		if now.Before(m.due) {
			e.tickIn(m.due, 0)
			continue
		}
		m.due = time.Time{}
		if e.has && (!m.answered || m.said != e.best) {
			m.begin()
			m.said, m.answered = e.best, true
			e.send(SendElect, id, e.best)
		}
	}
	e.declare(ids)
	if !e.repeatAt.IsZero() {
		if now.Before(e.repeatAt) {
			e.tickIn(e.repeatAt, 0)
		} else {
			e.repeat(now, ids)
		}
	}
}

// declare sends LEADER to the foreign members, once in each wave: if this node leads, when all of them support it, otherwise when the first
// LEADER has come.
func (e *Election) declare(ids []ID) {
	for _, m := range e.members {
		if e.best == e.self && m.speaks && !(m.heard && m.supports == e.self) {
			return
		}
	}
	if !e.has || e.best != e.self && !e.declared {
		return
	}
	for _, id := range ids {
		if m := e.members[id]; m.speaks && m.answered && m.said == e.best && !m.told {
			m.told = true
			e.send(SendLeader, id, e.best)
		}
	}
}
