package node

import (
	"encoding/binary"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/msg"
)

// longFrame is the header of a frame.
func longFrame(more bool, size int) []byte {
	flags := byte(2)
	if more {
		flags = 3
	}
	return binary.BigEndian.AppendUint64([]byte{flags}, uint64(size))
}

// rawHello is a HELLO of a peer that cannot be reached.
func rawHello(t testing.TB) []byte {
	hello := msg.OutHello{Endpoint: "tcp://127.0.0.1:9", Name: "raw"}
	return zmtpMessage(must(msg.AppendHello(nil, 1, &hello, msg.Limits{})))
}

// writeZeros makes each connection send the given number of zeros. It waits until all have, or until the node has read no more for a while.
func writeZeros(all []*rawPeer, octets int) {
	part := make([]byte, 256<<10)
	var writing sync.WaitGroup
	for _, p := range all {
		writing.Go(func() {
			for left := octets; left > 0; {
				_ = p.SetWriteDeadline(time.Now().Add(time.Second))
				n, err := p.Write(part[:min(left, len(part))])
				if left -= n; err != nil {
					return
				}
			}
		})
	}
	writing.Wait()
}

// A hundred peers have each sent most of a message. They hold half of the budget and one message, and end. Other peers are served meanwhile,
// and their long messages arrive.
func TestHalfMessages(t *testing.T) {
	const message, partial = 8 << 20, 16 << 20
	n := start(t, onLoopback(beaconPort(), Config{
		Limits:         Limits{FrameSize: message, MessageSize: message, PartialBytes: partial},
		EvasiveTimeout: time.Second, ExpiredTimeout: 3 * time.Second,
	}))
	b := newBystander(t, n)
	a := attackers(t, n.port)
	before := heap()
	for range 100 {
		id := uuid.New()
		p := a.connect(1, zmtpGreeting())
		for _, octets := range [][]byte{zmtpReady(id), rawHello(t), longFrame(true, 6), msg.AppendWhisper(nil, 2), longFrame(false, message-6)} {
			if _, err := p.Write(octets); err != nil {
				t.Fatal(err)
			}
		}
		n.waitKind(Enter, id)
	}
	writeZeros(a.all, message-1000)
	grown := heap() - before
	t.Logf("100 half messages of %d MiB, with a budget of %d MiB: the heap grew by %d MiB", message>>20, partial>>20, grown>>20)
	if grown > partial/2+message*9/8+100*(100<<10) { // plus the buffers of each connection
		t.Errorf("the heap grew by %d bytes", grown)
	}
	held, waits := n.zmtp.ReceiveBudget.Held()
	if held > partial/2+message*9/8 || !waits {
		t.Errorf("the budget holds %d bytes, readers wait: %v", held, waits)
	}
	b.served()
	f := newFakePeer(t, n)
	f.send(f.hello(1, nil))
	f.send(msg.AppendWhisper(nil, 2), make([]byte, 1<<20))
	n.waitKind(Whisper, f.uuid)
	eventually(t, "the first of them are closed", func() bool { return a.open() < 100 })
	a.close()
	eventually(t, "all room is given back", func() bool { held, waits := n.zmtp.ReceiveBudget.Held(); return held == 0 && !waits })
}

// Anything before a HELLO, however long, is dropped as it arrives. HELLO may follow.
func TestLongBeforeHello(t *testing.T) {
	n := start(t, onLoopback(beaconPort(), Config{}))
	const octets = 8 << 20
	header := msg.AppendWhisper(nil, 7)
	for _, test := range []struct {
		name  string
		begin [][]byte // ends with a frame of this many bytes
	}{
		{"a frame", [][]byte{longFrame(false, octets)}},
		{"content", [][]byte{longFrame(true, len(header)), header, longFrame(false, octets)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := attackers(t, n.port)
			before := heap()
			var ids []uuid.UUID
			for range 16 {
				ids = append(ids, uuid.New())
				p := a.connect(1, append(zmtpGreeting(), zmtpReady(ids[len(ids)-1])...))
				for _, octets := range test.begin {
					_, _ = p.Write(octets)
				}
			}
			writeZeros(a.all, octets-1)
			if grown := heap() - before; grown > 8<<20 {
				t.Errorf("the heap grew by %d bytes, want %d at most", grown, 8<<20)
			}
			for i, p := range a.all {
				_, _ = p.Write(append([]byte{0}, rawHello(t)...))
				n.waitKind(Enter, ids[i])
			}
		})
	}
}

