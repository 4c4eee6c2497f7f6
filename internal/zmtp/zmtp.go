// Package zmtp makes the connections that ZRE runs on: a [Router] accepts peers' DEALER connections (the inbox of RFC 36),
// [Open] makes a DEALER connection to a peer's ROUTER (the mailbox). It speaks ZMTP 3.0 (RFC 23) and its successor 3.1
// (RFC 37) with the NULL mechanism, or with CURVE (RFC 26).
//
// The zmq4 module does the greeting and drives the handshake, on a guarded connection. After that everything is here: framing, queues,
// limits, and the life of each connection.
//
//   - A [Queue] holds the messages to one peer. Pushing never blocks; a writer goroutine, which runs only while
//     something waits, drains it, everything with few system calls.
//   - A [Receiver] gets what one peer sends, from that connection's reader goroutine, whole messages in order. A Receive
//     that waits makes the reader wait, so the peer meets TCP's backpressure.
//   - A [ReceiveBudget] bounds the messages that are partly received, over all connections. A [Screener] tells which need not be received at all.
//   - A [Conn] ends once: because the peer left, broke the protocol, was replaced, or this side closed it. Its Receiver's
//     Closed gets the reason.
//
// Anything with net.Conn's methods works as a transport; ipc is a unix listener given to Serve. Reading uses a timer, so a transport must
// honour deadlines.
//
// With CURVE ([Config.Curve]) every frame after the handshake is a MESSAGE with a frame in it, and anything else ends the connection.
// Queues, limits and budgets count plain octets. In addition, a connection that is being written to has a buffer for sealed octets: of 16
// KiB, or of 128 KiB for at most 64 connections of the process at a time. A longer frame is sealed piece by piece. What a Screener does not
// want is authenticated before the next frame is trusted, and takes no memory. An altered length of a frame shows when that many octets
// have come, or when StallTimeout is over.
//
// [Router.Link] reaches a Router of this process, without a socket and without ZMTP on the way. A queue of [NewInprocQueue] copies frames
// into memory that the receiver will own, and a goroutine that runs only while there are some delivers them from there. Rules, limits and
// ends of connections are the same, and so is backpressure: what was delivered but waits in Receive still counts in the queue.
package zmtp

import (
	"net"
	"time"

	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/memory"
)

// Config is what a Router and Open need to know. The zero value works.
type Config struct {
	// Identity goes into our READY command in both roles, 0 to 255 octets; 17 in ZRE (RFC 36: 1 and the UUID).
	Identity []byte

	// Expect is the identity that the ROUTER must have, if it has one at all; nil allows any. Only Open and Link use it. On a socket they
	// check it before they give their own identity, so that another ROUTER does not take us for a newer connection of a peer that it has.
	Expect []byte

	// Properties go into READY too. Names start with "X-" (RFC 23, metadata); peers that don't know them ignore them.
	Properties map[string]string

	// Curve makes every connection speak CURVE and nothing else; nil is NULL and nothing else. The two never mix.
	Curve *Curve

	// Limits bound what a peer can make us spend.
	Limits Limits

	// HandshakeTimeout is how long greeting and handshake may take together. Default 5 seconds.
	HandshakeTimeout time.Duration

	// ReceiveBudget bounds the memory of partly received messages, over all connections with this ReceiveBudget; nil for no bound but
	// Limits.
	ReceiveBudget *ReceiveBudget

	// StallTimeout is how long a peer may send nothing in the middle of a message before the connection ends; 0 for no limit. A message
	// that holds a share of the ReceiveBudget, while others wait for room, must grow by 32 KiB per second, on average over that time. Time
	// in which the reader itself waits, for room or in Receive, does not count.
	StallTimeout time.Duration

	// Memory is the pool for received frames; nil for an application that gives none back.
	Memory *memory.Pool

	// Log gets a debug line for each connection refused or broken off. The zero Logger is silent.
	Log zerolog.Logger
}

func (c Config) withDefaults() Config {
	c.Limits = c.Limits.withDefaults()
	if c.HandshakeTimeout <= 0 {
		c.HandshakeTimeout = 5 * time.Second
	}
	return c
}

// A Receiver gets what one connection reads.
type Receiver interface {
	// Receive takes one message, one or more frames. The Receiver owns the frames from now on. Calls come from the connection's reader
	// goroutine, one at a time, in order. While Receive blocks nothing more is read from that peer; a Receive that waits must give up when
	// the connection's Done is closed. An error closes the connection with that error.
	Receive(frames [][]byte) error

	// Closed is the last call, exactly one, after the connection is closed and its socket's writer has ended. The error says which side
	// ended it:
	//
	//   - The peer: io.EOF between two messages, after everything that it sent was received; io.ErrUnexpectedEOF within a message. With TCP that
	//     was a FIN. A link within the process always gives io.EOF, whatever error the other side closed it with.
	//   - The network or the peer's system: an error that wraps a syscall.Errno. A reset is syscall.ECONNRESET (on Windows
	//     syscall.WSAECONNRESET), and does not prove that the peer crashed: systems also reset when a process closes, or ends, before it has read
	//     everything. Silence beyond TCP's patience is syscall.ETIMEDOUT. syscall.EPIPE: the peer takes no more, and its stream was not read to
	//     an end within a second.
	//   - This side, for what the peer did: a *ProtocolError, or a *PeerError.
	//   - This side, for its own reasons: ErrClosed, ErrReplaced, the error of Conn.Close or Queue.Close, an error of Receive, or
	//     os.ErrDeadlineExceeded if a greeting, or the rest of a message, did not come in time.
	Closed(err error)
}

// maxUnsent is how much written data may wait in the kernel, in octets, beyond what is on its way. The rest waits in the Queue, where it
// counts. Without this bound, a peer that is slower than we are lets several MiB pile up there, which is tens of milliseconds of a flood of
// small messages, and whatever follows waits behind them. Only the peer's window bounds what is on its way, so a long path is filled as
// before.
const maxUnsent = 128 << 10

// tune makes TCP notice within 30 seconds that the other host is gone, and keeps the waiting data short. Nagle's algorithm is off already.
func tune(nc net.Conn) {
	if tcp, ok := nc.(*net.TCPConn); ok {
		// Without keepalive probes a peer's timers above this layer still work, so an error here is no reason to stop.
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
		})
		bound := maxUnsent
		if isSameHost(nc) {
			bound = minLocalBuffer
		}
		if raw, err := tcp.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { limitUnsent(fd, bound) })
		}
	}
}
