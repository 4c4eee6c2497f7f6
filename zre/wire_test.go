package zre_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// A peer that is made from RFC 36, RFC 23 and docs/protocol.md only, with none of our packages on its side. Its octets are those of the page.
func TestProtocolPage(t *testing.T) {
	node, err := zre.NewNode(zre.WithName("node"), zre.WithListen("tcp://127.0.0.1:*"), zre.WithoutBeacons(), zre.WithSharedStats())
	must(t, err)
	defer node.Close()
	must(t, node.Join("G"))
	must(t, node.Start(t.Context()))
	p := newWirePeer(t, node)
	p.connect(map[string]string{"X-ZRE-Extensions": "goodbye state headers", "X-ZRE-State": "error", "X-ZRE-Hello": "life.1"})

	// HELLO: endpoint, groups, status, name, headers.
	p.send(1, string8(p.endpoint)+"\x00\x00\x00\x01"+string32("G")+"\x01"+string8("wire")+"\x00\x00\x00\x01"+string8("a")+string32("1"))
	enter := nextEvent[zre.Enter](t, node)
	if got := enter.Peer; got.Name != "wire" || got.State != zre.StateError || got.Headers["a"] != "1" {
		t.Errorf("Enter: got %+v, want the name wire, the state error and the header a=1", got)
	}
	nextEvent[zre.Join](t, node)
	their := <-p.ready
	if their["X-ZRE-Answers"] != "life.1" || their["X-ZRE-State"] != "idle" || !strings.Contains(their["X-ZRE-Hello"], ".") {
		t.Errorf("READY of the node's DEALER: got %q", their)
	}
	p.expect(1, string8(node.Endpoints()[0])+"\x00\x00\x00\x01"+string32("G")+"\x01"+string8("node")+"\x00\x00\x00\x00")

	// What the peer sends.
	p.send(128, "\x05")
	if got := nextEvent[zre.StateChange](t, node).State; got != zre.StateProcessing {
		t.Errorf("STATE 5: got %v, want processing", got)
	}
	p.send(129, "\x00\x00\x00\x02"+string8("a")+string32("2")+string8("b")+string32("x"))
	if got := nextEvent[zre.HeaderChange](t, node).Peer.Headers; len(got) != 2 || got["a"] != "2" || got["b"] != "x" {
		t.Errorf("HEADERS: got %q, want a=2 and b=x", got)
	}
	p.send(8, string8("G")+string8(strings.ToUpper(hex.EncodeToString(p.id[:]))))
	if got := nextEvent[zre.Leader](t, node).Peer.UUID; got != p.id {
		t.Errorf("ELECT: got the leader %v, want %v", got, p.id)
	}
	const id = "\x00\x00\x00\x00\x00\x00\x00\x4d"
	p.send(2, "", "\xf5ZRQ\x01\x01"+id, "time")
	request := nextEvent[zre.Request](t, node)
	if got := request.Name(); got != "time" {
		t.Errorf("request: got the name %q, want time", got)
	}

	// What the node sends.
	must(t, request.Reply(t.Context(), []byte("noon")))
	p.expect(2, "", "\xf5ZRQ\x01\x02"+id, "noon")
	must(t, node.SetState(zre.StateReceiving))
	p.expect(128, "\x04")
	must(t, node.SetHeader("n", "v"))
	p.expect(129, "\x00\x00\x00\x01"+string8("n")+string32("v"))
	p.send(130, "\x01")
	if got := p.next(131)[0]; len(got) != 6+1+10*8+3*4+56 || got[6] != 1 || binary.BigEndian.Uint32(got[6+1+10*8+2*4:]) != 1 {
		t.Errorf("STATS: got %x, want version 1 with one peer", got)
	}
	p.send(6, "")
	p.expect(7, "")

	p.send(10, "")
	if got := nextEvent[zre.Exit](t, node).Reason; got != zre.ReasonLeft {
		t.Errorf("GOODBYE: got the reason %v, want left", got)
	}
	if _, err := p.dealer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after GOODBYE: got %v, want the node to hang up", err)
	}
}

func nextEvent[E zre.Event](t *testing.T, node *zre.Node) E {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case event := <-node.Events():
			if e, ok := event.(E); ok {
				return e
			}
			t.Logf("event %T", event)
		case <-timeout:
			t.Fatalf("no event %T", *new(E))
		}
	}
}

func string8(s string) string  { return string([]byte{byte(len(s))}) + s }
func string32(s string) string { return "\x00\x00\x00" + string8(s) }

// wirePeer is a peer in octets: a ROUTER that listens, and a DEALER to the node.
type wirePeer struct {
	t        *testing.T
	id       uuid.UUID // the lowest, so that it leads
	endpoint string
	node     *zre.Node
	dealer   net.Conn
	sequence uint16
	ready    chan map[string]string // of the node's DEALER
	frames   chan [][]byte          // what the node sends
	last     uint16                 // the number of the last of them
}

