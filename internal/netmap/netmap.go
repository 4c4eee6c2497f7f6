// Package netmap draws a ZRE network as one of its nodes sees it.
//
// A Collector looks at a node and makes a Snapshot; Draw lays it out as a Picture: subnets around hosts around nodes, with lines for messages. A
// Picture is written as SVG (WriteSVG), and shown live by a web page (Server), which moves things to where the last Picture has them: all
// of the layout is here, and the page's script is only the painter.
//
// What other nodes chose (names, groups, headers) is passed through plain.Text, cut to what has room, and never anything but text in SVG and HTML.
package netmap

import "time"

// A Snapshot is the network at one moment.
type Snapshot struct {
	Time  time.Time `json:"time"`
	Self  string    `json:"self"` // the UUID of the node that looks
	Nodes []Node    `json:"nodes"`
	Links []Link    `json:"links"`
}

// Presence says what is heard of a node.
type Presence string

// The presences.
const (
	Present Presence = ""
	Evasive Presence = "evasive"
	Silent  Presence = "silent"
)

// A Node is one node of the network.
type Node struct {
	ID        string            `json:"uuid"`
	Name      string            `json:"name"`
	Endpoint  string            `json:"endpoint,omitempty"`
	Host      string            `json:"host"`   // its address, or what is known of where it is
	Subnet    string            `json:"subnet"` // the network of that address
	Transport string            `json:"transport,omitempty"`
	State     string            `json:"state,omitempty"` // "" for nodes without states
	Presence  Presence          `json:"presence,omitempty"`
	Groups    []string          `json:"groups,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Self      bool              `json:"self,omitempty"`
	Rates     *Rates            `json:"rates,omitempty"` // of the looking node, and of those that share their stats
}

// Rates are figures of a node, lately.
type Rates struct {
	Sent           float64 `json:"sent_per_second"`
	SentBytes      float64 `json:"sent_bytes_per_second"`
	Received       float64 `json:"received_per_second"`
	ReceivedBytes  float64 `json:"received_bytes_per_second"`
	QueuedMessages int     `json:"queued_messages"`
	WaitingEvents  int     `json:"waiting_events"`
	Peers          int     `json:"peers"`
	Uptime         float64 `json:"uptime_seconds"`
}

// A Link is what two nodes send each other, as far as it is known; From and To are UUIDs, From the lower one.
type Link struct {
	From    string  `json:"from"`
	To      string  `json:"to"`
	Forward float64 `json:"forward_per_second"`  // messages from From to To
	Back    float64 `json:"backward_per_second"` // messages from To to From
	RTT     float64 `json:"rtt_ms,omitempty"`    // of the last PING that either of them sent the other
}

// Rate is of both directions.
func (l *Link) Rate() float64 { return l.Forward + l.Back }
