package zmtp

import (
	"fmt"
	"io"

	"github.com/go-zeromq/zmq4"
)

// null is the NULL mechanism (RFC 23): each side says READY with its metadata. It replaces zmq4's own, whose metadata
// parser panics on hostile input. One instance serves one handshake. CURVE would be another zmq4.Security like it: four
// commands through the same zmq4.Conn, and a key pair in the end that the reader and the writer then use.
type null struct {
	ours metadata
	want zmq4.SocketType // what the peer must be
	name []byte          // Config.Expect, of who opens a connection
	mute bool            // only hear the peer's READY, say none: Probe
	peer metadata        // what it said, after Handshake
}

func (n *null) Type() zmq4.SecurityType { return zmq4.NullSecurity }

func (n *null) Handshake(conn *zmq4.Conn, _ bool) error {
	if n.mute {
		return n.receive(conn)
	}
	// Who knows whom it wants waits for the other side's READY, which comes without waiting for ours: so RFC 23 has it for NULL.
	first, second := n.send, n.receive
	if n.name != nil {
		first, second = second, first
	}
	if err := first(conn); err != nil {
		return err
	}
	return second(conn)
}

func (n *null) send(conn *zmq4.Conn) error {
	return conn.SendCmd(zmq4.CmdReady, n.ours.encode())
}

func (n *null) receive(conn *zmq4.Conn) error {
	cmd, err := conn.RecvCmd()
	if err != nil {
		return err
	}
	switch cmd.Name {
	case zmq4.CmdReady:
	case zmq4.CmdError:
		return peerError(cmd.Body)
	default:
		return violation("command %q where READY was due", cmd.Name)
	}
	if n.peer, err = parseMetadata(cmd.Body); err != nil {
		return err
	}
	if got := n.peer.get(propSocketType); got != string(n.want) {
		return violation("socket type %q where %q was due", got, n.want)
	}
	if size := len(n.peer.get(propIdentity)); size > maxIdentity {
		return violation("identity of %d octets, at most %d are allowed", size, maxIdentity)
	}
	if err := n.peer.expect(n.name); err != nil {
		return err
	}
	// zmq4 checks the socket type once more, and panics on one that it doesn't know; so it sees only this one.
	conn.Peer.Meta[propSocketType] = string(n.want)
	return nil
}

// expect compares the peer's identity, if it has one, to the one that is wanted, if one is.
func (m metadata) expect(identity []byte) error {
	if got := m.get(propIdentity); len(identity) > 0 && got != "" && got != string(identity) {
		return fmt.Errorf("%w: %x instead of %x", ErrWrongPeer, got, identity)
	}
	return nil
}

// Encrypt and Decrypt leave octets as they are.
func (n *null) Encrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }
func (n *null) Decrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }

// peerError reads the body of an ERROR command: the reason with its length in front (RFC 23).
func peerError(body []byte) error {
	if len(body) == 0 || int(body[0]) > len(body)-1 {
		return violation("ERROR command without a whole reason")
	}
	return &PeerError{Reason: string(body[1 : 1+int(body[0])])}
}
