package node

// Public makes what the application sees of types of this package: package zre declares those that its documentation shows, with their methods.
// A function that is nil leaves the type as it is.
type Public struct {
	// Peer makes what Peer.Public holds, once for each snapshot.
	Peer func(*Peer) any

	// PeerError, LostError and ReplyError make the errors that are returned.
	PeerError  func(*PeerError) error
	LostError  func(*LostError) error
	ReplyError func(*ReplyError) error
}

func (c *Public) peer(p *Peer) any {
	if c.Peer == nil {
		return nil
	}
	return c.Peer(p)
}

func (c *Public) peerError(e *PeerError) error {
	if c.PeerError == nil {
		return e
	}
	return c.PeerError(e)
}

func (c *Public) lostError(e *LostError) error {
	if c.LostError == nil {
		return e
	}
	return c.LostError(e)
}

func (c *Public) replyError(e *ReplyError) error {
	if c.ReplyError == nil {
		return e
	}
	return c.ReplyError(e)
}
