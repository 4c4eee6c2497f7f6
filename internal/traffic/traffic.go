// Package traffic counts the WHISPER and SHOUT that a node sends and receives. Nothing in it is atomic: the lock under which the messages
// pass anyway protects each count.
package traffic

// Transport is how messages travel.
type Transport uint8

// The transports.
const (
	TCP Transport = iota
	IPC
	Inproc
	Transports // how many there are
)

// Count counts messages in one direction.
type Count struct {
	Whispers, Shouts uint64
	Octets           uint64 // of their content
}

// Note counts a message.
func (c *Count) Note(shout bool, octets int64) {
	if shout {
		c.Shouts++
	} else {
		c.Whispers++
	}
	c.Octets += uint64(octets)
}

// Add adds another count.
func (c *Count) Add(o Count) {
	c.Whispers += o.Whispers
	c.Shouts += o.Shouts
	c.Octets += o.Octets
}

// Table has a count for each transport.
type Table [Transports]Count

// Add adds another table.
func (t *Table) Add(o Table) {
	for i := range t {
		t[i].Add(o[i])
	}
}

// Sum returns the sum over all transports.
func (t *Table) Sum() (all Count) {
	for _, c := range t {
		all.Add(c)
	}
	return all
}
