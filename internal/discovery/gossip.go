package discovery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/cert"
	"github.com/go-zre/go-zre/internal/gossip"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// Hub is a node's part in gossip: it learns where peers are, publishes where this node is, and forwards what others publish.
type Hub struct {
	cfg       HubConfig
	seeker    *Seeker
	hub       *gossip.Hub
	listeners []net.Listener  // for clients
	published string          // endpoint of this node
	connected map[string]bool // addresses of other hubs, from Connect
}

// HubConfig is what a Hub needs of the network.
type HubConfig struct {
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	IsLocal func(netip.Addr) bool // whether an address belongs to this machine

	// PublicKey is that of a secure node, zero for a plain one. A secure node has Curve, with which it accepts clients, and CurveTo, which
	// returns the Curve for a hub with a key.
	PublicKey cert.PublicKey
	Curve     *zmtp.Curve
	CurveTo   func(hub cert.PublicKey) *zmtp.Curve
}

// NewHub makes a Hub. It serves the listeners once Serve is called, and closes them. What it learns waits for the control loop.
func (s *Seeker) NewHub(cfg HubConfig, listeners []net.Listener) *Hub {
	h := &Hub{cfg: cfg, seeker: s, listeners: listeners, connected: make(map[string]bool)}
	config := gossip.Config{
		Learned: func(t gossip.Tuple) { s.learned(t, cfg.IsLocal) },
		Ended:   s.unlearned,
		Changed: h.changed,
		Dial:    cfg.Dial,
		Curve:   cfg.Curve,
		Log:     s.cfg.Log,
	}
	if s.cfg.Secure {
		config.Accept = hasKey // secure nodes of C zyre do not survive a tuple without one
	}
	h.hub = gossip.NewHub(config)
	return h
}

// Connect connects to another hub, and reconnects whenever that connection is lost. It does not wait. An endpoint that cannot be dialled is
// an error, and one without a key is ErrNoKey if this node is secure. Connect and Disconnect are for the control loop.
func (h *Hub) Connect(endpoint string) error {
	address, key, err := hubAddress(endpoint)
	if err == nil && h.seeker.cfg.Secure && key.IsZero() {
		err = ErrNoKey
	}
	if err != nil {
		return err
	}
	h.connected[address] = true
	if !h.seeker.cfg.Secure {
		return h.hub.Connect(address)
	}
	return h.hub.ConnectCurve(address, h.cfg.CurveTo(key))
}

// Disconnect undoes Connect: it says goodbye to that hub. It does not wait. What the hub published is forgotten after a while, as when the
// connection is lost.
func (h *Hub) Disconnect(endpoint string) error {
	address, _, err := hubAddress(endpoint)
	if err != nil || !h.connected[address] {
		return err
	}
	delete(h.connected, address)
	h.hub.Disconnect(address)
	h.seeker.cfg.ReportHub(scheme+address, nil)
	return nil
}

const scheme = "tcp://"

// hubAddress returns the address of an endpoint, as package gossip takes it, and the hub's key.
func hubAddress(endpoint string) (string, cert.PublicKey, error) {
	host, port, key, err := ParseEndpoint(endpoint)
	return net.JoinHostPort(host, strconv.Itoa(int(port))), key, err
}

// hasKey checks that a tuple names a peer with its public key.
func hasKey(t gossip.Tuple) error {
	_, _, key, err := gossip.ParseTuple(t.Key, t.Value)
	if err == nil && key == "" {
		err = ErrNoKey
	}
	return err
}

// Conns returns the connections of clients, and those to other hubs.
func (h *Hub) Conns() (clients, hubs []*zmtp.Conn) { return h.hub.Conns() }

// Serve accepts clients until Close.
func (h *Hub) Serve() {
	for _, l := range h.listeners {
		h.seeker.cfg.Go(func() {
			if err := h.hub.Serve(l); !errors.Is(err, gossip.ErrClosed) {
				h.seeker.cfg.Log.Error().Err(err).Stringer("listener", l.Addr()).Msg("gossip hub closed")
			}
		})
	}
}

// Publish publishes where this node is. Only one goroutine at a time may call it.
func (h *Hub) Publish(endpoint string) {
	if endpoint == h.published {
		return
	}
	h.published = endpoint
	err := h.hub.Publish(gossip.Tuple{Key: gossip.FormatKey(h.seeker.cfg.Self), Value: gossip.FormatValue(endpoint, h.cfg.PublicKey.String())})
	if err != nil {
		h.seeker.cfg.Log.Error().Err(err).Str("endpoint", endpoint).Msg("gossip: not published")
	}
}

// Forget makes gossip forget where a peer is, unless that is published again.
func (h *Hub) Forget(peer uuid.UUID) { h.hub.Retire(gossip.FormatKey(peer)) }

// Close says goodbye to the hubs, and closes the listeners. It waits until the control loop has taken what the Hub is just passing to it,
// so the loop must run, or the node must have ended.
func (h *Hub) Close() error {
	err := h.hub.Close()
	for _, l := range h.listeners {
		if closing := l.Close(); !errors.Is(closing, net.ErrClosed) { // else Serve has closed it
			err = errors.Join(err, closing)
		}
	}
	return err
}

// changed notes that a connection to a hub is up or down.
func (h *Hub) changed(c gossip.Change) {
	if c.Up {
		h.seeker.cfg.Log.Info().Str("hub", c.Address).Msg("gossip: connected")
	}
	h.seeker.cfg.Post(func() {
		if h.connected[c.Address] {
			h.seeker.cfg.ReportHub(scheme+c.Address, c.Err)
		}
	})
}

// learned handles a tuple.
func (s *Seeker) learned(t gossip.Tuple, isLocal func(netip.Addr) bool) {
	id, endpoint, key, err := gossip.ParseTuple(t.Key, t.Value)
	switch {
	case err != nil:
		s.cfg.Log.Debug().Err(err).Msg("gossip: tuple ignored")
		return
	case id == s.cfg.Self:
		return
	case key == "" && s.cfg.Secure:
		s.cfg.Log.Debug().Stringer("peer", id).Msg("gossip: peer ignored, it has no key")
		return
	case key != "" && !s.cfg.Secure:
		s.cfg.Log.Warn().Stringer("peer", id).Msg("gossip: peer ignored, it wants CURVE, and this node has no certificate")
		return
	}
	endpoint = gossip.FormatValue(endpoint, key)
	s.cfg.Post(func() { s.addGossiped(id, endpoint, t.From, isLocal) })
}

// unlearned handles the end of a tuple.
func (s *Seeker) unlearned(key string) {
	if id, err := uuid.Parse(key); err == nil {
		s.cfg.Post(func() { s.RemoveSource(Source{Kind: Gossip, Peer: id}) })
	}
}

// addGossiped notes where gossip, from the address from, says that a peer is.
func (s *Seeker) addGossiped(id uuid.UUID, endpoint string, from netip.Addr, isLocal func(netip.Addr) bool) {
	log := s.cfg.Log.With().Stringer("peer", id).Logger()
	err := s.AddEndpoint(Source{Kind: Gossip, Peer: id}, endpoint, func(at netip.AddrPort) bool {
		if paths.UsableHearsay(at, from, isLocal) {
			return true
		}
		log.Debug().Stringer("address", at).Stringer("from", from).Msg("gossip: address ignored, it is not for others to name")
		return false
	})
	if err != nil {
		level := zerolog.DebugLevel // it is the peer's mistake
		if errors.Is(err, ErrTooManyHosts) {
			level = zerolog.WarnLevel
		}
		log.WithLevel(level).Err(err).Msg("gossip: peer ignored")
	}
}
