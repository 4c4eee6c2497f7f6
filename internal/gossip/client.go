package gossip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// A Client is connected to one hub, and reconnects without end when the connection breaks.
type Client struct {
	address string
	cfg     Config
	table   *table  // what is published; a Hub's own table if the Client is one of its clients
	origin  *origin // what comes from the hub
	take    func(Tuple) error

	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}

	state Change // as last reported; only run uses it
}

// NewClient returns a Client that connects to the hub at address, host:port, in its own goroutine. It fails if address is not of that form.
func NewClient(address string, cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	c, err := newClient(address, cfg, newTable(cfg))
	if err != nil {
		return nil, err
	}
	c.take = c.learn
	go c.run()
	return c, nil
}

func newClient(address string, cfg Config, t *table) (*Client, error) {
	if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("gossip: %q is no address of a hub: want host:port, for example 192.0.2.1:5670", address)
	}
	c := &Client{address: address, cfg: cfg, table: t, origin: new(origin), done: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// Publish publishes a tuple, now and after each reconnect, until Unpublish. A tuple with a TTL is published again in time. It does not
// block. It fails if the tuple does not fit, or the Client is closed.
func (c *Client) Publish(t Tuple) error { return c.table.put(c.table.local, t) }

// Unpublish ends what Publish began. Hubs of this package forget the tuple within a second or two.
func (c *Client) Unpublish(key string) { c.table.withdraw(key) }

// Close says goodbye to the hub, and ends the connection and all goroutines; no callback runs after it. It blocks until then, for as long
// as a callback takes, and up to 250 ms. It is safe to call it again.
func (c *Client) Close() error {
	c.cancel()
	<-c.done
	c.table.close()
	return nil
}

// learn is what a Client on its own does with a tuple.
func (c *Client) learn(t Tuple) error {
	if err := t.check(c.cfg.Limits); err != nil {
		return err
	}
	if own, found := c.table.lookup(t.Key); found {
		if own.Value != t.Value {
			return fmt.Errorf("%w: %q, with the value %q instead of %q", errKeyTaken, t.Key, t.Value, own.Value)
		}
		return nil
	}
	if c.cfg.Learned != nil {
		c.cfg.Learned(t)
	}
	return nil
}

// run connects, again and again.
func (c *Client) run() {
	defer close(c.done)
	wait := shortestWait
	for c.ctx.Err() == nil {
		began := time.Now()
		err := c.connect()
		if c.ctx.Err() != nil {
			break
		}
		c.reportChange(Change{Address: c.address, Err: err})
		if time.Since(began) > longestWait {
			wait = shortestWait // it did not break at once
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)):
		case <-c.ctx.Done():
		}
		wait = min(2*wait, longestWait)
	}
}

// reportChange reports a change, if it is one.
func (c *Client) reportChange(now Change) {
	if now.Up == c.state.Up && c.state.Address != "" {
		return
	}
	if c.state = now; c.cfg.Changed != nil {
		c.cfg.Changed(now)
	}
}

// connect makes one connection and serves it to its end. It returns why it ended.
func (c *Client) connect() error {
	ctx, cancel := context.WithTimeout(c.ctx, dialTime)
	nc, err := c.cfg.Dial(ctx, "tcp", c.address)
	cancel()
	if err != nil {
		return fmt.Errorf("gossip: cannot reach the hub %s: %w", c.address, err)
	}
	c.origin.from = ipOf(nc.RemoteAddr())
	s := &stream{messages: make(chan Message), closed: make(chan error, 1), log: c.cfg.Log}
	queue := zmtp.NewQueue(1000, 1<<20)
	hello := func(conn *zmtp.Conn) ([][]byte, error) {
		s.conn = conn
		return [][]byte{Message{Kind: Hello}.AppendTo(nil)}, nil
	}
	if _, err := zmtp.Open(c.ctx, nc, c.cfg.zmtp(), queue, hello, s); err != nil {
		return fmt.Errorf("gossip: no connection to the hub %s: %w", c.address, err)
	}
	l := &link{Client: c, stream: s, feeder: newFeeder(c.table, queue, c.origin)}
	err = l.serve()
	c.table.originEnded(c.origin)
	return err
}

// A stream receives a connection's messages, and hands them to the Client's goroutine.
type stream struct {
	conn     *zmtp.Conn
	messages chan Message
	closed   chan error // one error
	log      zerolog.Logger
}

