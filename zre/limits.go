package zre

// Limits bounds what peers, and anyone who can reach the node, can make it hold. What exceeds a limit is refused at the cost of its sender: a
// connection, a HELLO, a peer, a beacon. A field that is 0 means the default.
type Limits struct {
	// FrameSize and MessageSize are the largest frame and the largest whole message in bytes; 64 MiB each. Larger ones are not received, and
	// Whisper and Shout refuse to send them. Memory is allocated as data arrives, so a high limit alone costs nothing; PartialBytes bounds
	// what all peers together can cause.
	FrameSize, MessageSize int64

	// Frames is how many frames a message may have, including its header; 1,024. An empty frame has no size, yet costs 24 bytes.
	Frames int

	// HelloSize is the largest HELLO in bytes, 256 KiB, and Headers how many headers it may have, 1,000. Most have a few hundred bytes. The
	// name and headers are kept as long as the peer is present. Both limits hold for headers that change, too.
	HelloSize, Headers int

	// GroupsPerPeer is how many groups a peer may be in; 1,000. Further JOINs are ignored.
	GroupsPerPeer int

	// Peers is how many peers there may be, entered or not; 4,096. Each costs about 16 KiB, one of the same process about 7 KiB.
	Peers int

	// Unverified is how many of these peers may be known only by a beacon, which anyone can send for any address; 512. UnverifiedPerAddress is how
	// many of one IP address; 128, as many nodes as may start on one host at once. The node dials each once, then leaves it alone for a while.
	// A peer that is left out can still enter by its own connection to this node.
	Unverified, UnverifiedPerAddress int

	// Handshakes is how many connections may be in their handshake, 512, and HandshakesPerAddress how many of one IP address, 128. A
	// handshake may take 10 s. If there is no room for another one, the oldest of the address with the most is closed; addresses of peers
	// come before others.
	Handshakes, HandshakesPerAddress int

	// QueueMessages and QueueBytes are what may wait to be sent to one peer: 10,000 messages, 64 MiB. Larger queues bridge longer pauses of
	// a peer. They also hold more memory for a peer that hangs, until the send timeout.
	QueueMessages int
	QueueBytes    int64

	// TotalQueueBytes is the memory that all queues together may hold: 128 MiB, or twice QueueBytes if that is more. A large frame of a Shout
	// counts once for all members. The queue that holds the most has to wait first: a single peer that hangs gets one half, and n of them get
	// one part of n+1 each, so that as much stays free for the others. Every queue may hold 16 KiB.
	TotalQueueBytes int64

	// Events is how many messages may wait for the application, 1,024, and EventBytes their size, 64 MiB. Then the node stops reading from the
	// peers that send, so answers to PING wait, too. Nodes of the same process may add as many more as their QueueMessages and QueueBytes
	// say, since they have no queue in between. While a Whisper or Shout of the application waits and it reads no events, only EventBytes
	// counts, with what each event takes itself (about 200 bytes, and 24 for each frame).
	Events     int
	EventBytes int64

	// PartialBytes is for all messages that have arrived in part, or wait for room among the events; 64 MiB. They share one half of it. One at a
	// time may exceed that, whatever its size, so that one can always be finished: with messages of 64 MiB, all hold 104 MiB at most. Each
	// connection has 16 KiB more, so small messages never wait for this. Connections that have not said HELLO have one eighth of their own.
	// If nothing is left, the node stops reading from the peers that need more; those that hold the least go first. A larger value lets
	// more peers send large messages at once. A connection that sends nothing for the expired timeout within a message is closed; so is one that
	// sends less than 32 KiB a second while others wait.
	PartialBytes int64

	// Requests is how many requests of this node may wait for their replies at a time; 65,536. One takes some 300 bytes, and its reply until
	// it is taken.
	Requests int
}
