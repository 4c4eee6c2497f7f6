package node

import (
	"maps"
	"net"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// Nodes of this implementation announce their extensions to RFC 36 in a property of ZMTP's READY, in both directions of a link. Its value
// is a list of words separated by spaces. A node ignores words that it does not know. A node never sends what the peer did not announce.
// docs/protocol.md defines the words.
const extensionsProperty = "X-ZRE-Extensions"

// extensions is a set of words.
type extensions uint8

const (
	extGoodbye extensions = 1 << iota // GOODBYE: the last message of a session; after it the peer is gone
	extState                          // STATE: what the sender is doing
	extHeaders                        // HEADERS: the headers of the sender changed
	extStats                          // ASK-STATS: the sender of this word answers with its figures
	extDuplex                         // one connection may carry both directions; only on unix sockets
)

var extensionWords = map[string]extensions{"goodbye": extGoodbye, "state": extState, "headers": extHeaders, "stats": extStats, "duplex": extDuplex}

// ourExtensions is the value of our property; on unix sockets it is ipcExtensions. A node that shares its figures adds sharingExtension.
const (
	ourExtensions    = "goodbye state headers"
	sharingExtension = " stats"
	duplexExtension  = "duplex "
	ipcExtensions    = duplexExtension + ourExtensions
)

// extensionsOf returns the extensions of the peer at the other end of a connection.
func extensionsOf(conn *zmtp.Conn) extensions {
	var all extensions
	for word := range strings.FieldsSeq(conn.Property(extensionsProperty)) {
		all |= extensionWords[word]
	}
	return all
}

// stateProperty of READY is the state of the node that connects, so that Enter can show it. On unix sockets the ROUTER's node sends its own.
const stateProperty = "X-ZRE-State"

// parseStateProperty parses the state in that property; it returns Unknown if there is none.
func parseStateProperty(value string) beacon.State {
	if s, err := beacon.ParseState(value); err == nil {
		return s
	}
	return beacon.Unknown
}

// readyProperties holds the properties of READY for each state: on unix sockets or elsewhere, with or without shared figures. All connections
// share these maps.
var readyProperties = map[string][beacon.Processing + 1]map[string]string{
	ourExtensions:                    makeReadyProperties(ourExtensions),
	ourExtensions + sharingExtension: makeReadyProperties(ourExtensions + sharingExtension),
	ipcExtensions:                    makeReadyProperties(ipcExtensions),
	ipcExtensions + sharingExtension: makeReadyProperties(ipcExtensions + sharingExtension),
}

func makeReadyProperties(words string) (list [beacon.Processing + 1]map[string]string) {
	for s := range list {
		list[s] = map[string]string{extensionsProperty: words, stateProperty: beacon.State(s).String()}
	}
	return list
}

// properties returns the properties of our READY on a kind of network.
func (n *Node) properties(network string) map[string]string {
	return readyProperties[n.cfg.extensions(network)][n.State()]
}

// extensions returns the words that a node announces on a kind of network.
func (c *Config) extensions(network string) string {
	words := ourExtensions
	if c.ShareStats {
		words += sharingExtension
	}
	if network == "unix" {
		return duplexExtension + words
	}
	return words
}

// connectionConfig returns our configuration of a connection to the peer of a session. Nodes of ours number their HELLOs, and name the number
// of the peer's HELLO that they answer.
func (s *session) connectionConfig(id uuid.UUID, network string) zmtp.Config {
	cfg := s.node.zmtp
	cfg.Expect = identity(id)
	if s.isUnnamed {
		id = uuid.Nil
	}
	cfg.Curve = s.node.curveTo(id, s.key, false)
	cfg.Properties = maps.Clone(s.node.properties(network))
	cfg.Properties[helloProperty] = s.helloNumber
	if answers := s.answeredHello.Load(); answers != nil {
		cfg.Properties[answersProperty] = *answers
	}
	return cfg
}

// Properties of READY: the number of the HELLO that a connection begins with, and the number of the HELLO that it answers, if any. A number
// is a random word for this run of the node, a dot, and a count.
const (
	helloProperty   = "X-ZRE-Hello"
	answersProperty = "X-ZRE-Answers"
)

// newHelloNumber makes a number that no other session has. It runs in the control loop.
func (n *Node) newHelloNumber() string {
	n.hellos++
	return n.runWord + "." + strconv.FormatUint(n.hellos, 10)
}

// isSameRun reports whether two connections come from the same run of a node of ours.
func isSameRun(a, b *zmtp.Conn) bool {
	life, _, ok := strings.Cut(a.Property(helloProperty), ".")
	other, _, _ := strings.Cut(b.Property(helloProperty), ".")
	return ok && life == other
}

// routerProperties returns the properties of the ROUTER's READY.
func (n *Node) routerProperties(local net.Addr) map[string]string {
	if local.Network() == "unix" {
		return n.properties("unix")
	}
	return n.zmtp.Properties
}

func (e extensions) has(x extensions) bool { return e&x != 0 }
