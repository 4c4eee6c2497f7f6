// Package gossip is zgossip/1, the protocol by which ZRE nodes find each other where beacons don't reach: a [Hub] keeps tuples (key and
// value) and passes them to its clients, a [Client] is a connection to a hub. It interoperates with czmq's zgossip in both roles.
//
// A node needs one Hub, whether it binds (Serve), connects (Connect, to any number of hubs) or both: like czmq's actor it passes on what it
// learns in every direction. A Client on its own is for programs that only publish and listen.
//
// # On the wire
//
// ZMTP between a hub's ROUTER and a client's DEALER, each message one frame: see [Message]. A client sends HELLO and gets all tuples, then
// each new one; it publishes its own at any time. PONG answers PING. INVALID means that the hub does not serve this client (any more) until
// it sends HELLO.
//
// czmq's hub forgets a client after 1 s without a message from it, but keeps answering its PINGs, and sends INVALID when it has something
// to forward or the client publishes. So a Client sends a PING every 300 ms, takes INVALID as the end of the connection, and reconnects.
// czmq's client never sends PING: a Hub serves a silent client as long as its connection lives.
//
// # Leaving
//
// zgossip/1 has no message for it. czmq's hub keeps each tuple forever, or until its application says UNPUBLISH, which it does not pass on;
// C zyre relies on ZRE's GOODBYE among the peers themselves. Here a tuple belongs to the connection that it came from. A Client that closes
// publishes its tuples once more with a TTL of 1 s. When a connection ends in another way its tuples get a TTL, Config.Linger, unless they
// are published again by then. Other Hubs and Clients of this package learn that TTL too; czmq ignores it.
//
// A TTL from a czmq hub cannot be trusted: that hub sends the TTL of the last message it got, whichever tuple that was for. So a Client
// uses only the TTLs of hubs that announce [PropertyTTL] in their READY command.
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

// PropertyTTL is the property in a Hub's READY command (RFC 23) which says that its TTLs can be trusted.
const PropertyTTL = "X-Zgossip-TTL"

// A Tuple is a key and a value, the unit of gossip.
type Tuple struct {
	Key   string        // at most 255 octets, without NUL
	Value string        // at most Limits.ValueSize octets, without NUL
	TTL   time.Duration // how long it is valid from now on; 0 is forever. Milliseconds on the wire, at most 49 days

	// From is the remote IP address of the connection by which a Hub learned the value: that of a client or a hub, which may have passed it
	// on. It is not valid if there is none. A Hub sets it for Learned, and ignores it elsewhere.
	From netip.Addr
}

// A Change says that a connection to a hub came up or went down.
type Change struct {
	Address string // the hub's, as the caller gave it
	Up      bool
	Err     error // why it is down; nil if it is up
}

// Config is what a Client or a Hub needs to know. The zero value works.
type Config struct {
	// Learned, if set, is called with each tuple that others publish. It may call anything but Close. It should return soon: meanwhile no
	// other call is made, and a Client neither reads nor sends a PING.
	//
	// A Hub calls it once for each value of a key; if values replace each other quickly, perhaps only for the last. A tuple that was
	// forgotten and comes back is reported again. A Client keeps nothing, so after each reconnect the hub's tuples are reported again.
	Learned func(Tuple)

	// Ended, if set, is called by a Hub when it forgets a tuple that it reported to Learned, with the tuple's key: the TTL or Linger is
	// over. The rules for Learned apply. A Client does not call it.
	Ended func(key string)

	// Changed, if set, is called when a connection to a hub comes up (the hub has answered, not only accepted) or goes down: not for each
	// failed attempt, but for the first if there was no connection yet. Calls of Learned, Ended and Changed are never concurrent. Changed
	// may call anything but Close.
	Changed func(Change)

	// Accept, if set, is asked about each tuple that others publish, before a Hub takes it; if it returns an error the tuple is ignored,
	// and not passed on. It may be called at any time, by many at once.
	Accept func(Tuple) error

	// Curve, if set, makes a Hub accept clients only with CURVE. Each hub that it connects to has its own Curve: Hub.ConnectCurve.
	Curve *zmtp.Curve

	// Dial connects to a hub. Default: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Linger is how long a Hub keeps the tuples of a connection that ended, in case it comes back. A shorter time tells new clients of
	// fewer nodes that are gone. With a longer time, a hub between two others may be away for longer. Default 1 minute.
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

	// Tuples is how many tuples a Hub keeps. When it is full, new tuples replace those whose connection has ended; if there are none, new
	// tuples are ignored. Default 4,096, the number of peers that a node knows.
	Tuples int

	// TuplesPerAddress is how many of those one IP address may publish. Default 2,048, so that one host cannot take all, and a hub behind
	// another can still pass on many.
	TuplesPerAddress int

	// ValueSize is the longest value, in octets. Default 1,024: an endpoint with a key has about 70.
	ValueSize int
}

// Times that the protocol requires, or that work well.
const (
	pingEvery     = 300 * time.Millisecond // czmq's hub forgets after 1 s: two may be late
	maxUnanswered = 17                     // PINGs without any answer, 5 s: the hub is gone
	refreshEvery  = 10 * time.Second       // our own tuples are published again, for a hub that lost them without a sign
	farewellTTL   = time.Second            // of our own tuples on leaving
	farewellTime  = 250 * time.Millisecond // to write those
	dialTime      = 5 * time.Second
	shortestWait  = 100 * time.Millisecond // between attempts to connect, then doubling
	longestWait   = 3 * time.Second
	stallTime     = 10 * time.Second // a client that reads nothing for this long is dropped
	helloTime     = time.Second      // a client that has not sent HELLO by then gets INVALID, which asks for it
)

// frameSize is the longest frame that is read from any peer. The limit of a value is checked later, because a lost connection would make a
// czmq client reconnect and publish the same again, without end.
const frameSize = 64 << 10

var (
	// ErrInvalid says that the hub answered INVALID: it has forgotten this client. The client reconnects.
	ErrInvalid = errors.New("gossip: the hub answered INVALID")

	// ErrSilent says that the hub did not answer for 5 s.
	ErrSilent = errors.New("gossip: the hub does not answer PING")

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
