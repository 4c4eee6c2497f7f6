package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// A Hub keeps tuples and passes them on: to clients that connect, to hubs that it is connected to, and to its application. It may have any
// number of listeners and of upstream hubs, also none. It may even be its own client.
type Hub struct {
	cfg    Config
	table  *table
	router *zmtp.Router
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup // feeders of sessions, and tell

	sessions atomic.Int64

	mu      sync.Mutex
	closed  bool
	clients map[string]*Client // by address
}

// NewHub returns a Hub without connections. Close it when it is no longer needed.
func NewHub(cfg Config) *Hub {
	cfg = new(serialCalls).wrap(cfg.withDefaults())
	h := &Hub{cfg: cfg, table: newTable(cfg), clients: make(map[string]*Client)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	z := cfg.zmtp()
	z.Properties = map[string]string{PropertyTTL: "1"}
	h.router = zmtp.NewRouter(z, h.accept)
	if cfg.Learned != nil {
		h.table.tracksEnded = cfg.Ended != nil
		h.wg.Go(h.reportTuples)
	}
	return h
}

// Serve accepts clients from l until l or the Hub is closed, then it returns ErrClosed. It closes l.
func (h *Hub) Serve(l net.Listener) error {
	if err := h.router.Serve(l); !errors.Is(err, zmtp.ErrClosed) {
		return fmt.Errorf("gossip: clients can no longer connect: %w", err)
	}
	return ErrClosed
}

// Connect makes the Hub a client of the hub at address, host:port, until Disconnect or Close: tuples pass both ways. It does not block. It
// fails if address is not of that form, or the Hub is closed. A second Connect to the same address does nothing.
func (h *Hub) Connect(address string) error { return h.ConnectCurve(address, nil) }

// ConnectCurve is Connect to a hub that speaks CURVE; if curve is nil, to a plain one.
func (h *Hub) ConnectCurve(address string, curve *zmtp.Curve) error {
	cfg := h.cfg
	cfg.Curve = curve
	c, err := newClient(address, cfg, h.table)
	if err != nil {
		return err
	}
	c.take = func(t Tuple) error { return h.table.put(c.origin, t) }
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return ErrClosed
	case h.clients[address] != nil:
		return nil
	}
	h.clients[address] = c
	go c.run()
	return nil
}

// Disconnect undoes Connect: the Hub says goodbye to that hub, and keeps what came from there for Config.Linger. It does not block.
func (h *Hub) Disconnect(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.clients[address]
	if c == nil || h.closed {
		return
	}
	delete(h.clients, address)
	c.cancel()
	h.wg.Go(func() { <-c.done })
}

// Publish publishes a tuple of this application, until Unpublish. Others cannot replace it. It does not block. It fails if the tuple does
// not fit, or the Hub is closed.
func (h *Hub) Publish(t Tuple) error { return h.table.put(h.table.local, t) }

// Unpublish ends what Publish began. The tuple is passed on with a TTL of 1 s, and then forgotten.
func (h *Hub) Unpublish(key string) { h.table.withdraw(key) }

// Forget drops a tuple at once instead of after Config.Linger, if the connection that it came from has ended: for an application that knows
// more.
func (h *Hub) Forget(key string) { h.table.forget(key) }

// Retire ends a tuple of others within a second, here and in hubs and clients of this package, whether its connection has ended or not. A
// live client of this package publishes it again within 10 s.
func (h *Hub) Retire(key string) { h.table.retire(key) }

// Len returns how many tuples there are.
func (h *Hub) Len() int { return h.table.size() }

// Clients returns how many clients are connected.
func (h *Hub) Clients() int { return int(h.sessions.Load()) }

// Close says goodbye to the upstream hubs, and ends all connections and goroutines; no callback runs after it. It blocks until then, for as
// long as a callback takes, and up to 250 ms. It is safe to call it again.
func (h *Hub) Close() error {
	h.mu.Lock()
	h.closed = true
	for _, c := range h.clients {
		c.cancel()
	}
	h.mu.Unlock()
	for _, c := range h.clients { // nothing changes it any more
		<-c.done
	}
	h.cancel()
	_ = h.router.Close()
	h.wg.Wait()
	h.table.close()
	return nil
}

// reportTuples reports to the application what others publish.
func (h *Hub) reportTuples() {
	at := cursor{owner: h.table.local, application: true}
	for {
		changed := h.table.changed()
		for _, key := range h.table.takeEnded() { // first, because one that came back is reported again
			if h.ctx.Err() != nil {
				return
			}
			h.cfg.Ended(key)
		}
		batch := h.table.after(&at)
		for _, t := range batch {
			if h.ctx.Err() != nil {
				return
			}
			h.cfg.Learned(t)
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-h.ctx.Done():
			return
		}
	}
}

// accept begins a client's session. It runs on a goroutine of the Router, so Close waits for it before it waits for wg.
func (h *Hub) accept(conn *zmtp.Conn) (zmtp.Receiver, error) {
	s := newSession(h, conn)
	h.sessions.Add(1)
	h.wg.Go(s.feed)
	return s, nil
}

// ipOf returns the IP address in an address, the zero Addr if there is none.
func ipOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
