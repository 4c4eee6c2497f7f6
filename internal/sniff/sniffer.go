package sniff

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/reassembly"

	"github.com/go-zre/go-zre/beacon"
)

// Bounds of what is kept.
const (
	maxStreams   = 4096             // connections that are followed
	maxNames     = 4096             // nodes whose name is known
	maxPairs     = 1024             // pairs of hosts whose fragments are reported
	reorderPages = 2048             // pages, of some 2 KB, that wait for an earlier packet: all together
	streamPages  = 256              // of one direction
	reorderTime  = 2 * time.Second  // how long they wait
	idleTime     = 10 * time.Minute // how long a connection without packets is followed
)

// Options of a Sniffer. The zero Options are those of a network that uses the usual ports.
type Options struct {
	// BeaconPort is the UDP port of classic beacons; state beacons use it plus 10,000. Default 5670.
	BeaconPort uint16

	// Write, if it is not nil, gets all ZRE traffic as a pcap file: beacons, and ZMTP connections from their first packet on.
	Write io.Writer
}

// A Sniffer makes records of packets. It is not safe for use by several goroutines.
type Sniffer struct {
	options Options
	emit    func(*Record)

	assembler     *reassembly.Assembler
	pool          *reassembly.StreamPool
	streams       int // that are followed
	names         map[string]string
	fragmentPairs map[gopacket.Flow]bool // of hosts whose fragments were reported
	budget        int
	now           time.Time // of the current packet
	flushed       time.Time

	writer   *pcapgo.Writer
	linkType layers.LinkType
	writeErr error // the first error of writing
	current  packet
}

// A packet is what is written of the current packet.
type packet struct {
	data []byte
	info gopacket.CaptureInfo
}

// New makes a Sniffer that calls emit for each record, from the goroutine that calls its methods. emit owns the record.
func New(options Options, emit func(*Record)) *Sniffer {
	if options.BeaconPort == 0 {
		options.BeaconPort = beacon.DefaultPort
	}
	s := &Sniffer{options: options, emit: emit, names: make(map[string]string), fragmentPairs: make(map[gopacket.Flow]bool), budget: heldBytes}
	s.pool = reassembly.NewStreamPool(s)
	s.assembler = reassembly.NewAssembler(s.pool)
	s.assembler.MaxBufferedPagesTotal = reorderPages
	s.assembler.MaxBufferedPagesPerConnection = streamPages
	return s
}

// A source is a file of packets, or an interface.
type source interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	LinkType() layers.LinkType
}

// File reads a pcap or pcapng file, which may be compressed by gzip, to its end, or until ctx ends. Records before an error have been
// emitted.
func (s *Sniffer) File(ctx context.Context, r io.Reader) error {
	source, err := open(r)
	if err != nil {
		return err
	}
	err = s.read(ctx, source)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends within a packet")
	}
	return err
}

// open distinguishes the two kinds of file.
func open(r io.Reader) (source, error) {
	buffered := newPeeker(r)
	head, err := buffered.Peek(4)
	if err != nil {
		return nil, errors.New("not a pcap or pcapng file: it is too short")
	}
	if string(head) == "\x0a\x0d\x0d\x0a" {
		reader, err := pcapgo.NewNgReader(buffered, pcapgo.DefaultNgReaderOptions)
		if err != nil {
			return nil, fmt.Errorf("not a pcapng file that can be read: %w", err)
		}
		return reader, nil
	}
	reader, err := pcapgo.NewReader(buffered)
	if err != nil {
		return nil, errors.New("not a pcap or pcapng file")
	}
	return reader, nil
}

// read reads packets until ctx or the source ends.
func (s *Sniffer) read(ctx context.Context, from source) error {
	if err := s.startFile(from.LinkType()); err != nil {
		return err
	}
	for {
		data, info, err := from.ReadPacketData()
		if ctx.Err() != nil || err != nil {
			s.assembler.FlushAll()
			if ctx.Err() != nil {
				err = nil
			}
			return errors.Join(err, s.writeErr)
		}
		s.handlePacket(data, info)
		if s.writeErr != nil {
			return s.writeErr
		}
	}
}

