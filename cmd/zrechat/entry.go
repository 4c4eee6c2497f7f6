package main

// An entry is one item that the chat shows. Its text has no control characters.
type entry struct {
	kind kind
	from string // the name with its mark; for ownWhisper: the receiver
	text string
}

type kind uint8

const (
	notice     kind = iota // something happened
	warning                // something is wrong
	said                   // a member's message to the group
	whispered              // a member's message to this node alone
	ownShout               // this node's message to the group
	ownWhisper             // this node's message to one member
)

// opening returns what precedes the text.
func (e entry) opening() string {
	switch e.kind {
	case notice:
		return "* "
	case warning:
		return "! "
	case whispered:
		return "(" + e.from + " whispers) "
	case ownWhisper:
		return "(to " + e.from + ") "
	default:
		return e.from + ": "
	}
}

// String returns the entry as a line.
func (e entry) String() string { return e.opening() + e.text }
