package main

// An entry is one thing that the chat shows. Its text has no control characters.
type entry struct {
	kind kind
	from string // the name, with its mark; of ownWhisper: to whom
	text string
}

type kind uint8

const (
	notice     kind = iota // something happened
	warning                // something is amiss
	said                   // a member said it to all
	whispered              // a member said it to this node alone
	own                    // this node said it to all
	ownWhisper             // this node said it to one member
)

// opening is what stands before the text.
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
