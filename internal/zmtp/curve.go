package zmtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/go-zeromq/zmq4"

	"github.com/go-zre/go-zre/internal/curve"
)

// Curve is what a Router, Open, Link and Probe need for the CURVE mechanism.
type Curve struct {
	// Keys is our long-term key pair, in both roles.
	Keys *curve.KeyPair

	// Server is the public key that the ROUTER must have. A Router does not look at it.
	Server curve.PublicKey

	// Authorize, if set, judges a peer that has proven its key, within the handshake. A Router asks before READY, and sends a refused peer
	// ERROR "400" and nothing else; Open asks before it sends anything about us, and then closes. An error refuses the peer and ends up in
	// a RefusedError. Without Authorize any key may enter a Router.
	//
	// It is called from the goroutine of the handshake, perhaps by many at once. It may block until ctx ends: when the time for the
	// handshake is over, or when the Router or the caller of Open gives up.
	Authorize func(ctx context.Context, peer Candidate) error
}

// A Candidate is a peer in its handshake, with a proven key.
type Candidate struct {
	RemoteAddr net.Addr
	PublicKey  curve.PublicKey

	// Identity is the DEALER's own identity, 0 to 255 octets: it is proven to come from the owner of the key, but not that this owner may
	// use that identity. Nil for a ROUTER, which has not sent its identity yet.
	Identity []byte

	metadata metadata
}

// Property returns a property of the peer's metadata by name, in any case; "" if there is none. A ROUTER has sent none yet.
func (c Candidate) Property(name string) string { return c.metadata.get(name) }

// A RefusedError says that Curve.Authorize refused a peer.
type RefusedError struct {
	PublicKey curve.PublicKey
	Err       error // what Authorize returned
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("zmtp: the peer is not authorized: %v", e.Err)
}
func (e *RefusedError) Unwrap() error { return e.Err }

// refusedReason is the reason that a refused peer gets. libzmq does not reconnect by itself after it.
const refusedReason = "400"

// authorize asks whether a peer may continue. It returns nil if c has no Authorize.
func (c *Curve) authorize(ctx context.Context, peer Candidate) error {
	if c.Authorize == nil {
		return nil
	}
	if err := c.Authorize(ctx, peer); err != nil {
		return &RefusedError{peer.PublicKey, err}
	}
	return ctx.Err()
}

// curveState is what a connection keeps of its CURVE handshake; a link within the process has only the key.
type curveState struct {
	key    curve.PublicKey // the peer's
	sealer *curve.Sealer   // of whichever writer runs at present
	opener *curve.Opener   // the reader's
}

// PublicKey returns the key that the peer has proven; false without CURVE.
func (c *Conn) PublicKey() (key curve.PublicKey, ok bool) {
	if c.curve == nil {
		return key, false
	}
	return c.curve.key, true
}

// sealing returns what seals everything that a writer writes, nil for plain. The writers of a connection follow one another.
func (c *Conn) sealing() *sealing {
	if c.curve == nil {
		return nil
	}
	return &sealing{sealer: c.curve.sealer}
}

// unsealing returns what opens everything that is read, nil for plain.
func (c *Conn) unsealing() *unsealing {
	if c.curve == nil {
		return nil
	}
	return &unsealing{opener: c.curve.opener}
}

// curveHandshake is the common part of client and server. It takes the commands from the guard: zmq4 only makes the greeting.
type curveHandshake struct {
	config  *Curve
	wire    *guard
	ctx     context.Context // of Authorize
	outcome handshakeResult
}

func (*curveHandshake) Type() zmq4.SecurityType { return zmq4.CurveSecurity }

func (e *curveHandshake) begin(ctx context.Context, g *guard) { e.ctx, e.wire = ctx, g }
func (e *curveHandshake) result() handshakeResult             { return e.outcome }

// Encrypt and Decrypt are not used.
func (*curveHandshake) Encrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }
func (*curveHandshake) Decrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }

