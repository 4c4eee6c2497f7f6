// Package node is the engine of a ZRE node (RFC 36): it meets the peers that beacons and HELLOs reveal, keeps one session
// with each, and turns their messages into one ordered stream of events. Programs use package zre, which is a thin layer
// over this one.
//
// # Goroutines
//
// One control loop per node owns the sessions. Every change of a session is a function that the loop runs (Node.do, Node.post).
// The loop never waits for the application, for the network or for another goroutine.
//
// Each session has a goroutine that dials (session.run) until it is connected. Each connection has a reader, and a writer while there
// is something to write (internal/zmtp). A reader decodes messages and checks their sequence. It hands HELLO, JOIN and LEAVE to the
// control loop and waits until they are handled. It appends WHISPER and SHOUT to the event queue itself, so the events of one peer stay
// in the order in which the peer sent them.
//
// Whisper and Shout work in the caller's goroutine: they look the peer up under a read lock and append to its queue.
package node
