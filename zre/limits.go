package zre

// Limits bounds what peers, and anybody who can reach the node, can make it hold. What goes over a limit is refused, at the cost
// of whoever sent it: a connection, a HELLO, a peer, a beacon. A field that is 0 means its default.
type Limits struct {
	// FrameSize and MessageSize are the octets of a frame and of a whole message that are received; 64 MiB each. Larger messages
	// are refused by Whisper and Shout too. Memory is taken as octets arrive, so the limit alone costs nothing; PartialOctets bounds what all
	// peers together can make the node hold so.
	FrameSize, MessageSize int64

	// Frames is how many frames a message may have, its header included; 1,024. An empty frame has no size, yet costs 24 octets.
	Frames int

	// HelloSize is the octets of a HELLO, 256 KiB; Headers how many headers it has, 1,000. Real ones have a few hundred octets; a
	// HELLO's name and headers are kept for as long as the peer is present.
	HelloSize, Headers int

	// GroupsPerPeer is how many groups a peer may be in; 1,000. Further JOINs of it are ignored.
	GroupsPerPeer int

	// Peers is how many peers there may be, entered or not; 4,096. One costs some 16 KiB, of this process some 7.
	Peers int

	// Strangers is how many of these may be known by nothing but a beacon, which anybody can send for any address; 512, and
	// StrangersPerAddress of one IP address, 128: as many nodes as may start on one host at once. Each is dialled once, then left alone
	// for a while. A peer left out for that still gets in by its own connection to this node.
	Strangers, StrangersPerAddress int

	// Handshakes is how many connections may be in their handshake, 512, and HandshakesPerAddress those of one IP address, 128. A
	// handshake that is not finished within 10 s is over. Where all places are taken, the oldest of the address with the most gives way to a
	// newcomer, and strangers to addresses of peers.
	Handshakes, HandshakesPerAddress int

	// QueueMessages and QueueOctets are what may wait for one peer to take it: 10,000 messages, 64 MiB. Longer queues bridge longer
	// pauses of a peer, and hold more memory for one that hangs, until the send timeout.
	QueueMessages int
	QueueOctets   int64

	// TotalQueueOctets is what the queues of all peers may hold together, as octets of memory: 128 MiB, or twice QueueOctets if that is more.
	// What a Shout sends to many counts once where its frames are large. The queue that holds most waits first: a single peer that hangs gets
	// a half, of n such each the n+1st part, and as much stays free for the others. A queue may always hold 16 KiB.
	TotalQueueOctets int64

	// Events and EventOctets are how many messages may wait for the application to take them, 1,024, and their size, 64 MiB. Then the
	// node stops reading from the peers that send, so an answer to PING waits for them too. Those of its own process may hand over as many
	// more as their QueueMessages and QueueOctets say, in place of a queue. While a Whisper or Shout of the application waits and it reads no
	// events, the size alone counts, with what an event takes itself (some 200 octets, and 24 for each frame).
	Events      int
	EventOctets int64

	// PartialOctets is for all messages that have not arrived whole, or wait for room among the events; 64 MiB. They share a half of it, and one at a
	// time may go beyond that, whatever its size, so that there is always one that can be finished: with messages of 64 MiB all hold 104 MiB at
	// most. Each connection has 16 KiB besides, so small messages never wait for this; connections that have not said HELLO share an eighth of
	// it, of their own. Where it is used up, the node reads no more from the peers that want more, and those that hold least come first. More
	// lets more peers send large messages at once; less is enough where messages are small. A peer that sends nothing for the expired timeout
	// in the midst of a message loses its connection; so does one that sends less than 32 KiB a second while others wait.
	PartialOctets int64

	// Requests is how many requests of this node may wait for their replies at a time; 65,536. One takes some 300 bytes, and its reply until
	// it is taken.
	Requests int
}
