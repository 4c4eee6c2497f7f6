// Package netmap draws a ZRE network as one of its nodes sees it.
//
// A Collector watches a node and makes a Snapshot. Draw lays it out as a Picture: subnets around hosts around nodes, with lines for messages.
// A Picture is written as SVG (WriteSVG) or shown live by a web page (Server), which moves everything to its position in the latest Picture:
// the layout is computed here, and the page's script only draws.
//
// Texts chosen by other nodes (names, groups, headers) pass through termtext.Text and are cut to the available room. In SVG and HTML they are
// never anything but text.
package netmap

import "time"

// A Snapshot is the network at one moment.
type Snapshot struct {
	Time  time.Time `json:"time"`
	Self  string    `json:"self"` // the UUID of the looking node
	Nodes []Node    `json:"nodes"`
	Links []Link    `json:"links"`
}

// Presence says whether a node is heard.
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
	Host      string            `json:"host"`   // its address, or what is known about its location
	Subnet    string            `json:"subnet"` // the network of that address
	Transport string            `json:"transport,omitempty"`
	State     string            `json:"state,omitempty"` // "" for nodes without states
	Presence  Presence          `json:"presence,omitempty"`
	Groups    []string          `json:"groups,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Self      bool              `json:"self,omitempty"`
	Rates     *Rates            `json:"rates,omitempty"` // of the looking node, and of nodes that share their stats
}

// Rates are recent figures of a node.
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

// A Link is what two nodes send each other, as far as known. From and To are UUIDs; From is the lower one.
type Link struct {
	From    string  `json:"from"`
	To      string  `json:"to"`
	Forward float64 `json:"forward_per_second"`  // messages from From to To
	Back    float64 `json:"backward_per_second"` // messages from To to From
	RTT     float64 `json:"rtt_ms,omitempty"`    // of the last PING between them
}

// Rate returns the total rate of both directions.
func (l *Link) Rate() float64 { return l.Forward + l.Back }