func newWirePeer(t *testing.T, node *zre.Node) *wirePeer {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &wirePeer{t: t, id: uuid.UUID{15: 1}, endpoint: "tcp://" + listener.Addr().String(), node: node,
		ready: make(chan map[string]string, 1), frames: make(chan [][]byte, 100)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(p.frames)
		conn, err := listener.Accept()
		if err == nil {
			defer conn.Close()
			p.serve(conn)
		}
	}()
	t.Cleanup(func() { listener.Close(); node.Close(); <-ended })
	return p
}

// serve is the ROUTER: it reads what the node sends until that hangs up.
func (p *wirePeer) serve(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if greet(conn) != nil {
		return
	}
	writeFrame(conn, 4, "\x05READY"+metadata(map[string]string{"Socket-Type": "ROUTER", "Identity": "\x01" + string(p.id[:]),
		"X-ZRE-Extensions": "goodbye state headers"}))
	_, ready, err := readFrame(conn)
	if err != nil {
		return
	}
	p.ready <- parseMetadata(ready[len("\x05READY"):])
	for frames := [][]byte(nil); ; {
		flags, frame, err := readFrame(conn)
		if err != nil {
			return
		}
		if frames = append(frames, frame); flags&1 == 0 {
			p.frames <- frames
			frames = nil
		}
	}
}

// connect dials the node's ROUTER, and checks its READY.
func (p *wirePeer) connect(properties map[string]string) {
	t := p.t
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.node.Endpoints()[0], "tcp://"))
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	must(t, greet(conn))
	_, ready, err := readFrame(conn)
	must(t, err)
	got, uuid := parseMetadata(ready[len("\x05READY"):]), p.node.UUID()
	if got["Socket-Type"] != "ROUTER" || got["Identity"] != "\x01"+string(uuid[:]) || got["X-ZRE-Extensions"] != "goodbye state headers stats" {
		t.Errorf("READY of the node's ROUTER: got %q", got)
	}
	properties["Socket-Type"], properties["Identity"] = "DEALER", "\x01"+string(p.id[:])
	writeFrame(conn, 4, "\x05READY"+metadata(properties))
	p.dealer = conn
}

// send sends a message: the rest of its header frame, and content.
func (p *wirePeer) send(id byte, rest string, content ...string) {
	p.sequence++
	head := []byte{0xaa, 0xa1, id, 2, byte(p.sequence >> 8), byte(p.sequence)}
	frames := append([]string{string(head) + rest}, content...)
	for i, frame := range frames {
		flags := byte(1)
		if i == len(frames)-1 {
			flags = 0
		}
		writeFrame(p.dealer, flags, frame)
	}
}

// next returns the next message with that id, and checks the numbers of all.
func (p *wirePeer) next(id byte) [][]byte {
	p.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case frames, ok := <-p.frames:
			if !ok {
				p.t.Fatalf("the node hung up, before it sent a message %d", id)
			}
			head := frames[0]
			if p.last++; len(head) < 6 || !bytes.Equal(head[:2], []byte("\xaa\xa1")) || head[3] != 2 || binary.BigEndian.Uint16(head[4:]) != p.last {
				p.t.Fatalf("got the header frame %x, want number %d", head, p.last)
			}
			if head[2] == id {
				return frames
			}
		case <-timeout:
			p.t.Fatalf("the node sent no message %d", id)
		}
	}
}

// expect checks the next message with that id.
func (p *wirePeer) expect(id byte, rest string, content ...string) {
	p.t.Helper()
	frames := p.next(id)
	got := []string{string(frames[0][6:])}
	for _, frame := range frames[1:] {
		got = append(got, string(frame))
	}
	if want := append([]string{rest}, content...); !slices.Equal(got, want) {
		p.t.Errorf("message %d: got %q, want %q", id, got, want)
	}
}

// greet exchanges the greetings of RFC 23.
func greet(conn net.Conn) error {
	greeting := append([]byte("\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x03\x00NULL"), make([]byte, 16+1+31)...)
	if _, err := conn.Write(greeting); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, len(greeting)))
	return err
}

// writeFrame writes a frame of less than 256 octets. An error shows where the answer is missing.
func writeFrame(conn net.Conn, flags byte, body string) {
	_, _ = conn.Write(append([]byte{flags, byte(len(body))}, body...))
}

func readFrame(conn net.Conn) (flags byte, body []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return 0, nil, err
	}
	body = make([]byte, head[1])
	_, err = io.ReadFull(conn, body)
	return head[0], body, err
}

func metadata(properties map[string]string) (s string) {
	for name, value := range properties {
		s += string8(name) + string32(value)
	}
	return s
}

func parseMetadata(b []byte) map[string]string {
	properties := make(map[string]string)
	for len(b) > 0 {
		name := string(b[1 : 1+b[0]])
		b = b[1+b[0]:]
		size := binary.BigEndian.Uint32(b)
		properties[name], b = string(b[4:4+size]), b[4+size:]
	}
	return properties
}
