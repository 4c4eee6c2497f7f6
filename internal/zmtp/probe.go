package zmtp

import (
	"context"
	"net"

	"github.com/go-zeromq/zmq4"
)

// Probe asks the ROUTER at the other end of nc who it is, without telling who we are: it exchanges greetings, reads the
// ROUTER's READY, says none, and closes nc in any case. So the ROUTER never learns of a peer, and connections that it has go on.
//
// The identity is the ROUTER's: 17 octets of a ZRE node of ours (RFC 36: 1 and the UUID), empty of most others, since libzmq
// gives its ROUTERs none. An empty one with a nil error still says that a ROUTER answers here. The slice is the caller's.
//
// Probe blocks until READY has come, or ctx or Config.HandshakeTimeout ends; of cfg only that and Limits count. Errors are those
// of [Open]: *[ProtocolError] for whatever is no ROUTER with the NULL mechanism, os.ErrDeadlineExceeded for silence, io.EOF.
//
// That READY comes without ours is what RFC 23 says of NULL, and what libzmq does: 4.2.2, 4.3.5 and 4.3.6 send it as soon as they
// have the greeting. An attempt without READY makes libzmq's monitor tell of a failed handshake; no socket shows a
// message, and no ROUTER of any implementation an identity.
func Probe(ctx context.Context, nc net.Conn, cfg Config) (identity []byte, err error) {
	defer nc.Close()
	peer, err := shakeHands(ctx, nc, cfg.withDefaults(), &null{want: zmq4.Router, mute: true}, zmq4.Dealer)
	if err != nil {
		return nil, err
	}
	return []byte(peer.get(propIdentity)), nil
}
