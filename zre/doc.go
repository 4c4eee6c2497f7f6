// Package zre lets programs on a network find each other without a server, join groups, and send messages to one peer or to a
// group. It speaks ZRE, the ZeroMQ Realtime Exchange protocol (RFC 36 of the ZeroMQ project), and works together with its other
// implementations: zyre (C), pyre (Python) and zyre.js (Node).
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
// # Words
//
// A node is this program's place on the network; a [Node] is one. A peer is another node. Each has a UUID, which names it, a name for people, and
// headers: properties that it tells its peers. A group is a name; nodes join and leave it. A message is a list of frames. A whisper goes to
// one peer, a shout to all peers in a group.
//
// # Peers
//
// A node finds peers by beacons, which are UDP datagrams on the local network. Beyond that network use [WithPeers], [WithSRV] or [WithGossipConnect].
// [Node.Peers], [Node.PeersIn], [Node.PeersWith] and [Node.Peer] return the peers that are present, and [Node.WaitFor] waits for them. None of these
// needs the events.
//
// # Events
//
// A node has one stream of events. Read it with the channel of [Node.Events], or with the iterator of [Node.AllEvents]; use one of the two.
//
// The events of each peer are in order. [Enter] comes first. Then come any of [Join], [Leave], [Whisper], [Shout], [Request], [StateChange],
// [HeaderChange], [Leader], [Evasive] and [Silent]. [Exit] comes last. Between Enter and Exit no message is lost or out of order. A peer that comes back, or
// whose connection broke, enters again. Three events are outside this order: a [Problem] may be about a peer that is not present, a [Leader]
// may be this node, and an [EndpointChange] is about this node.
//
// Always read the events. If a program does not, up to 1,024 messages (or 64 MiB) wait in memory. Then the node stops reading from the peers that
// send them, and those peers see this node as busy. The node still knows which peers are present. A program that only sends can use
// [WithSendOnly], which discards messages; then it need not read events.
//
// # Sending
//
// [Node.Whisper] and [Node.Shout] put a message in a queue and return. They wait only while the queue of a peer is full (10,000 messages or 64 MiB), until
// the context or the send timeout ends; then the error names the peer that is busy. No message is dropped silently. A queued message can
// still be lost if the peer or its connection fails; then the peer exits. [Node.Flush] waits until a peer has read what was sent to it.
//
// A slow member of a group slows Shout down, unless [WithShoutPolicy] says to leave it out. A peer that takes nothing for the send timeout is
// dropped: its session ends. If it comes back, calls do not wait for it until it has taken what is queued for it.
//
// [Node.Close] sends what is queued for up to the linger time, and [Node.Shutdown] until its context ends. Their error has a [LostError] for each
// peer that did not get everything.
//
// It is fine to send in the loop that reads the events: what arrives meanwhile is kept, up to 64 MiB. If two nodes send each other more than that in
// their loops, each waits for the other to read, and the error is [ErrUnreadEvents]. Programs that send that much use one goroutine to send and
// another to read.
//
// A message to a node of the same process is handed over in memory. To another process of the same user on the same host it goes through a unix
// socket. All others get it by TCP. Peer.Transport says which.
//
// # Handlers
//
// Instead of a loop, a program can call [Node.Serve] with a [Handler], usually a [Mux]: it has a handler for each type of event, for shouts by group, and for
// requests by name. Serve returns nil when its context ends. Handlers of different peers run at the same time; those of one peer run in order. [Node.Subscribe] gives the events to
// other parts of the program, too.
//
// # Requests
//
// [Node.Request] sends a message to a peer and waits for its reply:
//
//	reply, err := node.Request(ctx, peer, []byte("temperature"), []byte("kitchen"))
//
// The program of the peer gets a [Request], as an event or in a handler, and answers with Reply or ReplyError. If it does not answer, the caller waits until
// ctx ends. If the peer leaves, the caller gets [ErrPeerGone] at once. A program may make requests in the loop that reads the events.
//
// [Node.RequestAny] gives work to a group: it asks a member that has time, and another one if that member leaves before it replies. [Workers] adds
// limits.
//
// # States
//
// A node can say what it is doing, with [Node.SetState] or automatically with [WithAutoState]. Peers see the change at once. [Node.Choose] picks a
// member of a group that has time for work. Nodes of other implementations have no states.
//
// # Elections
//
// The members of a group elect a leader if some of them contest ([Node.Contest], [WithContest]): the contestant with the lowest UUID wins. All
// members get a [Leader] event, and [Node.Leader] returns the leader. Members that lost contact with each other have one leader each until they
// meet again. Use a leader to share out work, not to guard what must never happen twice. C zyre nodes take part, but their own elections do not
// always end.
//
// # Security
//
// By default everyone on the network can join, and can read everything. A node with a certificate ([WithCertificate]) encrypts what it sends, and talks
// only to nodes with certificates; an [Authorizer] decides which of them are let in ([AllowKeys], [AllowCertificates]). The simplest way is one secret for all
// nodes ([WithSharedCertificate]). [NewCertificate] and the command "zre keygen" make certificates.
//
// # Problems
//
// A [Problem] says what keeps the node from working as it should, such as a peer that it cannot reach, and why. It comes as an event when it
// begins and when it is solved. [Node.Problems] returns those that are not solved.
//
// # Figures and logs
//
// [Node.Stats] and [Node.PeerStats] return figures, such as messages sent and received, and [Node.Dump] writes a page for people. Package zreprom makes
// metrics for Prometheus. A node logs nothing unless [WithSlog] or [WithLogger] says where to.
//
// # Errors
//
// This table says which call returns which error. Compare with [errors.Is]: an error may have a cause, or be one of several that are joined. A star
// means that the error is in a [*PeerError], which names the peer; get it with [errors.As]. A call that takes a context returns the context's error if
// that ends first. Dump returns the error of its writer. Calls that are not in the table return no error.
//
//	NewNode                          ErrInvalidOption; with it ErrInvalidName, ErrInvalidHeader, ErrInvalidEndpoint, ErrInvalidDomain,
//	                                 ErrInvalidGroup, ErrTooManyGroups, ErrTooManyHeaders, ErrHelloTooLarge
//	Start                            ErrListen, ErrStarted, ErrClosed
//	Close, Shutdown                  LostError
//	Join, Contest                    ErrInvalidGroup, ErrTooManyGroups, ErrHelloTooLarge, ErrClosed
//	Leave                            ErrInvalidGroup, ErrClosed
//	SetState                         ErrInvalidState, ErrClosed
//	SetHeader                        ErrInvalidHeader, ErrTooManyHeaders, ErrHelloTooLarge, ErrClosed
//	RemoveHeader                     ErrInvalidHeader, ErrClosed
//	Whisper, WhisperNoCopy           ErrUnknownPeer*, ErrPeerBusy*, ErrUnreadEvents*, ErrTooLarge, ErrNotStarted, ErrClosed
//	Shout, ShoutTo, ShoutNoCopy      ErrInvalidGroup, ErrPeerBusy*, ErrUnreadEvents*, ErrTooLarge, ErrNotStarted, ErrClosed
//	Request                          ErrUnknownPeer*, ErrPeerBusy*, ErrUnreadEvents*, ErrPeerGone*, ErrNoHandler*, ReplyError, ErrTooManyRequests,
//	                                 ErrTooLarge, ErrNotStarted, ErrClosed
//	RequestAny, Workers.Request      ErrInvalidGroup, ErrPeerBusy*, ErrUnreadEvents*, ErrPeerGone*, ErrNoHandler*, ReplyError, ErrTooManyRequests,
//	                                 ErrTooLarge, ErrNotStarted, ErrClosed
//	StartRequest                     ErrUnknownPeer*, ErrPeerBusy*, ErrUnreadEvents*, ErrTooManyRequests, ErrTooLarge, ErrNotStarted, ErrClosed
//	PendingReply.Result              ErrPeerGone*, ErrUnreadEvents*, ErrNoHandler*, ReplyError, ErrClosed
//	Request.Reply                    ErrReplied, ErrUnknownPeer*, ErrPeerBusy*, ErrUnreadEvents*, ErrTooLarge, ErrClosed
//	Request.ReplyError               ErrReplied, ErrUnknownPeer*, ErrPeerBusy*, ErrUnreadEvents*, ErrClosed
//	Ping, Flush                      ErrUnknownPeer*, ErrPeerBusy*, ErrNotStarted, ErrClosed
//	Serve                            ErrInvalidOption, ErrClosed
//	SharedStats                      ErrStatsNotShared*, ErrUnknownPeer*, ErrNotStarted, ErrClosed
//	WaitFor                          ErrNotStarted, ErrClosed
//	AddPeers, RemovePeers            ErrInvalidEndpoint, ErrClosed
//	AddSRV, RemoveSRV                ErrInvalidDomain, ErrClosed
//	ConnectGossip, DisconnectGossip  ErrInvalidEndpoint, ErrClosed
//	ForgetGossip                     ErrClosed
//
// What to do:
//
//	ErrInvalid…                      correct the value: the error names it, and says what is allowed
//	ErrTooManyGroups, ErrTooManyHeaders, ErrHelloTooLarge
//	                                 leave a group, remove a header, or raise the Limits of all nodes
//	ErrListen                        look for the program that uses the port; then call Start again
//	ErrStarted, ErrNotStarted        call Start once, before the others
//	ErrClosed                        stop: a closed node stays closed; make another
//	ErrUnknownPeer                   forget the peer until it enters again
//	ErrPeerBusy                      send it later, or drop it: the peer did not get the message
//	ErrUnreadEvents                  read the events in one goroutine, and send in another
//	ErrStatsNotShared                do without: the peer's program would need WithSharedStats
//	ErrTooLarge                      split the message, or raise the Limits of all nodes
//	ErrPeerGone                      ask another peer, or the same one when it enters again. An ErrUnknownPeer is one, too: nothing was sent. Otherwise the peer
//	                                 may have done what was asked
//	ReplyError                       read its Text: the program of the peer could not do what was asked
//	ErrNoHandler                     ask another peer: that one does not know such requests
//	ErrTooManyRequests               wait for replies, or raise Limits.Requests
//	ErrReplied                       correct the program: a request is answered once
//	LostError                        report it, or allow more time (WithLinger, Shutdown)
package zre
