package node

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/msg"
)

// Each case plays odd or hostile input from one peer. Afterwards a good peer must still be met and served. A comment gives what RFC 36 asks,
// or what seems right if it is silent.
func TestCases(t *testing.T) {
	const entered = "ENTER(fake)"
	for _, test := range []struct {
		name  string
		play  func(f *fakePeer)
		want  []string // the node's events about the peer, up to the last of them
		hello bool     // the node must have said HELLO to it
		never string   // an event that must not come
	}{
		// Beacons.
		{"beacon 22 unknown: the node connects and says HELLO", func(f *fakePeer) { f.beacon(f.port()) }, nil, true, ""},
		{"beacon 23 unknown: understood", func(f *fakePeer) {
			f.datagram(beacon.Beacon{UUID: f.uuid, Port: f.port(), State: beacon.Idle}.Append(nil))
		}, nil, true, ""},
		{"beacon port 0 unknown: nothing", func(f *fakePeer) { f.beacon(0) }, nil, false, "EXIT(left)"},
		{"beacon port 0 known: exit", func(f *fakePeer) { f.enter(); f.beacon(0) }, []string{entered, "JOIN(G)", "EXIT(left)"}, false, ""},
		{"beacon EXIT known: exit", func(f *fakePeer) {
			f.enter()
			f.datagram(beacon.Beacon{UUID: f.uuid, Port: f.port(), State: beacon.Exit}.Append(nil))
		}, []string{entered, "JOIN(G)", "EXIT(left)"}, false, ""},
		{"beacons of wrong lengths and headers: discard silently", func(f *fakePeer) {
			good := beacon.Beacon{UUID: uuid.New(), Port: f.port(), State: beacon.Unknown}.Append(nil)
			for n := range 400 {
				if n != 22 && n != 23 && n != 54 && n != 55 {
					f.datagram(append(slices.Clone(good), make([]byte, 400)...)[:n])
				}
			}
			for _, octet := range []int{0, 1, 2, 3} {
				bad := slices.Clone(good)
				bad[octet]++
				f.datagram(bad)
			}
		}, nil, false, ""},

		// Before and around HELLO.
		{"whisper before hello: ignore the early one, then enter", func(f *fakePeer) {
			f.beacon(f.port())
			f.send(msg.AppendWhisper(nil, 1), []byte("early"))
			f.send(f.hello(1, nil))
			f.send(msg.AppendWhisper(nil, 2), []byte("x"), []byte("y"))
		}, []string{entered, "JOIN(G)", "WHISPER:2f"}, true, ""},
		{"hello only, no beacon: connect back, HELLO", func(f *fakePeer) { f.send(f.hello(1, nil)) },
			[]string{entered, "JOIN(G)"}, true, ""},
		{"hello again with the next sequence: invalid", func(f *fakePeer) {
			f.enter()
			f.send(f.hello(2, nil))
		}, []string{entered, "JOIN(G)", "EXIT(lost messages)"}, false, ""},
		{"hello again with sequence 1: leave and enter anew, HELLO", func(f *fakePeer) {
			f.enter()
			f.send(f.hello(1, func(h *msg.OutHello) { h.Name = "fake2" }))
			f.expect(msg.Hello)
			f.send(msg.AppendWhisper(nil, 2), []byte("x"))
		}, []string{entered, "JOIN(G)", "EXIT(replaced)", "ENTER(fake2)", "JOIN(G)", "WHISPER:1f"}, false, ""},
		{"hello with sequence 5: invalid", func(f *fakePeer) { f.send(f.hello(5, nil)) }, nil, false, entered},

		// Sequence.
		{"sequence gap: exit", func(f *fakePeer) {
			f.enter()
			f.send(msg.AppendWhisper(nil, 9), []byte("x"))
			f.send(msg.AppendWhisper(nil, 10), []byte("x"))
		}, []string{entered, "JOIN(G)", "EXIT(lost messages)"}, false, "WHISPER:1f"},
		{"sequence repeat: exit", func(f *fakePeer) { f.enter(); f.send(msg.AppendWhisper(nil, 1), []byte("x")) },
			[]string{entered, "JOIN(G)", "EXIT(lost messages)"}, false, "WHISPER:1f"},

		// Groups.
		{"join with a wrong status: never die", func(f *fakePeer) {
			f.enter()
			f.send(must(msg.AppendJoin(nil, 2, "H", 99)))
			f.send(msg.AppendWhisper(nil, 3), []byte("x"))
		}, []string{entered, "JOIN(G)", "JOIN(H)", "WHISPER:1f"}, false, ""},
		{"join twice, leave of a group not joined: once is enough", func(f *fakePeer) {
			f.enter()
			f.send(must(msg.AppendJoin(nil, 2, "H", 2)))
			f.send(must(msg.AppendJoin(nil, 3, "H", 3)))
			f.send(must(msg.AppendLeave(nil, 4, "H", 4)))
			f.send(must(msg.AppendLeave(nil, 5, "nogrp", 5)))
			f.send(msg.AppendWhisper(nil, 6), []byte("x"))
		}, []string{entered, "JOIN(G)", "JOIN(H)", "LEAVE(H)", "WHISPER:1f"}, false, ""},
		{"hello with a group twice: once is enough", func(f *fakePeer) {
			f.send(f.hello(1, func(h *msg.OutHello) { h.Groups = []string{"G", "G"} }))
			f.send(msg.AppendWhisper(nil, 2), []byte("x"))
		}, []string{entered, "JOIN(G)", "WHISPER:1f"}, false, ""},
		{"hello without groups", func(f *fakePeer) {
			f.send(f.hello(1, func(h *msg.OutHello) { h.Groups = nil }))
			f.send(msg.AppendWhisper(nil, 2), []byte("x"))
		}, []string{entered, "WHISPER:1f"}, false, ""},

		// Content.
		{"whisper and shout of 0 and 3 frames: none comes as one", func(f *fakePeer) {
			f.enter()
			f.send(msg.AppendWhisper(nil, 2))
			f.send(msg.AppendWhisper(nil, 3), []byte("a"), nil, []byte("c"))
			f.send(must(msg.AppendShout(nil, 4, "ours")))
			f.send(must(msg.AppendShout(nil, 5, "ours")), []byte("a"), nil, []byte("c"))
		}, []string{entered, "JOIN(G)", "WHISPER:1f", "WHISPER:3f", "SHOUT(ours):1f", "SHOUT(ours):3f"}, false, ""},
		{"shout to a group that we are not in", func(f *fakePeer) {
			f.enter()
			f.send(must(msg.AppendShout(nil, 2, "other")), []byte("x"))
			f.send(msg.AppendWhisper(nil, 3), []byte("x"))
		}, []string{entered, "JOIN(G)", "WHISPER:1f"}, false, ""},
		{"ping", func(f *fakePeer) { f.enter(); f.send(msg.AppendPing(nil, 2)); f.expect(msg.PingOK) }, nil, false, ""},
		{"ping-ok unasked", func(f *fakePeer) {
			f.enter()
			f.send(msg.AppendPingOK(nil, 2))
			f.send(msg.AppendWhisper(nil, 3), []byte("x"))
		}, []string{entered, "JOIN(G)", "WHISPER:1f"}, false, ""},

		// Messages that RFC 36 does not define: ignore, but count in the sequence.
		{"goodbye, elect, leader, unknown id", func(f *fakePeer) {
			f.enter()
			f.send(msg.AppendGoodbye(nil, 2))
			f.send(must(msg.AppendElect(nil, 3, "G", f.uuid)))
			f.send(must(msg.AppendLeader(nil, 4, "G", f.uuid)))
			f.send([]byte{0xAA, 0xA1, 77, 2, 0, 5})
			f.send(msg.AppendWhisper(nil, 6), []byte("x"))
		}, []string{entered, "JOIN(G)", "WHISPER:1f"}, false, ""},

		// Ill-formed: discard, not counted.
		{"ill-formed messages, then a good one", func(f *fakePeer) {
			f.enter()
			f.send([]byte{0xAA, 0xA1, 2, 3, 0, 2}, []byte("version 3"))
			f.send([]byte{0xAA, 0xA3, 2, 2, 0, 2}, []byte("bad signature"))
			f.send(nil)
			f.send([]byte{0xAA})
			f.send(append(msg.AppendPing(nil, 2), 5))
			f.send(msg.AppendPing(nil, 2), []byte("surplus frame"))
			join := must(msg.AppendJoin(nil, 2, "HHHH", 2))
			for n := range join {
				f.send(join[:n])
			}
			f.send(msg.AppendWhisper(nil, 2), []byte("x"))
		}, []string{entered, "JOIN(G)", "WHISPER:1f"}, false, "JOIN(HHHH)"},

		// HELLO's fields.
		{"hello with an empty name", func(f *fakePeer) { f.send(f.hello(1, func(h *msg.OutHello) { h.Name = "" })) },
			[]string{"ENTER()", "JOIN(G)"}, true, ""},
		{"hello with a name that is not UTF-8: taken as it comes", func(f *fakePeer) {
			header := f.hello(1, func(h *msg.OutHello) { h.Name = "fa?e" })
			header[slices.Index(header, '?')] = 0xFF
			f.send(header)
		}, []string{"ENTER(fa\xffe)", "JOIN(G)"}, true, ""},
		{"hello with a header of 70000 bytes", func(f *fakePeer) {
			f.send(f.hello(1, func(h *msg.OutHello) {
				h.Headers = []msg.OutHeader{{Name: "big", Value: long(70_000)}}
			}))
		}, []string{entered, "JOIN(G)"}, true, ""},
		{"hello with an endpoint of junk, no beacon: cannot connect, ignore", func(f *fakePeer) {
			f.send(f.hello(1, func(h *msg.OutHello) { h.Endpoint = "junk" }))
		}, nil, false, entered},
		{"hello with an ipc endpoint, no beacon: refuse", func(f *fakePeer) {
			f.send(f.hello(1, func(h *msg.OutHello) { h.Endpoint = "ipc:///tmp/x:1" }))
		}, nil, false, entered},
		{"hello with an endpoint of junk after a beacon: enter", func(f *fakePeer) {
			f.beacon(f.port())
			f.expect(msg.Hello)
			f.send(f.hello(1, func(h *msg.OutHello) { h.Endpoint = "junk" }))
		}, []string{entered, "JOIN(G)"}, false, ""},
		{"hello with a dead port after a beacon: enter", func(f *fakePeer) {
			f.beacon(f.port())
			f.expect(msg.Hello)
			f.send(f.hello(1, func(h *msg.OutHello) { h.Endpoint = "tcp://127.0.0.1:1" }))
		}, []string{entered, "JOIN(G)"}, false, ""},
		{"hello with a host name for an endpoint: reached where it comes from", func(f *fakePeer) {
			f.send(f.hello(1, func(h *msg.OutHello) {
				h.Endpoint = "tcp://no-such-host.invalid" + f.endpoint()[len("tcp://127.0.0.1"):]
			}))
		}, []string{entered, "JOIN(G)"}, true, ""},

		// Routing ids other than 01 + UUID: ignore.
		{"identity 02 + UUID", func(f *fakePeer) { f.identity[0] = 2; f.send(f.hello(1, nil)) }, nil, false, entered},
		{"identity of 16 bytes", func(f *fakePeer) { f.identity = f.identity[1:]; f.send(f.hello(1, nil)) }, nil, false, entered},
		{"identity abc", func(f *fakePeer) { f.identity = []byte("abc"); f.send(f.hello(1, nil)) }, nil, false, entered},
		{"no identity", func(f *fakePeer) { f.identity = nil; f.send(f.hello(1, nil)) }, nil, false, entered},
		{"our own identity", func(f *fakePeer) { f.identity = identity(f.node.UUID()); f.send(f.hello(1, nil)) }, nil, false, entered},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := start(t, onLoopback(beaconPort(), Config{}))
			if err := n.Join("ours"); err != nil {
				t.Fatal(err)
			}
			f := newFakePeer(t, n)
			test.play(f)
			if test.hello {
				f.expect(msg.Hello)
			}
			if len(test.want) > 0 {
				n.waitFor(t, f.uuid, test.want)
			}
			// A good peer is served beside it. That also shows that the earlier input was handled.
			good := newFakePeer(t, n)
			good.enter()
			good.send(msg.AppendWhisper(nil, 2), []byte("good"))
			n.waitKind(Whisper, good.uuid)
			if events := n.eventsOf(f.uuid); test.never != "" && slices.Contains(events, test.never) {
				t.Errorf("events %q contain %s", events, test.never)
			}
		})
	}
}

// waitFor waits until a peer has the given events.
func (r *testNode) waitFor(t *testing.T, id uuid.UUID, want []string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		news := r.news
		r.mu.Unlock()
		got := r.eventsOf(id)
		if len(got) >= len(want) {
			if !slices.Equal(got[:len(want)], want) {
				t.Fatalf("events %q, want %q", got, want)
			}
			return
		}
		select {
		case <-news:
		case <-deadline:
			t.Fatalf("events %q, want %q", got, want)
		}
	}
}

func must(octets []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return octets
}

func long(n int) string {
	octets := make([]byte, n)
	for i := range octets {
		octets[i] = 'x'
	}
	return string(octets)
}
