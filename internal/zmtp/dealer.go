package zmtp

import (
	"context"
	"net"

	"github.com/go-zeromq/zmq4"
)

// Open makes a DEALER connection to a ROUTER over nc, which it owns from now on and closes if it fails. It blocks until the handshake is
// over, or ctx or Config.HandshakeTimeout ends.
//
// Then it calls first, if that isn't nil: the frames that first returns are the first message, ahead of what waits in q (no message if it
// returns no frame); if first fails, Open fails, and nothing is sent. From there on the connection drains q, and recv gets what the peer
// sends, perhaps before Open returns. If Open fails, q is unchanged and recv is not called.
func Open(ctx context.Context, nc net.Conn, cfg Config, q *Queue, first func(*Conn) ([][]byte, error), recv Receiver) (*Conn, error) {
	cfg = cfg.withDefaults()
	tune(nc)
	result, err := handshake(ctx, nc, cfg, zmq4.Dealer)
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	c := newConn(socket{nc}, result.peer, q, cfg)
	c.curve = result.curve
	var frames [][]byte
	if first != nil {
		frames, err = first(c)
	}
	if err == nil {
		err = c.queue.attach(c, frames)
	}
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	c.run(recv)
	return c, nil
}
