package msg

import "encoding/binary"

// The Append functions append one header frame to dst and return the longer slice, as
// the built-in append does; they keep no reference to either. Functions with text
// return a *StringError if that text must not be sent, and dst unchanged. They do not
// allocate if dst has room.

// AppendWhisper appends the header frame of a WHISPER. The content follows in separate
// frames. RFC 36 allows no content, but send at least one frame, even an empty one:
// without it C zyre confuses its events, and pyre crashes.
func AppendWhisper(dst []byte, sequence uint16) []byte {
	return appendPrefix(dst, Whisper, sequence)
}

// AppendShout appends the header frame of a SHOUT to group; see [CheckGroup] for its
// error. The content follows as with [AppendWhisper].
func AppendShout(dst []byte, sequence uint16, group string) ([]byte, error) {
	if err := CheckGroup(group); err != nil {
		return dst, err
	}
	return appendString(appendPrefix(dst, Shout, sequence), group), nil
}

// AppendJoin appends a JOIN; see [CheckGroup] for its error. The status is the node's
// count of joins and leaves, this one included: C zyre, pyre and gyre crash on a wrong
// one.
func AppendJoin(dst []byte, sequence uint16, group string, status uint8) ([]byte, error) {
	return appendMembership(dst, Join, sequence, group, status)
}

// AppendLeave appends a LEAVE; see [AppendJoin].
func AppendLeave(dst []byte, sequence uint16, group string, status uint8) ([]byte, error) {
	return appendMembership(dst, Leave, sequence, group, status)
}

func appendMembership(dst []byte, id ID, sequence uint16, group string, status uint8) ([]byte, error) {
	if err := CheckGroup(group); err != nil {
		return dst, err
	}
	return append(appendString(appendPrefix(dst, id, sequence), group), status), nil
}

// AppendPing appends a PING.
func AppendPing(dst []byte, sequence uint16) []byte {
	return appendPrefix(dst, Ping, sequence)
}

// AppendPingOK appends a PING-OK, the answer to PING.
func AppendPingOK(dst []byte, sequence uint16) []byte {
	return appendPrefix(dst, PingOK, sequence)
}

// AppendElect appends an ELECT (C zyre only): challenger is the UUID of the node that
// wants to lead group; see [CheckGroup] for the error.
func AppendElect(dst []byte, sequence uint16, group string, challenger [16]byte) ([]byte, error) {
	return appendElection(dst, Elect, sequence, group, challenger)
}

// AppendLeader appends a LEADER (C zyre only): leader is the UUID of the node that
// leads group; see [CheckGroup] for the error.
func AppendLeader(dst []byte, sequence uint16, group string, leader [16]byte) ([]byte, error) {
	return appendElection(dst, Leader, sequence, group, leader)
}

// appendElection writes upper-case digits: C zyre compares UUIDs as strings.
func appendElection(dst []byte, id ID, sequence uint16, group string, node [16]byte) ([]byte, error) {
	if err := CheckGroup(group); err != nil {
		return dst, err
	}
	const digits = "0123456789ABCDEF"
	dst = appendString(appendPrefix(dst, id, sequence), group)
	dst = append(dst, byte(2*len(node)))
	for _, octet := range node {
		dst = append(dst, digits[octet>>4], digits[octet&15])
	}
	return dst, nil
}

// AppendGoodbye appends a GOODBYE (C zyre only).
func AppendGoodbye(dst []byte, sequence uint16) []byte {
	return appendPrefix(dst, Goodbye, sequence)
}

// AppendState appends a STATE (go-zre only): the octet at the end of a state beacon.
func AppendState(dst []byte, sequence uint16, state uint8) []byte {
	return append(appendPrefix(dst, State, sequence), state)
}

func appendPrefix(dst []byte, id ID, sequence uint16) []byte {
	return append(dst, signature0, signature1, byte(id), Version, byte(sequence>>8), byte(sequence))
}

// appendString needs a string of at most MaxString octets: callers have checked.
func appendString(dst []byte, s string) []byte {
	return append(append(dst, byte(len(s))), s...)
}

func appendLongstr(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}
