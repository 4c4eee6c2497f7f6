// Package gossip is zgossip/1, the protocol by which ZRE nodes find each other where beacons don't reach: a [Hub] keeps
// tuples (key and value) and hands them to whoever connects, a [Client] is a connection to a hub. It speaks with czmq's
// zgossip in both roles.
//
// A node needs one Hub, whether it binds (Serve), connects (Connect, to any number of hubs) or both: like czmq's actor it
// passes on what it learns in every direction. A Client alone is for programs that only publish and listen.
//
// # On the wire
//
// ZMTP between a hub's ROUTER and a client's DEALER, each message one frame: see [Message]. A client says HELLO and gets all
// tuples, then each new one; it publishes its own at any time. PING is answered by PONG. INVALID means that the hub does not
// serve this client (any more) until it says HELLO.
//
// czmq's hub forgets a client after 1 s without a message from it, keeps answering its PINGs, and says INVALID when it has
// something to forward or the client publishes. So a Client PINGs every 300 ms, takes INVALID as the end of the connection,
// and connects anew. czmq's client in turn never PINGs: a Hub serves a silent client as long as its connection lives.
//
// # Leaving
//
// zgossip/1 has no message for it, and czmq's hub keeps each tuple for ever, or until its application says UNPUBLISH, which
// is not told to others; C zyre relies on ZRE's GOODBYE among the peers themselves. Here a tuple belongs to the connection it
// came from. A Client that closes publishes its tuples once more with a TTL of 1 s. When a connection ends otherwise its
// tuples get a TTL, Config.Linger, unless published anew by then. Other Hubs and Clients of this package learn that TTL too;
// czmq ignores it.
//
// Who holds a TTL from a czmq hub cannot trust it: that hub sends the TTL of the last message it got, whichever tuple that
// was for. So a Client believes only those of hubs that announce [PropertyTTL] in their READY command.
package gossip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// PropertyTTL is the property in a Hub's READY command (RFC 23) which says that its TTLs mean what they say.
const PropertyTTL = "X-Zgossip-TTL"

// A Tuple is what gossip is about.
type Tuple struct {
	Key   string        // at most 255 octets, without NUL
	Value string        // at most Limits.ValueSize octets, without NUL
	TTL   time.Duration // how long it is valid from now on; 0 for ever. Milliseconds on the wire, at most 49 days

	// From is the remote IP address of the connection by which a Hub learned the value: that of a client or a hub, which may have
	// passed it on. It is not valid where there is none. A Hub sets it for Learned, and ignores it elsewhere.
	From netip.Addr
}

// A Change says that a connection to a hub came up or went down.
type Change struct {
	Address string // the hub's, as it was given
	Up      bool
	Err     error // why it is down; nil if it is up
}

// Config is what a Client or a Hub needs to know. The zero value works.
type Config struct {
	// Learned, if set, is called with each tuple that others publish. It may call anything but Close. It should return soon:
	// meanwhile no other call is made, and a Client neither reads nor sends a PING.
	//
	// A Hub calls it once for each value of a key; of values that replace each other quickly perhaps only for the last. A
	// tuple that was forgotten and comes back is told again. A Client keeps nothing, so after each reconnect the hub's
	// tuples are told again.
	Learned func(Tuple)

	// Ended, if set, is called by a Hub with the key of a tuple that Learned was told of, when it is forgotten: its TTL or Linger is
	// over. The rules for Learned hold. A Client does not call it.
	Ended func(key string)

	// Changed, if set, is called when a connection to a hub comes up (the hub has answered, not only accepted) or goes down:
	// not for each failed attempt, but for the first if there was no connection yet. Calls of Learned, Ended and Changed are never
	// concurrent, and the same holds for Changed: it may call anything but Close.
	Changed func(Change)

	// Accept, if set, is asked about each tuple that others publish, before a Hub takes it; it is ignored, and not passed on, for an error. It may
	// be called at any time, by many at once.
	Accept func(Tuple) error

	// Curve, if set, has a Hub take clients by CURVE alone. Those that it connects to itself have a Curve of their own: Hub.ConnectCurve.
	Curve *zmtp.Curve

	// Dial connects to a hub. Default: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Linger is for how long a Hub keeps the tuples of a connection that ended, in case that it comes back. Shorter: newcomers
	// are told of fewer nodes that are gone. Longer: a hub between two others may be away for longer. Default 1 minute.
	Linger time.Duration

	// Limits bound what others can make a Hub spend.
	Limits Limits

	// Log gets debug lines of what was refused. The zero Logger is silent.
	Log zerolog.Logger
}

// Limits bound what others can make a Hub spend. A zero field means its default.
type Limits struct {
	// Clients is how many connections a Hub has. Default 1,024. Each costs up to 1 MiB if it does not read, for 10 s.
	Clients int

	// Tuples is how many tuples a Hub keeps; then those go first whose connection has ended, and more are ignored. Default
	// 4,096, the number of peers that a node knows.
	Tuples int

	// TuplesPerAddress is how many of those one IP address may publish. Default 2,048, so that one host cannot take all, and
	// a hub behind another can still pass on many.
	TuplesPerAddress int

	// ValueSize is the longest value, in octets. Default 1,024: an endpoint with a key has about 70.
	ValueSize int
}

// Times that the protocol or common sense gives.
const (
	pingEvery    = 300 * time.Millisecond // czmq's hub forgets after 1 s: two may be late
	silence      = 17                     // PINGs without any answer, 5 s: the hub is gone
	refreshEvery = 10 * time.Second       // own tuples are published again, for a hub that lost them without a sign
	farewellTTL  = time.Second            // of own tuples on leaving
	farewellTime = 250 * time.Millisecond // to write those
	dialTime     = 5 * time.Second
	shortestWait = 100 * time.Millisecond // between attempts to connect, then doubling
	longestWait  = 3 * time.Second
	stallTime    = 10 * time.Second // a client that reads nothing for so long is dropped
	promptTime   = time.Second      // a client that has not said HELLO by then is asked to, by INVALID
)

// frameSize is the longest frame that is read from anybody; what a value may have is checked later, since a lost
// connection would make a czmq client come back and publish the same again for ever.
const frameSize = 64 << 10

var (
	// ErrInvalid says that the hub answered INVALID: it has forgotten this client. The client connects anew.
	ErrInvalid = errors.New("gossip: the hub answered INVALID")

	// ErrSilent says that the hub did not answer for 5 s.
	ErrSilent = errors.New("gossip: the hub answers no PING")

	// ErrClosed says that the Hub or Client is closed.
	ErrClosed = zmtp.ErrClosed
)

var errStalled = errors.New("gossip: the client does not read")

func (c Config) withDefaults() Config {
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Linger <= 0 {
		c.Linger = time.Minute
	}
	for _, l := range []struct {
		field    *int
		standard int
	}{{&c.Limits.Clients, 1024}, {&c.Limits.Tuples, 4096}, {&c.Limits.TuplesPerAddress, 2048}, {&c.Limits.ValueSize, 1024}} {
		if *l.field <= 0 {
			*l.field = l.standard
		}
	}
	c.Limits.ValueSize = min(c.Limits.ValueSize, frameSize-messageOverhead)
	return c
}

// zmtp returns the configuration of connections.
func (c Config) zmtp() zmtp.Config {
	return zmtp.Config{
		Curve:  c.Curve,
		Limits: zmtp.Limits{FrameSize: frameSize, MessageSize: frameSize, Frames: 16, Connections: c.Limits.Clients},
		Log:    c.Log,
	}
}
