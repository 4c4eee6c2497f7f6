// Package zre lets programs on a network find each other without a server, join groups, and send messages to one peer
// (Whisper) or to a group (Shout). It speaks ZRE, the ZeroMQ Realtime Exchange protocol (RFC 36 of the ZeroMQ project), with
// every implementation of it: zyre (C), pyre (Python), zyre.js (Node).
//
// Make a node, start it, join groups, and read its events:
//
//	node, err := zre.NewNode(zre.WithName("alice"))
//	if err != nil { … }
//	if err := node.Start(ctx); err != nil { … }
//	defer node.Close()
//
//	node.Join("CHAT")
//	for event := range node.Events() {
//		switch e := event.(type) {
//		case zre.Enter:
//			node.Whisper(ctx, e.Peer.UUID, []byte("welcome"))
//		case zre.Shout:
//			fmt.Printf("%s: %s\n", e.Peer.Name, e.Frames[0])
//		case zre.Exit:
//			fmt.Println(e.Peer.Name, "left:", e.Reason)
//		}
//	}
//
// # Events
//
// A node has one stream of events, ordered per peer: one [Enter], then any of [Join], [Leave], [Whisper], [Shout], [Request], [StateChange],
// [Leader], [Evasive] and [Silent], then one [Exit]. Nothing of a peer comes before its Enter or after its Exit, and between them no
// message is lost or out of order. A peer that comes back, or whose connection broke, enters anew. Two events stand outside of that order:
// a [Problem] may concern a peer that is not present, and a [Leader] may be this node.
//
// Always read the events. While a program does not, at most 1,024 messages (and 64 MiB) wait in memory; then the
// node stops reading from the peers that send them, and they see this node as busy. Who is present is known all the same. A program that only
// sends has messages discarded ([WithDiscard]), and need not read.
//
// # Handlers
//
// In place of a loop, [Node.Serve] calls a [Handler]; a [Mux] has one for each kind of event, for the shouts of a group, and for requests by name. Those of different
// peers run at the same time. [Node.Subscribe] gives other parts of a program the events too.
//
// # Problems
//
// A [Problem] says what keeps the node from working as it should, such as a peer that cannot be reached, and why. It comes as an event when it
// begins and when it is solved, and [Node.Problems] returns it for as long as it lasts.
//
// # Requests
//
// [Node.Request] sends a message to a peer and waits for its reply:
//
//	reply, err := node.Request(ctx, peer, []byte("temperature"), []byte("kitchen"))
//
// The peer's program gets a [Request], as an event or in a handler, and answers with its Reply or ReplyError. A peer that does not answer keeps the caller waiting until ctx
// ends, one that leaves does not ([ErrPeerGone]). Requests may be made in the loop over the events, too.
//
// # States
//
// A node says what it is doing (Node.SetState, or by itself with [WithAutoState]); peers see it change, and Node.Choose picks a member
// of a group that has time. Nodes of other implementations have no states.
//
// # Elections
//
// Members of a group choose a leader if some contest for it ([Node.Contest], or [WithContest]): the contestant with the lowest UUID. It comes as an
// event, [Leader], to all members, and [Node.Leader] returns it. Members that lost contact with each other have a leader each, until they meet
// again: use it to divide work, not to guard what must never be done twice. C zyre's nodes take part in the elections; its own do not always end.
//
// # Security
//
// By default everyone on the network can join, and read what is shouted. A node with a certificate ([WithCertificate]) encrypts, and meets
// nodes with certificates alone; an [Authorizer] says which of them ([AllowKeys], [AllowCertificates]). [WithSharedCertificate] is the simplest way: one secret
// for all nodes. "zre keygen" makes certificates, and so does [NewCertificate].
//
// # Sending
//
// Whisper and Shout queue a message and return. They wait only while a peer's queue is full (10,000 messages or 64 MiB), until
// the context or the send timeout ends; then they say which peer is busy. Nothing is dropped in silence. A message that is
// queued may still be lost if the peer or its connection fails; the peer's Exit tells of that. Flush waits until a peer has read all
// that was queued for it.
//
// At the end Close sends what is queued, for up to the linger time, and Shutdown until its context ends; their error names each peer to which
// something was not sent.
//
// To send in the loop over the events is right for a welcome, or for some ten thousand messages: what comes meanwhile is kept, up to 64 MiB. Where two
// nodes send each other more than that in their loops, each waits for the other to read, and the error is ErrUnreadEvents. A program that sends as
// much does it in a goroutine of its own, beside the loop, and then there is no bound.
//
// A member of a group that is slow sets the pace of Shout, or is left out ([WithShoutPolicy]). One that takes nothing for the send timeout is
// dropped. If it comes back it is not waited for before it has taken what is queued for it: calls leave it out, and say so.
//
// Messages to a node of the same process are handed over, to a process of the same user on the same host they go through a unix
// socket, and to all others by tcp; Peer.Transport tells.
package zre