func (e *curveHandshake) send(command []byte) { _, _ = e.wire.Write(frame(flagCommand, command)) }

// curveClient is the handshake of a DEALER.
type curveClient struct {
	curveHandshake
	ours       metadata
	expect     []byte // Config.Expect
	maxCommand int    // octets of a command
	probeOnly  bool   // send only HELLO: Probe
}

func (c *curveClient) waitsForPeer() bool { return c.probeOnly }

func (c *curveClient) Handshake(conn *zmq4.Conn, _ bool) error {
	client, err := curve.NewClient(c.config.Keys, c.config.Server, c.maxCommand)
	if err != nil {
		return ownError{fmt.Errorf("zmtp: no node can have the public key that is expected: %w", err)}
	}
	command, err := client.Hello()
	if err != nil {
		return err
	}
	c.send(command)
	if command, err = c.wire.command(client.Expects()); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return ownError{ErrNoWelcome}
		}
		return err
	}
	if err := client.Welcome(command); err != nil {
		return curveError(err)
	}
	c.outcome.curve = &curveState{key: c.config.Server}
	conn.Peer.Meta[propSocketType] = string(zmq4.Router) // zmq4 looks at this last
	if c.probeOnly {
		return nil
	}
	if err := c.config.authorize(c.ctx, Candidate{RemoteAddr: c.wire.RemoteAddr(), PublicKey: c.config.Server}); err != nil {
		return err
	}
	if command, err = client.Initiate(c.ours.encode()); err != nil {
		return curveError(err)
	}
	c.send(command)
	if command, err = c.wire.command(client.Expects()); err != nil {
		return err
	}
	theirs, sealer, opener, err := client.Ready(command)
	if err != nil {
		return curveError(err)
	}
	c.outcome.curve.sealer, c.outcome.curve.opener = sealer, opener
	if c.outcome.peer, err = parsePeer(theirs, zmq4.Router); err != nil {
		return err
	}
	return c.outcome.peer.expect(c.expect)
}

// curveServer is the handshake of a ROUTER.
type curveServer struct {
	curveHandshake
	ours       metadata
	maxCommand int          // octets of a command
	admit      func() error // before a HELLO costs anything; nil to admit all
}

func (*curveServer) waitsForPeer() bool { return false }

func (s *curveServer) Handshake(conn *zmq4.Conn, _ bool) error {
	server := curve.NewServer(s.config.Keys, s.maxCommand)
	command, err := s.wire.command(server.Expects())
	if err != nil {
		return err
	}
	if s.admit != nil {
		if err := s.admit(); err != nil {
			return ownError{err}
		}
	}
	if command, err = server.Hello(command); err != nil {
		return curveError(err)
	}
	s.send(command)
	if command, err = s.wire.command(server.Expects()); err != nil {
		return err
	}
	key, theirs, err := server.Initiate(command)
	if err != nil {
		return curveError(err)
	}
	peer, err := parsePeer(theirs, zmq4.Dealer)
	if err != nil {
		return err
	}
	candidate := Candidate{s.wire.RemoteAddr(), key, []byte(peer.get(propIdentity)), peer}
	if err := s.config.authorize(s.ctx, candidate); err != nil {
		s.send(curve.ErrorCommand(refusedReason))
		_ = s.wire.flush()
		return err
	}
	command, sealer, opener, err := server.Ready(s.ours.encode())
	if err != nil {
		return curveError(err)
	}
	s.send(command)
	s.outcome = handshakeResult{peer, &curveState{key, sealer, opener}}
	conn.Peer.Meta[propSocketType] = string(zmq4.Dealer) // zmq4 looks at this last
	return nil
}

// curveError translates an error of a handshake, or of a MESSAGE, into one of this package.
func curveError(err error) error {
	if refused, ok := errors.AsType[*curve.RefusedError](err); ok {
		return &PeerError{Reason: refused.Reason}
	}
	return violation("%v", err)
}
