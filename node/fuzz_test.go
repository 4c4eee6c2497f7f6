package node

import (
	"net"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// FuzzPeer plays a whole hostile peer. After a handshake, and a HELLO if the first byte says so, it sends the fuzzer's input as messages: each
// is a count of frames, and each frame is a length and bytes. The node must neither panic nor stop.
func FuzzPeer(f *testing.F) {
	n := start(f, onLoopback(beaconPort(), Config{Linger: -1}))
	if err := n.Join("G"); err != nil {
		f.Fatal(err)
	}
	header := func(octets ...byte) []byte { return append([]byte{0, byte(len(octets))}, octets...) }
	f.Add(true, header(msg.AppendPing(nil, 2)...))
	f.Add(true, header(must(msg.AppendJoin(nil, 2, "H", 1))...))
	f.Add(true, append([]byte{1, 8, 0xAA, 0xA1, 3, 2, 0, 2, 1, 'G'}, 1, 'x'))
	f.Add(true, append([]byte{1, 6, 0xAA, 0xA1, 2, 2, 0, 2}, 1, 'x'))
	f.Add(true, header(msg.AppendGoodbye(nil, 2)...))
	f.Add(true, header(must(msg.AppendElect(nil, 2, "G", uuid.UUID{}))...))
	hello := must(msg.AppendHello(nil, 1, &msg.OutHello{Endpoint: "tcp://127.0.0.1:9", Groups: []string{"G"}, Name: "f"}, msg.Limits{}))
	f.Add(false, header(hello...))
	f.Add(true, header(hello...))

	f.Fuzz(func(t *testing.T, greeted bool, script []byte) {
		id := uuid.New()
		nc, err := net.Dial("tcp", n.Endpoint()[len("tcp://"):])
		if err != nil {
			t.Fatal(err)
		}
		queue := zmtp.NewQueue(1_000, 1<<20)
		conn, err := zmtp.Open(t.Context(), nc, zmtp.Config{Identity: identity(id)}, queue, nil, deaf{})
		if err != nil {
			t.Fatal(err)
		}
		if greeted {
			queue.Push(hello)
		}
		for _, frames := range messages(script) {
			queue.Push(frames...)
		}
		queue.Flush(t.Context())
		conn.Close(nil)
		if err := n.do(func() {}); err != nil { // the control loop lives
			t.Fatal(err)
		}
	})
}

// messages cuts a fuzzer's bytes into messages.
func messages(script []byte) (list [][][]byte) {
	next := func(n int) []byte {
		cut := script[:min(n, len(script))]
		script = script[len(cut):]
		return cut
	}
	for len(script) > 0 && len(list) < 100 {
		var frames [][]byte
		for range int(next(1)[0])%4 + 1 {
			length := next(1)
			if len(length) == 0 {
				break
			}
			frames = append(frames, next(int(length[0])))
		}
		if len(frames) > 0 {
			list = append(list, frames)
		}
	}
	return list
}
