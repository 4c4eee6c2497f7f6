package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/msg"
)

// The application never takes its events. Waiting events are bounded, calls return, and peers come and go. When it takes the events at last,
// none is missing.
func TestEventsAreNotTaken(t *testing.T) {
	for _, test := range []struct {
		name     string
		limits   Limits
		heap     int64
		messages int
		send     func(f *fakePeer, sequence uint16)
		words    string // the extensions that the peer announces
		full     bool   // membership events use all room too, so no other peer enters
	}{
		{"small messages", Limits{Events: 10}, 4 << 20, 20_000, func(f *fakePeer, sequence uint16) {
			f.send(msg.AppendWhisper(nil, sequence), []byte("x"))
		}, "", false},
		{"large messages", Limits{EventBytes: 1 << 20}, 8 << 20, 300, func(f *fakePeer, sequence uint16) {
			f.send(msg.AppendWhisper(nil, sequence), tenthOfMiB)
		}, "", false},
		{"empty frames", Limits{EventBytes: 1 << 20}, 16 << 20, 1_000, func(f *fakePeer, sequence uint16) {
			f.send(append([][]byte{msg.AppendWhisper(nil, sequence)}, make([][]byte, 1_000)...)...)
		}, "", false},
		{"memberships", Limits{}, 32 << 20, 2_500, func(f *fakePeer, sequence uint16) {
			encode := msg.AppendJoin
			if sequence%2 == 1 {
				encode = msg.AppendLeave
			}
			f.send(must(encode(nil, sequence, "x", uint8(sequence))))
		}, "", true},
		{"headers that change", Limits{}, 40 << 20, 250, func(f *fakePeer, sequence uint16) {
			value := strings.Repeat(string('a'+rune(sequence%26)), 100<<10)
			f.send(must(msg.AppendHeaders(nil, sequence, []msg.OutHeader{{Name: "k", Value: value}}, msg.Limits{})))
		}, "headers", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, err := New(onLoopback(beaconPort(), Config{Limits: test.limits}))
			if err != nil {
				t.Fatal(err)
			}
			deaf := startDeaf(t, n)
			good := newFakePeer(t, deaf)
			good.send(good.hello(1, nil))
			good.expect(msg.Hello)
			hostile := newFakePeer(t, deaf)
			hostile.properties = map[string]string{extensionsProperty: test.words}
			hostile.send(hostile.hello(1, withGroups(999)))
			hostile.expect(msg.Hello)
			before := heap()
			for i := range test.messages {
				test.send(hostile, uint16(i+2))
			}
			eventually(t, "the reader waits for the application", n.events.HasWaiters)
			count, octets := n.events.Depth()
			if most := test.limits; most.Events > 0 && count > most.Events || most.EventBytes > 0 && octets > most.EventBytes {
				t.Errorf("%d messages of %d bytes wait, want %d and %d at most", count, octets, most.Events, most.EventBytes)
			}

			began := time.Now()
			for call, err := range map[string]error{
				"join":    deaf.Join("mine"),
				"leave":   deaf.Leave("mine"),
				"whisper": deaf.Whisper(t.Context(), good.uuid, []byte("x")),
				"shout":   deaf.Shout(t.Context(), "G", []byte("x")),
			} {
				if err != nil {
					t.Errorf("%s: %v", call, err)
				}
			}
			for _, id := range []msg.ID{msg.Join, msg.Leave, msg.Whisper, msg.Shout} {
				good.expect(id)
			}
			if took := time.Since(began); took > patience/2 {
				t.Errorf("the calls took %v, want %v at most", took, patience/2)
			}
			late := newFakePeer(t, deaf)
			late.send(late.hello(1, nil))
			if !test.full {
				late.expect(msg.Hello)
				eventually(t, "another peer is present", func() bool { _, present := deaf.Peer(late.uuid); return present })
			}
			good.router.Close()
			good.hangUp()
			eventually(t, "one that left is gone", func() bool { _, present := deaf.Peer(good.uuid); return !present })
			if grown := heap() - before; grown > test.heap {
				t.Errorf("the heap grew by %d bytes, want %d at most", grown, test.heap)
			}

			deaf.listen()
			deaf.waitKind(Join, late.uuid)
			deaf.waitFor(t, good.uuid, []string{"ENTER(fake)", "JOIN(G)", "EXIT(crashed)"})
			last := uint16(test.messages + 2)
			hostile.send(msg.AppendWhisper(nil, last), []byte("last"))
			deaf.wait("the last message", func(e Event) bool { return e.Kind == Whisper && string(e.Frames[0]) == "last" })
			if got := len(deaf.eventsOf(hostile.uuid)); got != 1+999+test.messages+1 {
				t.Errorf("%d events of the hostile peer, want ENTER, 999 JOINs and %d more", got, test.messages+1)
			}
			events := deaf.eventsOf(hostile.uuid)[1000:]
			if changed := slices.IndexFunc(events, func(e string) bool { return strings.HasPrefix(e, "EXIT") }); changed >= 0 {
				t.Errorf("event %d is %s, though the peer stays", changed, events[changed])
			}
		})
	}
}

var tenthOfMiB = make([]byte, 100<<10)

// A HELLO of the largest size, again and again, does not keep others from entering.
func TestLargeHellos(t *testing.T) {
	n := start(t, onLoopback(beaconPort(), Config{}))
	b := newBystander(t, n)
	n.mu.Lock()
	n.skip = func(e Event) bool { return e.Kind == Join && strings.HasPrefix(e.Group, "group ") }
	n.mu.Unlock()
	before := heap()
	f := newFakePeer(t, n)
	hello := f.hello(1, func(h *msg.OutHello) {
		withGroups(1_000)(h)
		withHeader(slices.Repeat([]string{strings.Repeat("x", 200)}, 1_000)...)(h)
	})
	const times = 8
	for range times {
		f.send(hello)
	}
	b.served()
	eventually(t, "all are taken", func() bool { return n.count(Enter, f.uuid) == times })
	if events := n.eventsOf(f.uuid); !alternates(events) {
		t.Errorf("got events %q, want ENTER and EXIT in turn", events)
	}
	if grown := heap() - before; grown > heapBound {
		t.Errorf("the heap grew by %d bytes, want %d at most", grown, heapBound)
	}
}
