package msg

import "strconv"

// ID says which message a frame is: its third octet.
type ID uint8

// The messages of RFC 36 are 1 to 7. C zyre adds 8 to 10, which crash other
// implementations: send those only to C zyre and to go-zre nodes. 128 and above are
// private to peers that have agreed on them.
const (
	Hello   ID = 1  // greets a peer: where to reach the sender, its name, groups and headers
	Whisper ID = 2  // content for one peer
	Shout   ID = 3  // content for a group
	Join    ID = 4  // the sender joined a group
	Leave   ID = 5  // the sender left a group
	Ping    ID = 6  // asks a silent peer for a sign of life
	PingOK  ID = 7  // the answer to PING
	Elect   ID = 8  // C zyre: a challenger for a group's leadership
	Leader  ID = 9  // C zyre: the elected leader of a group
	Goodbye ID = 10 // C zyre: the sender is leaving

	// Only go-zre's, and only for peers that have announced that they know them
	// (docs/protocol.md).
	State   ID = 128 // what the sender is doing
	Headers ID = 129 // all headers of the sender, instead of the earlier ones

	// Likewise, for nodes that share their figures.
	AskStats ID = 130 // asks for STATS
	Stats    ID = 131 // figures of the sender
)

// String returns the name that RFC 36 uses, such as "PING-OK", and "ID(77)" for an id
// that is none of these.
func (id ID) String() string {
	switch id {
	case Hello:
		return "HELLO"
	case Whisper:
		return "WHISPER"
	case Shout:
		return "SHOUT"
	case Join:
		return "JOIN"
	case Leave:
		return "LEAVE"
	case Ping:
		return "PING"
	case PingOK:
		return "PING-OK"
	case Elect:
		return "ELECT"
	case Leader:
		return "LEADER"
	case Goodbye:
		return "GOODBYE"
	case State:
		return "STATE"
	case Headers:
		return "HEADERS"
	case AskStats:
		return "ASK-STATS"
	case Stats:
		return "STATS"
	}
	return "ID(" + strconv.Itoa(int(id)) + ")"
}
