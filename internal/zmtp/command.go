package zmtp

import "github.com/go-zeromq/zmq4"

const (
	pingTTL     = 2  // octets of a PING's time to live
	pingContext = 16 // octets of its context at most (RFC 37); libzmq cuts longer ones
)

// command reads and obeys a command. Commands may come at any time, also between the frames of a message: libzmq's heartbeats do. The
// application sees none, and unknown ones are ignored (RFC 23).
func (r *reader) command(flags byte, size uint64) error {
	if flags&flagMore != 0 {
		return violation("command with the MORE flag")
	}
	if size > uint64(r.limits.CommandSize) {
		return violation("command of %d bytes, at most %d are allowed", size, r.limits.CommandSize)
	}
	command := make([]byte, size)
	if err := r.read(command); err != nil {
		return err
	}
	return r.handleCommand(command)
}

// handleCommand does what a command says. It does not keep the slice.
func (r *reader) handleCommand(command []byte) error {
	if len(command) == 0 || command[0] == 0 || int(command[0]) > len(command)-1 {
		return violation("command without a whole name")
	}
	name, body := string(command[1:1+command[0]]), command[1+int(command[0]):]
	switch name {
	case zmq4.CmdPing:
		// The time to live is not used: TCP's keepalive and ZRE's own timers notice a silent peer.
		if len(body) < pingTTL {
			return violation("PING of %d bytes", len(body))
		}
		r.pong(body[pingTTL:min(len(body), pingTTL+pingContext)])
	case zmq4.CmdError:
		return peerError(body)
	}
	return nil
}
