package sniff

import (
	"encoding/hex"
	"fmt"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/msg"
)

// isMessageID reports whether a byte is the id of a message.
func isMessageID(id byte) bool { return id >= 1 && id <= 10 || msg.ID(id) == msg.State }

// emitMessage emits the record of a complete message.
func (h *half) emitMessage() {
	r := &Record{Kind: Message, UUID: h.uuid, Frames: h.rest, Bytes: h.restSize}
	if h.count-1 > len(h.rest) {
		r.Count = h.count - 1
	}
	if len(h.first) < 2 || h.first[0] != 0xAA || h.first[1] != 0xA1 {
		r.Kind = Other
		r.Frames = append([]Frame{frameOf(h.first[:min(len(h.first), keptContent)], h.firstSize)}, h.rest...)
		r.Bytes += h.firstSize
		if r.Count > 0 {
			r.Count++
		}
		h.emit(r)
		return
	}
	if !h.firstComplete {
		h.emit(&Record{Kind: Malformed, UUID: h.uuid, Error: "the first frame of a message is too long to be decoded"})
		return
	}
	var m msg.Message
	if err := m.DecodeHeader(h.first, msg.Limits{Hello: keptHeader, Groups: keptHeader, Headers: keptHeader, LongString: keptHeader}); err != nil {
		h.emit(&Record{Kind: Malformed, UUID: h.uuid, Error: err.Error()})
		return
	}
	r.fill(&m)
	h.emit(r)
}

// fill copies the fields of a message.
func (r *Record) fill(m *msg.Message) {
	sequence, status := m.Sequence, m.Status
	r.Message, r.Sequence = m.ID.String(), &sequence
	r.Group, r.Node = string(m.Group), string(m.Node)
	switch m.ID {
	case msg.Hello:
		r.Status = &status
		r.Endpoint, r.Name = string(m.Hello.Endpoint), string(m.Hello.Name)
		for _, group := range m.Hello.Groups {
			r.Groups = append(r.Groups, string(group))
		}
		for i, header := range m.Hello.Headers {
			if i == 0 {
				r.Headers = make(map[string]string)
			}
			r.Headers[string(header.Name)] = string(header.Value)
		}
	case msg.Join, msg.Leave:
		r.Status = &status
	case msg.State:
		r.State = beacon.State(m.State).String()
	}
}

// beaconOf shows a datagram; nil if it is no ZRE beacon.
func beaconOf(data []byte) *Record {
	if len(data) < 4 || string(data[:3]) != "ZRE" {
		return nil
	}
	b, err := beacon.Parse(data)
	if err != nil {
		return &Record{Kind: Malformed, Error: err.Error()}
	}
	r := &Record{Kind: Beacon, UUID: b.UUID.String(), Version: fmt.Sprint(data[3]), Port: &b.Port}
	if b.State != beacon.Unknown {
		r.State = b.State.String()
	}
	if !b.Key.IsZero() {
		r.Key = hex.EncodeToString(b.Key[:])
	}
	return r
}
