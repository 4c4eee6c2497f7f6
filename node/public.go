package node

// Public converts types of this package to those that the application sees: package zre declares them with documentation and methods.
// If a function is nil, the type stays as it is.
type Public struct {
	// Peer makes the value of Peer.Public, once for each snapshot.
	Peer func(*Peer) any

	// PeerError, LostError and ReplyError convert the returned errors.
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
