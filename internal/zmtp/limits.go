package zmtp

import "math"

// Limits bound what a peer can make this side spend. A zero field means its default; a peer that exceeds one loses its connection, with a
// [*ProtocolError] that says which.
type Limits struct {
	// FrameSize is the longest frame of a message that is read, in octets. Default 64 MiB: ample for a message, and a frame is one
	// allocation. Octets are only allocated as they arrive, so the limit alone costs nothing.
	FrameSize int64

	// MessageSize is the longest message that is read: the sum of its frames, in octets. Default 64 MiB. A message is handed over whole, so
	// this is also about what one connection can occupy.
	MessageSize int64

	// Frames is the largest number of frames in a message. Default 1,024: empty frames add nothing to MessageSize, yet each costs a slice
	// header.
	Frames int

	// CommandSize is the longest command, in octets, in the handshake and after it. Default 8 KiB: a READY of libzmq has
	// some 60 octets, and ours adds a few short properties.
	CommandSize int64

	// PendingHandshakes is how many accepted connections may be in their handshake at once, over all listeners of a Router. Default 512,
	// each some 10 KiB and a file descriptor for HandshakeTimeout at most. When one more comes, the oldest one of the address that has the
	// most is closed, or else the new one; a well-meaning peer dials again.
	PendingHandshakes int

	// PendingPerAddress is the same for one IP address, so that one host cannot take all of them. Default 128, because a hundred nodes on a
	// host may start together.
	PendingPerAddress int

	// CurvePerAddress is how many CURVE handshakes one IPv4 address, or one /64 of IPv6 addresses, may begin per second; twice as many at
	// once after a quieter time. Each costs some 0.2 ms of CPU before the peer has proven anything. A connection beyond that is closed; a
	// well-meaning peer dials again. Default 64, because a hundred nodes on a host may start together. If more than 4,096 such networks
	// begin handshakes at about the same time, the others share one limit.
	CurvePerAddress int

	// Connections is how many connections a Router keeps. Default 4,096.
	Connections int
}

func (l Limits) withDefaults() Limits {
	l.FrameSize = orDefault(l.FrameSize, 64<<20)
	l.MessageSize = orDefault(l.MessageSize, 64<<20)
	l.FrameSize = min(l.FrameSize, l.MessageSize, math.MaxInt) // a length must fit an int, also on 32-bit machines
	l.Frames = orDefault(l.Frames, 1024)
	l.CommandSize = min(orDefault(l.CommandSize, 8<<10), math.MaxInt)
	l.PendingHandshakes = orDefault(l.PendingHandshakes, 512)
	l.PendingPerAddress = orDefault(l.PendingPerAddress, 128)
	l.CurvePerAddress = orDefault(l.CurvePerAddress, 64)
	l.Connections = orDefault(l.Connections, 4096)
	return l
}

func orDefault[T int | int64](value, standard T) T {
	if value <= 0 {
		return standard
	}
	return value
}

// admit checks the next frame of a message, which has that many frames and octets so far, before the frame is read.
func (l *Limits) admit(frames int, octets int64, size uint64) error {
	switch {
	case size > uint64(l.FrameSize):
		return violation("frame of %d bytes, at most %d are allowed", size, l.FrameSize)
	case octets+int64(size) > l.MessageSize:
		return violation("message of more than %d bytes", l.MessageSize)
	case frames == l.Frames:
		return violation("message of more than %d frames", l.Frames)
	}
	return nil
}