func (s *stream) Receive(frames [][]byte) error {
	m, err := decode(frames)
	if err != nil {
		s.log.Debug().Err(err).Stringer("hub", s.conn.RemoteAddr()).Msg("gossip: message ignored")
		return nil
	}
	select {
	case s.messages <- m:
	case <-s.conn.Done():
	}
	return nil
}

func (s *stream) Closed(err error) { s.closed <- err }

// A link is a Client's connection while it is open.
type link struct {
	*Client
	*stream
	feeder     *feeder
	unanswered int       // PINGs
	refreshed  time.Time // when our own tuples were last published
	republish  bool      // they must be published again soon
}

// serve returns why the connection ended, when nothing of it runs any more.
func (l *link) serve() error {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	l.refreshed = time.Now()
	_ = l.send(Ping) // the answer shows that this is a hub
	err := l.loop(ping.C)
	l.conn.Close(err)
	ended := <-l.closed
	if err == nil {
		err = fmt.Errorf("gossip: the connection to the hub %s ended: %w", l.address, ended)
	}
	return err
}

// loop returns nil if the connection ended by itself.
func (l *link) loop(ping <-chan time.Time) error {
	for {
		changed := l.table.changed()
		room := l.feeder.flush()
		if room != nil {
			changed = nil
		}
		select {
		case <-l.ctx.Done():
			l.farewell()
			return ErrClosed
		case <-l.conn.Done():
			return nil
		case m := <-l.messages:
			if err := l.receive(m); err != nil {
				return err
			}
		case <-ping:
			if l.unanswered >= maxUnanswered {
				return ErrSilent
			}
			l.unanswered++
			_ = l.send(Ping)
			l.refresh()
		case <-changed:
		case <-room:
		}
	}
}

// send sends a message that has only a kind. If there is no room it is left out: there is enough traffic then.
func (l *link) send(k Kind) error { return l.feeder.queue.Push(Message{Kind: k}.AppendTo(nil)) }

// receive handles one message of the hub; an error ends the connection.
func (l *link) receive(m Message) error {
	l.unanswered = 0
	switch m.Kind {
	case Invalid:
		return ErrInvalid
	case Publish, Pong:
		l.reportChange(Change{Address: l.address, Up: true})
	}
	if m.Kind != Publish {
		return nil
	}
	if l.conn.Property(PropertyTTL) == "" {
		m.TTL = 0
	}
	err := l.take(m.Tuple)
	if err != nil {
		l.cfg.Log.Debug().Err(err).Str("hub", l.address).Msg("gossip: tuple ignored")
	}
	l.republish = l.republish || errors.Is(err, errKeyTaken)
	return nil
}

// refresh publishes our own tuples again, if it is time, or the hub has another value for one of them.
func (l *link) refresh() {
	own := l.table.localTuples()
	due := refreshEvery
	for _, t := range own {
		if t.TTL > 0 {
			due = min(due, t.TTL/3)
		}
	}
	if !l.republish && time.Since(l.refreshed) < due {
		return
	}
	l.republish, l.refreshed = false, time.Now()
	for _, t := range own {
		_ = l.feeder.queue.Push(Message{Kind: Publish, Tuple: t}.AppendTo(nil)) // no room: next time
	}
}

// farewell tells the hub that our own tuples end.
func (l *link) farewell() {
	for _, t := range l.table.localTuples() {
		t.TTL = farewellTTL
		_ = l.feeder.queue.Push(Message{Kind: Publish, Tuple: t}.AppendTo(nil))
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	_ = l.feeder.queue.Flush(ctx) // if it fails the tuples linger
}

// serialCalls runs an application's functions one at a time.
type serialCalls struct{ sync.Mutex }

// wrap returns cfg with functions that never run at the same time.
func (c *serialCalls) wrap(cfg Config) Config {
	if learned := cfg.Learned; learned != nil {
		cfg.Learned = func(t Tuple) { c.Lock(); defer c.Unlock(); learned(t) }
	}
	if ended := cfg.Ended; ended != nil {
		cfg.Ended = func(key string) { c.Lock(); defer c.Unlock(); ended(key) }
	}
	if changed := cfg.Changed; changed != nil {
		cfg.Changed = func(ch Change) { c.Lock(); defer c.Unlock(); changed(ch) }
	}
	return cfg
}
