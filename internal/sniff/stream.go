package sniff

import (
	"bufio"
	"bytes"
	"io"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/reassembly"
)

// Bounds of the packets that are kept until it is known whether a connection is ZMTP.
const (
	keptPackets = 8
	keptPacket  = 2 << 10
)

// A stream is a connection: two halves.
type stream struct {
	sniffer     *Sniffer
	network     gopacket.Flow // from client to server, if known
	ports       gopacket.Flow
	halves      [2]half
	heldPackets []packet // before it is known to be ZMTP
}

// New implements reassembly.StreamFactory. It makes no stream for a packet that ends a connection, and none beyond maxStreams.
func (s *Sniffer) New(network, ports gopacket.Flow, tcp *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	if len(tcp.Payload) == 0 && !tcp.SYN || tcp.RST || s.streams >= maxStreams {
		return nil
	}
	s.streams++
	stream := &stream{sniffer: s, network: network, ports: ports}
	for i := range stream.halves {
		stream.halves[i] = half{budget: &s.budget, emit: func(r *Record) { stream.emitRecord(i, r) }}
	}
	return stream
}

// direction is the index of a half.
func direction(d reassembly.TCPFlowDirection) int {
	if d == reassembly.TCPDirServerToClient {
		return 1
	}
	return 0
}

// emitRecord sets the direction of a record, and passes it on.
func (s *stream) emitRecord(i int, r *Record) {
	r.From, r.To = endpoints(s.network, s.ports)
	if i == 1 {
		r.From, r.To = r.To, r.From
	}
	s.sniffer.emitRecord(r)
}

// Accept implements reassembly.Stream. A stream whose beginning was missed begins where it is seen first.
func (s *stream) Accept(tcp *layers.TCP, _ gopacket.CaptureInfo, _ reassembly.TCPFlowDirection, next reassembly.Sequence, start *bool, _ reassembly.AssemblerContext) bool {
	if next < 0 && len(tcp.Payload) > 0 {
		*start = true
	}
	s.writeOrKeep()
	return true
}

// writeOrKeep writes the current packet, or keeps it until it is known whether it must be written.
func (s *stream) writeOrKeep() {
	w := s.sniffer
	switch {
	case w.writer == nil:
	case s.isZMTP():
		s.flush()
		w.write(w.current)
	case len(s.heldPackets) < keptPackets:
		p := w.current
		p.data = bytes.Clone(p.data[:min(len(p.data), keptPacket)])
		s.heldPackets = append(s.heldPackets, p)
	}
}

func (s *stream) isZMTP() bool { return s.halves[0].isZMTP || s.halves[1].isZMTP }

// flush writes what was kept.
func (s *stream) flush() {
	for _, p := range s.heldPackets {
		s.sniffer.write(p)
	}
	s.heldPackets = nil
}

// ReassembledSG implements reassembly.Stream.
func (s *stream) ReassembledSG(data reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	d, _, end, skip := data.Info()
	h := &s.halves[direction(d)]
	if skip != 0 && (skip > 0 || h.isZMTP) {
		h.handleGap(skip)
	}
	length, _ := data.Lengths()
	h.feed(data.Fetch(length))
	if s.isZMTP() {
		s.flush()
	}
	if end && h.isZMTP {
		h.reset()
		h.emit(&Record{Kind: Closed, UUID: h.uuid})
	}
}

// ReassemblyComplete implements reassembly.Stream.
func (s *stream) ReassemblyComplete(reassembly.AssemblerContext) bool {
	for i := range s.halves {
		s.halves[i].reset()
	}
	s.heldPackets = nil
	s.sniffer.streams--
	return true
}

// newPeeker returns a reader with look-ahead.
func newPeeker(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 64<<10) }
