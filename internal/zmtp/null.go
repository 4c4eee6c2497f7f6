package zmtp

import (
	"context"
	"fmt"
	"io"

	"github.com/go-zeromq/zmq4"
)

// null is the NULL mechanism (RFC 23): each side sends READY with its metadata. It replaces zmq4's own, whose metadata parser panics on
// hostile input.
type null struct {
	ours      metadata
	want      zmq4.SocketType // what the peer must be
	expected  []byte          // Config.Expect of the side that opens the connection
	probeOnly bool            // only receive the peer's READY, send none: Probe
	peer      metadata        // what it sent, after Handshake
}

func (n *null) Type() zmq4.SecurityType { return zmq4.NullSecurity }

func (n *null) begin(context.Context, *guard) {}
func (n *null) waitsForPeer() bool            { return n.probeOnly }
func (n *null) result() handshakeResult       { return handshakeResult{peer: n.peer} }

func (n *null) Handshake(conn *zmq4.Conn, _ bool) error {
	if n.probeOnly {
		return n.receive(conn)
	}
	// A side that expects a certain peer waits for the other side's READY, which comes without waiting for ours: RFC 23 allows that for
	// NULL.
	first, second := n.send, n.receive
	if n.expected != nil {
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
	if n.peer, err = parsePeer(cmd.Body, n.want); err != nil {
		return err
	}
	if err := n.peer.expect(n.expected); err != nil {
		return err
	}
	// zmq4 checks the socket type once more, and panics on one that it doesn't know; so it sees only this one.
	conn.Peer.Meta[propSocketType] = string(n.want)
	return nil
}

// parsePeer reads the metadata of a peer, which must have that socket type.
func parsePeer(b []byte, want zmq4.SocketType) (metadata, error) {
	m, err := parseMetadata(b)
	if err != nil {
		return nil, err
	}
	if got := m.get(propSocketType); got != string(want) {
		return nil, violation("socket type %q where %q was due", got, want)
	}
	if size := len(m.get(propIdentity)); size > maxIdentity {
		return nil, violation("identity of %d bytes, at most %d are allowed", size, maxIdentity)
	}
	return m, nil
}

// expect compares the peer's identity to the expected one, if both are set.
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
