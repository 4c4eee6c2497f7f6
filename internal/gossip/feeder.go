package gossip

import (
	"errors"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// A feeder passes the tuples of a table to one peer, as fast as that reads them. Only one goroutine uses it.
type feeder struct {
	table *table
	queue *zmtp.Queue
	at    cursor
	batch []Tuple // taken, not yet pushed
}

func newFeeder(t *table, q *zmtp.Queue, peer *origin) *feeder {
	return &feeder{table: t, queue: q, at: cursor{owner: peer}}
}

// restart starts with the first tuple again.
func (f *feeder) restart() { f.at.at, f.batch = 0, nil }

// flush pushes what the peer has not had. If there was no room for all, the channel is closed when flush should continue.
func (f *feeder) flush() (room <-chan struct{}) {
	for {
		if len(f.batch) == 0 {
			f.batch = f.table.after(&f.at)
		}
		if len(f.batch) == 0 {
			return nil
		}
		err := f.queue.Push(Message{Kind: Publish, Tuple: f.batch[0]}.AppendTo(nil))
		if errors.Is(err, zmtp.ErrFull) {
			return f.queue.Room()
		}
		if err != nil {
			return nil // the connection ends, as its owner will see
		}
		f.batch = f.batch[1:]
	}
}
