package node

import (
	"strings"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// Nodes of this implementation tell each other what they understand beyond RFC 36 by a property of ZMTP's READY, in both
// directions of a link. Its value is a list of words with spaces between; who does not know a word passes over it. What a peer
// did not name is never sent to it. docs/protocol.md defines the words.
const extensionsProperty = "X-ZRE-Extensions"

// extensions is a set of words.
type extensions uint8

const (
	extGoodbye extensions = 1 << iota // GOODBYE: the last message of a session, after which the peer is gone
	extState                          // STATE: what the sender is doing
)

var extensionWords = map[string]extensions{"goodbye": extGoodbye, "state": extState}

// ourExtensions is the value of the property that we send.
const ourExtensions = "goodbye state"

// extensionsOf tells what the peer at the other end of a connection understands.
func extensionsOf(conn *zmtp.Conn) extensions {
	var all extensions
	for word := range strings.FieldsSeq(conn.Property(extensionsProperty)) {
		all |= extensionWords[word]
	}
	return all
}

// stateProperty of a DEALER's READY tells the state of who connects, so that Enter can tell it.
const stateProperty = "X-ZRE-State"

// stateOf is the state that the peer at the other end told when it connected, or Unknown.
func stateOf(conn *zmtp.Conn) beacon.State {
	if s, err := beacon.ParseState(conn.Property(stateProperty)); err == nil {
		return s
	}
	return beacon.Unknown
}

// introduction is our configuration of a connection to a peer.
func (p *peer) introduction(id uuid.UUID) zmtp.Config {
	s := p.node.State()
	p.told.Store(uint32(s))
	cfg := p.node.zmtp
	cfg.Expect = identity(id)
	cfg.Properties = map[string]string{extensionsProperty: ourExtensions, stateProperty: s.String()}
	return cfg
}

func (e extensions) has(x extensions) bool { return e&x != 0 }
