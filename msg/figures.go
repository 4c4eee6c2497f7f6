package msg

import (
	"encoding/binary"
	"fmt"
)

// STATS has its figures in a form of its own, so that a receiver that did not ask for them passes over them unread, and ones that are ill-formed
// do not break the sequence of messages.

const (
	// FiguresVersion is the newest form of STATS that this package knows. They count from 1.
	FiguresVersion = 1

	// MaxFiguresPeers bounds the peers that a STATS lists.
	MaxFiguresPeers = 64

	peerFiguresSize = 16 + 4*8 + 2*4
)

// TrafficFigures counts WHISPER and SHOUT in one direction.
type TrafficFigures struct {
	Whispers, Shouts uint64
	Octets           uint64 // of their content
}

// Figures are those of a STATS.
type Figures struct {
	Uptime         uint64 // milliseconds since the sender started: when the figures were taken
	Sent, Received TrafficFigures
	Lost           uint64 // messages accepted, and not sent
	QueuedMessages uint64 // of all queues
	QueuedOctets   uint64
	WaitingEvents  uint32 // messages that wait for the application
	Peers          uint32 // that are present
	List           []PeerFigures
}

// PeerFigures are the figures of one peer of the sender's, since their session began.
type PeerFigures struct {
	UUID                             [16]byte
	SentMessages, SentOctets         uint64 // by the sender of the STATS to this peer
	ReceivedMessages, ReceivedOctets uint64
	QueuedMessages                   uint32
	RTT                              uint32 // of the last PING, in microseconds; 0 if there is none
}

// AppendAskStats appends an ASK-STATS (ours only): it asks for a STATS of FiguresVersion at most.
func AppendAskStats(dst []byte, sequence uint16) []byte {
	return append(appendPrefix(dst, AskStats, sequence), FiguresVersion)
}

// AppendStats appends a STATS (ours only) with the first MaxFiguresPeers of the list.
func AppendStats(dst []byte, sequence uint16, s *Figures) []byte {
	dst = append(appendPrefix(dst, Stats, sequence), FiguresVersion)
	for _, n := range []uint64{s.Uptime, s.Sent.Whispers, s.Sent.Shouts, s.Sent.Octets, s.Received.Whispers, s.Received.Shouts, s.Received.Octets,
		s.Lost, s.QueuedMessages, s.QueuedOctets} {
		dst = binary.BigEndian.AppendUint64(dst, n)
	}
	list := s.List[:min(len(s.List), MaxFiguresPeers)]
	for _, n := range []uint32{s.WaitingEvents, s.Peers, uint32(len(list))} {
		dst = binary.BigEndian.AppendUint32(dst, n)
	}
	for i := range list {
		p := &list[i]
		dst = append(dst, p.UUID[:]...)
		for _, n := range []uint64{p.SentMessages, p.SentOctets, p.ReceivedMessages, p.ReceivedOctets} {
			dst = binary.BigEndian.AppendUint64(dst, n)
		}
		dst = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(dst, p.QueuedMessages), p.RTT)
	}
	return dst
}

// ParseFigures reads the figures of a STATS, Message.Figures. The error is one of [ErrMalformed] or [ErrLimit]. It keeps nothing of figures.
func ParseFigures(figures []byte) (*Figures, error) {
	r := reader{id: Stats, rest: figures}
	if version := r.number1("version"); r.err == nil && version != FiguresVersion {
		return nil, malformed(Stats, "version %d, want %d", version, FiguresVersion)
	}
	s := &Figures{
		Uptime:         r.number8("uptime"),
		Sent:           r.traffic("sent"),
		Received:       r.traffic("received"),
		Lost:           r.number8("lost"),
		QueuedMessages: r.number8("queued messages"),
		QueuedOctets:   r.number8("queued octets"),
		WaitingEvents:  r.number4("waiting events"),
		Peers:          r.number4("peers"),
	}
	s.List = make([]PeerFigures, r.count("listed peers", peerFiguresSize, MaxFiguresPeers))
	for i := range s.List {
		p := &s.List[i]
		copy(p.UUID[:], r.take("UUID", 16))
		p.SentMessages, p.SentOctets = r.number8("sent"), r.number8("sent octets")
		p.ReceivedMessages, p.ReceivedOctets = r.number8("received"), r.number8("received octets")
		p.QueuedMessages, p.RTT = r.number4("queued"), r.number4("round trip")
	}
	if r.end(); r.err != nil {
		return nil, fmt.Errorf("figures: %w", r.err)
	}
	return s, nil
}

func (r *reader) traffic(field string) TrafficFigures {
	return TrafficFigures{Whispers: r.number8(field), Shouts: r.number8(field), Octets: r.number8(field)}
}

func (r *reader) number8(field string) uint64 {
	if b := r.take(field, 8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}