// A SHOUT to a group that we are not in is dropped as it arrives, and counts. An ill-formed message does not count.
func TestUnwantedContent(t *testing.T) {
	n := start(t, onLoopback(beaconPort(), Config{}))
	long := make([]byte, 16<<20)
	var peers []*fakePeer
	before := heap()
	for range 10 {
		f := newFakePeer(t, n)
		f.send(f.hello(1, nil))
		f.send(must(msg.AppendShout(nil, 2, "elsewhere")), long)
		f.send(must(msg.AppendJoin(nil, 3, "ill-formed", 2)), long)
		f.send(must(msg.AppendJoin(nil, 3, "H", 2)))
		n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "JOIN(H)"})
		peers = append(peers, f)
	}
	if grown := heap() - before; grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes, want %d at most", grown, 8<<20)
	}
	if err := n.Join("elsewhere"); err != nil {
		t.Fatal(err)
	}
	for _, f := range peers {
		f.send(must(msg.AppendShout(nil, 4, "elsewhere")), long[:1<<20])
		n.waitKind(Shout, f.uuid)
	}
	runtime.KeepAlive(peers)
}

// A group may be joined or left while a SHOUT to it arrives. Then the SHOUT is not delivered; later ones are.
func TestGroupChangesWithinShout(t *testing.T) {
	n := start(t, onLoopback(beaconPort(), Config{}))
	if err := n.Join("left"); err != nil {
		t.Fatal(err)
	}
	id := uuid.New()
	p := attackers(t, n.port).connect(1, append(append(zmtpGreeting(), zmtpReady(id)...), rawHello(t)...))
	n.waitKind(Enter, id)
	const size = 32 << 20 // half of it is more than the kernel buffers, so the node has begun to read
	within := func(sequence uint16, group string, change func(string) error) {
		header := must(msg.AppendShout(nil, sequence, group))
		for _, octets := range [][]byte{longFrame(true, len(header)), header, longFrame(false, size), make([]byte, size/2)} {
			if _, err := p.Write(octets); err != nil {
				t.Fatal(err)
			}
		}
		if err := change(group); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write(make([]byte, size/2)); err != nil {
			t.Fatal(err)
		}
	}
	within(2, "left", n.Leave)
	within(3, "joined", n.Join)
	p.Write(zmtpMessage(must(msg.AppendShout(nil, 4, "joined")), []byte("x")))
	n.waitFor(t, id, []string{"ENTER(raw)", "SHOUT(joined):1f"})
}

// If a peer's connection broke and it continues with its next message, even a long one, the session continues. Another message is dropped.
func TestResumeWithLongMessage(t *testing.T) {
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	f.send(msg.AppendWhisper(nil, 2), []byte("x"))
	n.waitKind(Whisper, f.uuid)
	f.conn.Close(nil)
	f.connect()
	f.send(msg.AppendWhisper(nil, 3), make([]byte, 4<<20))
	f.send(must(msg.AppendJoin(nil, 4, "H", 2)))
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "WHISPER:1f", "WHISPER:1f", "JOIN(H)"})
}

// Half a message whose sender stops ends its connection after the expired timeout.
func TestStalledMessage(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{EvasiveTimeout: 500 * time.Millisecond, ExpiredTimeout: 2 * time.Second}))
	a := attackers(t, n.port)
	id := uuid.New()
	p := a.connect(1, append(append(zmtpGreeting(), zmtpReady(id)...), rawHello(t)...))
	n.waitKind(Enter, id)
	_, _ = p.Write(append(longFrame(false, 1000), 0xAA))
	await(t, "the end of the connection", p.closed)
}
