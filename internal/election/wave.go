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

// resetWave resets a foreign member whose wave starts again.
func (m *member) resetWave() { m.sentLeader, m.isAnswered, m.toldLeader = false, false, false }

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
	if e.hasLowest && e.lowest == e.self {
		e.repeats = repeats
		e.repeatIn(now)
	}
	for _, m := range e.members {
		switch {
		case !m.knowsElections:
		case gone:
			e.answerIn(now, unaskedGrace, m)
		default:
			e.answerIn(now, e.answerDelay(now, m), m)
		}
	}
}

// answerDelay returns how long a foreign member waits for our ELECT.
func (e *Election) answerDelay(now time.Time, m *member) time.Duration {
	if e.lowest == e.self || m.hasChallenger && m.supports == e.lowest || now.Sub(e.joined) < joinGrace {
		return answerGrace
	}
	return hearsayGrace
}

// beginWave begins a new wave, if this node is the challenger: if one C zyre member starts again, it waits for all the others.
func (e *Election) beginWave(now time.Time) {
	if !e.hasLowest || e.lowest != e.self {
		return
	}
	wait := max(answerGrace, e.waveAt.Add(waveGrace).Sub(now))
	e.waveAt = now.Add(wait)
	e.repeats = repeats
	e.repeatIn(now)
	for _, m := range e.members {
		if m.knowsElections {
			m.resetWave()
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
	if !e.hasLowest || e.lowest != e.self {
		return
	}
	for _, id := range ids {
		if e.members[id].knowsElections {
			e.send(SendElect, id, e.self)
			e.send(SendLeader, id, e.self)
		}
	}
}

// answerIn schedules the answer to a foreign member for that time, unless it is due earlier already.
func (e *Election) answerIn(now time.Time, d time.Duration, m *member) {
	if at := now.Add(d); m.electDue.IsZero() || at.Before(m.electDue) {
		m.electDue = at
	}
	e.tickIn(now, d)
}

func (e *Election) tickIn(now time.Time, d time.Duration) {
	if at := now.Add(d); e.answerAt.IsZero() || at.Before(e.answerAt) {
		e.answerAt = at
	}
}

// answerDue sends foreign members what is due.
func (e *Election) answerDue(now time.Time) {
	e.answerAt = time.Time{}
	ids := e.sorted()
	for _, id := range ids {
		m := e.members[id]
		if m.electDue.IsZero() {
			continue
		}
		if now.Before(m.electDue) {
			e.tickIn(m.electDue, 0)
			continue
		}
		m.electDue = time.Time{}
		if e.hasLowest && (!m.isAnswered || m.toldChallenger != e.lowest) {
			m.resetWave()
			m.toldChallenger, m.isAnswered = e.lowest, true
			e.send(SendElect, id, e.lowest)
		}
	}
	e.sendLeader(ids)
	if !e.repeatAt.IsZero() {
		if now.Before(e.repeatAt) {
			e.tickIn(e.repeatAt, 0)
		} else {
			e.repeat(now, ids)
		}
	}
}

// sendLeader sends LEADER to the foreign members, once in each wave: if this node leads, when all of them support it, otherwise when the first
// LEADER has come.
func (e *Election) sendLeader(ids []ID) {
	for _, m := range e.members {
		if e.lowest == e.self && m.knowsElections && !(m.hasChallenger && m.supports == e.self) {
			return
		}
	}
	if !e.hasLowest || e.lowest != e.self && !e.declared {
		return
	}
	for _, id := range ids {
		if m := e.members[id]; m.knowsElections && m.isAnswered && m.toldChallenger == e.lowest && !m.toldLeader {
			m.toldLeader = true
			e.send(SendLeader, id, e.lowest)
		}
	}
}
