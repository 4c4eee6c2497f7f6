package sniff

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/go-zre/go-zre/beacon"
)

func read(t testing.TB, data []byte, options Options) (list []*Record, err error) {
	t.Helper()
	err = New(options, func(r *Record) { list = append(list, r) }).File(t.Context(), bytes.NewReader(data))
	return list, err
}

func exchange(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/exchange.pcap")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// messages describes the messages in a list of records, without times.
func messages(list []*Record) (lines []string) {
	for _, r := range list {
		if r.Kind == Message {
			lines = append(lines, strings.SplitN(r.String(), " ", 2)[1])
		}
	}
	return lines
}

// A real exchange reads the same from pcap, pcapng and gzip, and is written as it was read.
func TestFiles(t *testing.T) {
	data := exchange(t)
	want, err := read(t, data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(messages(want)); n < 8 {
		t.Fatalf("%d messages", n)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(data)
	z.Close()
	var ng bytes.Buffer
	reader, _ := pcapgo.NewReader(bytes.NewReader(data))
	w, err := pcapgo.NewNgWriter(&ng, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	for {
		packet, info, err := reader.ReadPacketData()
		if err != nil {
			break
		}
		info.InterfaceIndex = 0
		if err := w.WritePacket(info, packet); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	var written bytes.Buffer
	if _, err := read(t, data, Options{Write: &written}); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"gzip": zipped.Bytes(), "pcapng": ng.Bytes(), "written": written.Bytes()} {
		got, err := read(t, file, Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		equal(t, name, messages(got), messages(want))
	}
}

func TestBadFiles(t *testing.T) {
	data := exchange(t)
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "not a pcap or pcapng file: it is too short"},
		{"text", []byte("hello, this is no capture at all"), "not a pcap or pcapng file"},
		{"cut in a packet", data[:len(data)-7], "the file ends within a packet"},
		{"cut in a header", data[:24+8], "the file ends within a packet"},
		{"pcapng without a section", []byte("\x0a\x0d\x0d\x0aabcdefghijklmnopqrstuvwxyz"), "not a pcapng file that can be read"},
		{"a packet of 4 GiB", append(bytes.Clone(data[:24]), 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF), "capture length exceeds snap length"},
	} {
		if _, err := read(t, c.data, Options{}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	full := errors.New("disk full")
	if _, err := read(t, data, Options{Write: failing{full}}); !errors.Is(err, full) {
		t.Errorf("a disk that is full: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A traffic makes packets.
type traffic struct {
	t    testing.TB
	file bytes.Buffer
	w    *pcapgo.Writer
	now  time.Time
}

func newTraffic(t testing.TB) *traffic {
	tr := &traffic{t: t, now: time.Unix(1e9, 0)}
	tr.w = pcapgo.NewWriterNanos(&tr.file)
	if err := tr.w.WriteFileHeader(256<<10, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	return tr
}

func (tr *traffic) packet(list ...gopacket.SerializableLayer) {
	tr.t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 1, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 0, 2}, Protocol: layers.IPProtocolTCP}
	switch l := list[0].(type) {
	case *layers.UDP:
		ip.Protocol = layers.IPProtocolUDP
		l.SetNetworkLayerForChecksum(ip)
	case *layers.TCP:
		l.SetNetworkLayerForChecksum(ip)
	}
	ether := &layers.Ethernet{SrcMAC: make(net.HardwareAddr, 6), DstMAC: make(net.HardwareAddr, 6), EthernetType: layers.EthernetTypeIPv4}
	buffer := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, append([]gopacket.SerializableLayer{ether, ip}, list...)...)
	if err != nil {
		tr.t.Fatal(err)
	}
	data := buffer.Bytes()
	if err := tr.w.WritePacket(gopacket.CaptureInfo{Timestamp: tr.now, CaptureLength: len(data), Length: len(data)}, data); err != nil {
		tr.t.Fatal(err)
	}
	tr.now = tr.now.Add(time.Millisecond)
}

func (tr *traffic) beacon(port uint16, data []byte) {
	tr.packet(&layers.UDP{SrcPort: 5670, DstPort: layers.UDPPort(port)}, gopacket.Payload(data))
}

func (tr *traffic) tcp(port uint16, seq uint32, syn, fin bool, data []byte) {
	tr.packet(&layers.TCP{SrcPort: layers.TCPPort(port), DstPort: 49152, Seq: seq, SYN: syn, FIN: fin, ACK: !syn, PSH: len(data) > 0, Window: 65535}, gopacket.Payload(data))
}

func TestBeacons(t *testing.T) {
	key := beacon.Key{1, 2, 3}
	tr := newTraffic(t)
	for _, b := range []beacon.Beacon{
		{UUID: id, Port: 5671, State: beacon.Unknown},
		{UUID: id, Port: 5671, State: beacon.Receiving},
		{UUID: id, Port: 5671, State: beacon.Unknown, Key: key},
		{UUID: id, Port: 0, State: beacon.Exit, Key: key},
	} {
		tr.beacon(5670, b.Append(nil))
	}
	classic := beacon.Beacon{UUID: id, Port: 1, State: beacon.Unknown}.Append(nil)
	tr.beacon(15670, append(classic, 77)) // no such state
	tr.beacon(5670, classic[:21])
	tr.beacon(5670, []byte("something else"))
	tr.beacon(5670, nil)
	tr.beacon(5671, classic) // another port
	list, err := read(t, tr.file.Bytes(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range list {
		_, line, _ := strings.Cut(r.String(), " → ")
		_, line, _ = strings.Cut(line, " ")
		got = append(got, line)
	}
	equal(t, "beacons", got, []string{
		"beacon v1 " + id.String() + " port 5671",
		"beacon v1 " + id.String() + " port 5671 state receiving",
		"beacon v3 " + id.String() + " port 5671 key 01020300…",
		"beacon v3 " + id.String() + " leaves state exit key 01020300…",
		"malformed: beacon: state byte 77 is none of 0 to 5",
		"malformed: beacon: 21 bytes, a beacon has 22, 23, 54 or 55",
	})
	if got, want := toJSON(t, list[1]), `{"time":"2001-09-09T01:46:40.001Z","kind":"beacon","from":"10.0.0.1:5670","to":"10.0.0.2:5670","uuid":"`+id.String()+`","version":"1","port":5671,"state":"receiving"}`; got != want {
		t.Errorf("as JSON it is\n%s, want\n%s", got, want)
	}
	if list, _ := read(t, tr.file.Bytes(), Options{BeaconPort: 5671}); len(list) != 1 {
		t.Errorf("on another port: %v", list)
	}
}

func toJSON(t *testing.T, r *Record) string {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Packets that are out of order, repeated, or overlapping give the same messages; a missing one makes a gap.
func TestReassembly(t *testing.T) {
	data := talk(t).Bytes()
	var parts [][]byte
	for part := range slices.Chunk(data, 1000) {
		parts = append(parts, part)
	}
	for _, c := range []struct {
		name string
		send func(tr *traffic)
		want int // messages
		gap  bool
	}{
		{"in order", func(tr *traffic) {
			for i, part := range parts {
				tr.tcp(1, 101+uint32(i)*1000, false, false, part)
			}
		}, 5, false},
		{"pairs swapped, and sent twice", func(tr *traffic) {
			for i := 0; i < len(parts); i += 2 {
				for _, k := range []int{i + 1, i, i + 1} {
					if k < len(parts) {
						tr.tcp(1, 101+uint32(k)*1000, false, false, parts[k])
					}
				}
			}
		}, 5, false},
		{"overlapping", func(tr *traffic) {
			for i := range parts {
				from := max(0, i*1000-500)
				tr.tcp(1, 101+uint32(from), false, false, data[from:min(len(data), i*1000+1000)])
			}
		}, 5, false},
		{"one missing", func(tr *traffic) {
			for i, part := range parts {
				if i != 50 {
					tr.tcp(1, 101+uint32(i)*1000, false, false, part)
				}
			}
			tr.now = tr.now.Add(time.Minute)
			tr.tcp(2, 1, true, false, nil)
		}, 4, true},
	} {
		tr := newTraffic(t)
		tr.tcp(1, 100, true, false, nil)
		c.send(tr)
		tr.tcp(1, 101+uint32(len(data)), false, true, nil)
		list, err := read(t, tr.file.Bytes(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		has := func(kind string) bool {
			return slices.ContainsFunc(list, func(r *Record) bool { return r.Kind == kind })
		}
		if n := len(messages(list)); n != c.want || has(Gap) != c.gap || !has(Closed) || has(Malformed) {
			t.Errorf("%s: %d messages, want %d; %v", c.name, n, c.want, list)
		}
	}
}

// Floods of connections, and of packets that wait for another, do not grow memory.
func TestFloods(t *testing.T) {
	var list []*Record
	s := New(Options{}, func(r *Record) { list = append(list, r) })
	tr := newTraffic(t)
	for i := range 3 * maxStreams {
		tr.tcp(uint16(i), uint32(i), i%2 == 0, false, []byte("x"))
	}
	for i := range 20_000 { // every second one is missing
		tr.tcp(9, 1_000_000+uint32(2*i)*100, false, false, make([]byte, 100))
	}
	if err := s.File(t.Context(), &tr.file); err != nil {
		t.Fatal(err)
	}
	if s.streams != 0 || s.budget != heldBytes {
		t.Errorf("%d streams and %d bytes are kept at the end", s.streams, heldBytes-s.budget)
	}
	if len(list) > 0 {
		t.Errorf("it saw %v", list[0])
	}
}

// Later streams are followed again when there is room.
func TestStreamsAreGivenUp(t *testing.T) {
	tr := newTraffic(t)
	for i := range maxStreams + 100 {
		tr.tcp(uint16(i), 1, true, false, nil)
	}
	tr.now = tr.now.Add(idleTime + time.Minute)
	tr.tcp(60001, 1, true, false, nil)
	tr.tcp(60001, 2, false, false, talk(t).Bytes()[:1000])
	list, err := read(t, tr.file.Bytes(), Options{})
	if err != nil || len(messages(list)) != 2 {
		t.Errorf("%v, %v", list, err)
	}
}

func FuzzFile(f *testing.F) {
	data := exchange(f)
	f.Add(data[:4000])
	tr := newTraffic(f)
	tr.beacon(5670, beacon.Beacon{UUID: id, Port: 5671, State: beacon.Idle}.Append(nil))
	tr.tcp(1, 100, true, false, nil)
	tr.tcp(1, 101, false, false, talk(f).Bytes()[:1000])
	f.Add(tr.file.Bytes())
	f.Add([]byte("\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x1c\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var written bytes.Buffer
		list, _ := read(t, data, Options{Write: &written})
		for _, r := range list {
			if line := r.String(); strings.ContainsAny(line, "\x1b\n\u202e\u009b") {
				t.Errorf("%q", line)
			}
		}
	})
}

// FuzzSegments sends segments of a few connections as the input says: port, flags, sequence number and payload.
func FuzzSegments(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 4 {
		seed := make([]byte, 2000)
		for i := range seed {
			seed[i] = byte(random.IntN(256))
		}
		f.Add(seed)
	}
	data := talk(f).Bytes()
	f.Fuzz(func(t *testing.T, input []byte) {
		s := New(Options{Write: new(bytes.Buffer)}, func(r *Record) { _ = r.String() })
		if err := s.startFile(layers.LinkTypeEthernet); err != nil {
			t.Fatal(err)
		}
		now := time.Unix(1e9, 0)
		input = input[:min(len(input), 4096)]
		for len(input) >= 8 {
			step := input[:8]
			input = input[8:]
			tcp := layers.TCP{SrcPort: layers.TCPPort(step[0] % 4), DstPort: 9, SYN: step[1]&1 != 0, FIN: step[1]&2 != 0, RST: step[1]&4 != 0, ACK: step[1]&8 != 0}
			if step[1]&16 != 0 {
				tcp.SrcPort, tcp.DstPort = tcp.DstPort, tcp.SrcPort
			}
			at := int(binary.BigEndian.Uint16(step[2:]))
			tcp.Seq = uint32(at)
			if step[1]&32 != 0 {
				tcp.Seq = binary.BigEndian.Uint32(step[4:])
			}
			part := data[min(at, len(data)):min(at+int(step[6])*16, len(data))]
			buffer := gopacket.NewSerializeBuffer()
			ip := &layers.IPv4{Version: 4, TTL: 1, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 0, 1}, Protocol: layers.IPProtocolTCP}
			ether := &layers.Ethernet{SrcMAC: make(net.HardwareAddr, 6), DstMAC: make(net.HardwareAddr, 6), EthernetType: layers.EthernetTypeIPv4}
			if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true}, ether, ip, &tcp, gopacket.Payload(part)); err != nil {
				t.Fatal(err)
			}
			s.handlePacket(buffer.Bytes(), gopacket.CaptureInfo{Timestamp: now, CaptureLength: len(buffer.Bytes()), Length: len(buffer.Bytes())})
			now = now.Add(time.Duration(step[7]) * 10 * time.Millisecond)
			if s.budget < 0 || s.budget > heldBytes || s.streams < 0 {
				t.Fatalf("%d bytes, %d streams", heldBytes-s.budget, s.streams)
			}
		}
		s.assembler.FlushAll()
		if s.budget != heldBytes || s.streams != 0 {
			t.Errorf("%d bytes and %d streams are kept at the end", heldBytes-s.budget, s.streams)
		}
	})
}

func TestInterfaceErrors(t *testing.T) {
	err := New(Options{}, func(*Record) {}).Interface(t.Context(), "no\x1bsuch")
	if err == nil || fmt.Sprint(err) == "" || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%v", err)
	}
}