// startFile writes the header of the file that is written.
func (s *Sniffer) startFile(linkType layers.LinkType) error {
	s.linkType = linkType
	if s.options.Write == nil {
		return nil
	}
	s.writer = pcapgo.NewWriterNanos(s.options.Write)
	if err := s.writer.WriteFileHeader(256<<10, linkType); err != nil {
		return fmt.Errorf("write pcap: %w", err)
	}
	return nil
}

// handlePacket looks at a packet.
func (s *Sniffer) handlePacket(data []byte, info gopacket.CaptureInfo) {
	s.now = info.Timestamp
	s.current = packet{data, info}
	decoded := gopacket.NewPacket(data, s.linkType, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	network := decoded.NetworkLayer()
	if network == nil {
		return
	}
	switch transport := decoded.TransportLayer().(type) {
	case *layers.UDP:
		to := uint16(transport.DstPort)
		if to != s.options.BeaconPort && to != s.options.BeaconPort+10000 {
			return
		}
		if r := beaconOf(transport.Payload); r != nil {
			r.From, r.To = endpoints(network.NetworkFlow(), transport.TransportFlow())
			s.emitRecord(r)
			s.write(s.current)
		}
	case *layers.TCP:
		s.assembler.AssembleWithContext(network.NetworkFlow(), transport, captureContext(info))
	case nil:
		if s.isFragment(decoded) {
			s.reportFragments(network.NetworkFlow())
		}
	}
	s.flushOld()
}

// captureContext is what the assembler needs to know about a packet.
type captureContext gopacket.CaptureInfo

// GetCaptureInfo implements reassembly.AssemblerContext.
func (c captureContext) GetCaptureInfo() gopacket.CaptureInfo { return gopacket.CaptureInfo(c) }

// flushOld gives up waiting for packets, and for connections. It uses the clock of the packets; one that is far off does no harm.
func (s *Sniffer) flushOld() {
	if d := s.now.Sub(s.flushed); d >= 0 && d < time.Second {
		return
	}
	s.flushed = s.now
	s.assembler.FlushWithOptions(reassembly.FlushOptions{T: s.now.Add(-reorderTime), TC: s.now.Add(-idleTime)})
}

// emitRecord completes a record and emits it.
func (s *Sniffer) emitRecord(r *Record) {
	r.Time = s.now
	if r.Message == "HELLO" && r.UUID != "" && r.Name != "" {
		if _, ok := s.names[r.UUID]; ok || len(s.names) < maxNames {
			s.names[r.UUID] = r.Name
		}
	}
	if r.Name == "" && r.UUID != "" {
		r.Name = s.names[r.UUID]
	}
	s.emit(r)
}

// write writes a packet, if a file is written.
func (s *Sniffer) write(p packet) {
	if s.writer == nil || s.writeErr != nil {
		return
	}
	p.info.CaptureLength = len(p.data)
	p.info.Length = max(p.info.Length, len(p.data))
	if err := s.writer.WritePacket(p.info, p.data); err != nil {
		s.writeErr = fmt.Errorf("write pcap: %w", err)
	}
}

// endpoints are the two ends of a packet.
func endpoints(network, transport gopacket.Flow) (from, to netip.AddrPort) {
	src, dst := network.Endpoints()
	sport, dport := transport.Endpoints()
	return addrPort(src, sport), addrPort(dst, dport)
}

func addrPort(host, port gopacket.Endpoint) netip.AddrPort {
	address, _ := netip.AddrFromSlice(host.Raw())
	raw := port.Raw()
	if len(raw) != 2 {
		return netip.AddrPortFrom(address, 0)
	}
	return netip.AddrPortFrom(address, uint16(raw[0])<<8|uint16(raw[1]))
}
