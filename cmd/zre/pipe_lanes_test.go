package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// results records how commands ended.
type results struct {
	mu   sync.Mutex
	errs map[string]error
	list []string
}

func (r *results) of(name string) func(error) {
	return func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.errs == nil {
			r.errs = make(map[string]error)
		}
		if _, twice := r.errs[name]; twice {
			err = errors.Join(err, errors.New("reported twice"))
		}
		r.errs[name] = err
		r.list = append(r.list, name)
	}
}

func (r *results) get(name string) (err error, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err, ended = r.errs[name]
	return err, ended
}

// frozenLAN is a sender with small queues and two members of G, one of them frozen.
func frozenLAN(t *testing.T, test func(l *lanes, cold, warm *zretest.Watched, freeze, thaw func())) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		host := lan.Host("10.0.0.2")
		sender := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("sender"), zre.WithLimits(zre.Limits{QueueMessages: 5}),
			zre.WithSendTimeout(10*time.Second))
		cold := zretest.Start(t, host, zre.WithName("cold"))
		warm := zretest.Start(t, lan.Host("10.0.0.3"), zre.WithName("warm"))
		for _, n := range []*zretest.Watched{cold, warm} {
			if err := n.Join("G"); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			zretest.Next[zre.Join](sender)
		}
		l := newLanes(t.Context(), sender.Node)
		defer l.end()
		test(l, cold, warm, host.Freeze, host.Thaw)
	})
}

// fill whispers to a peer until commands wait in its lane, and returns how many it sent.
func fill(t *testing.T, l *lanes, r *results, peer uuid.UUID) int {
	for i := range 100 {
		name := fmt.Sprint("w", i)
		l.whisper(peer, [][]byte{zretest.Number(uint64(i)), make([]byte, 100_000)}, r.of(name))
		if err, ended := r.get(name); err != nil {
			t.Fatal(err)
		} else if ended {
			continue
		}
		time.Sleep(100 * time.Millisecond) // fake time: what buffers take
		if l.has(peer) {
			return i + 1
		}
	}
	t.Fatal("no command waits in the lane")
	return 0
}

// Commands for a peer that does not read wait, in order. Commands for others do not.
func TestLanesOfFrozenPeer(t *testing.T) {
	frozenLAN(t, func(l *lanes, cold, warm *zretest.Watched, freeze, thaw func()) {
		r := new(results)
		freeze()
		count := fill(t, l, r, cold.UUID())
		began := time.Now()
		text := func(s string) [][]byte { return [][]byte{[]byte(s)} }
		l.shout("G", text("one"), false, r.of("shout"))
		l.whisper(warm.UUID(), text("two"), r.of("whisper"))
		l.afterQueued(warm.UUID(), func(ctx context.Context) error { return l.node.Flush(ctx, warm.UUID()) }, r.of("flush"))
		l.whisper(cold.UUID(), text("three"), r.of("last"))
		if err, ended := r.get("whisper"); err != nil || !ended {
			t.Errorf("a whisper to another peer: got error %v, ended %t; want success", err, ended)
		}
		if e := zretest.Next[zre.Shout](warm); string(e.Frames[0]) != "one" {
			t.Errorf("the other peer got %q", e.Frames)
		}
		if e := zretest.Next[zre.Whisper](warm); string(e.Frames[0]) != "two" || time.Since(began) > 100*time.Millisecond {
			t.Errorf("the other peer got %q after %v, want it at once", e.Frames, time.Since(began))
		}
		for _, name := range []string{"shout", "last", fmt.Sprint("w", count-1)} {
			if err, ended := r.get(name); ended {
				t.Errorf("%s for the frozen peer ended with %v, want it to wait", name, err)
			}
		}
		time.Sleep(2 * time.Second) // fake time
		thaw()
		for range count {
			zretest.Next[zre.Whisper](cold) // EventChecker checks the order
		}
		if e := zretest.Next[zre.Shout](cold); string(e.Frames[0]) != "one" {
			t.Errorf("the frozen peer got %q", e.Frames)
		}
		if e := zretest.Next[zre.Whisper](cold); string(e.Frames[0]) != "three" {
			t.Errorf("the frozen peer got %q", e.Frames)
		}
		l.drain(time.Second)
		for _, name := range []string{"shout", "last", "flush", fmt.Sprint("w", count-1)} {
			if err, ended := r.get(name); err != nil || !ended {
				t.Errorf("%s: got error %v, ended %t", name, err, ended)
			}
		}
		if len(l.list) > 0 || l.size != 0 || l.inBackground != 0 {
			t.Errorf("got %d lanes, %d bytes and %d commands in the background, want none", len(l.list), l.size, l.inBackground)
		}
	})
}

// The number of commands that wait for a frozen peer is limited. Further ones fail and delay no other peer. When the peer is dropped, all
// fail.
func TestLanesAreBounded(t *testing.T) {
	frozenLAN(t, func(l *lanes, cold, warm *zretest.Watched, freeze, _ func()) {
		r := new(results)
		freeze()
		fill(t, l, r, cold.UUID())
		for i := range laneCommands - 1 {
			l.whisper(cold.UUID(), [][]byte{{1}}, r.of(fmt.Sprint("more", i)))
		}
		began := time.Now()
		l.whisper(cold.UUID(), [][]byte{{1}}, r.of("one more"))
		if err, ended := r.get("one more"); ended || time.Since(began) > 2*stalledAfter {
			t.Errorf("a command beyond the limit, while the peer may still read: ended %t, %v, after %v; want it to wait in the lane", ended, err, time.Since(began))
		}
		time.Sleep(frozenAfter) // fake time
		began = time.Now()
		l.whisper(cold.UUID(), [][]byte{{1}}, r.of("too much"))
		if err, ended := r.get("too much"); !ended || !errors.Is(err, zre.ErrPeerBusy) || !strings.Contains(err.Error(), "1001 commands wait for it already") {
			t.Errorf("got error %v, ended %t; want the error of a busy peer", err, ended)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("a command for a frozen peer was refused after %v, want at once", took)
		}
		began = time.Now()
		l.whisper(cold.UUID(), [][]byte{{1}}, r.of("too much again"))
		l.shout("G", [][]byte{{1}}, false, r.of("shout"))
		l.whisper(warm.UUID(), [][]byte{{1}}, r.of("warm"))
		if err, ended := r.get("too much again"); !ended || !errors.Is(err, zre.ErrPeerBusy) || time.Since(began) > 0 {
			t.Errorf("got error %v, ended %t, after %v; want the error of a busy peer at once", err, ended, time.Since(began))
		}
		var peer *zre.PeerError
		if err, ended := r.get("shout"); !ended || !errors.As(err, &peer) || peer.UUID != cold.UUID() {
			t.Errorf("the shout: got error %v, ended %t; want the error of the frozen peer", err, ended)
		}
		zretest.Next[zre.Shout](warm)
		zretest.Next[zre.Whisper](warm)
		l.drain(20 * time.Second)
		if err, ended := r.get("more7"); !ended || err == nil {
			t.Errorf("a command that waited: got error %v, ended %t; want an error", err, ended)
		}
		if len(r.list) < laneCommands+3 || len(l.list) > 0 || l.size != 0 {
			t.Errorf("%d ended; left are %d lanes, %d bytes", len(r.list), len(l.list), l.size)
		}
	})
}

// A command that still waits at the end fails.
func TestLanesEnd(t *testing.T) {
	frozenLAN(t, func(l *lanes, cold, _ *zretest.Watched, freeze, _ func()) {
		r := new(results)
		freeze()
		count := fill(t, l, r, cold.UUID())
		l.whisper(cold.UUID(), [][]byte{{1}}, r.of("last"))
		l.drain(time.Second)
		l.end()
		for _, name := range []string{"last", fmt.Sprint("w", count-1)} {
			if err, ended := r.get(name); !ended || !errors.Is(err, errPipeEnded) {
				t.Errorf("%s: got error %v, ended %t", name, err, ended)
			}
		}
	})
}

// With --skip-busy a shout leaves out members without room, and nothing waits.
func TestLanesSkip(t *testing.T) {
	frozenLAN(t, func(l *lanes, cold, warm *zretest.Watched, freeze, thaw func()) {
		r := new(results)
		freeze()
		fill(t, l, r, cold.UUID())
		l.shout("G", [][]byte{{1}}, true, r.of("shout"))
		var peer *zre.PeerError
		if err, ended := r.get("shout"); !ended || !errors.As(err, &peer) || peer.UUID != cold.UUID() {
			t.Errorf("the shout: got error %v, ended %t; want the error of the frozen peer", err, ended)
		}
		zretest.Next[zre.Shout](warm)
		thaw()
	})
}

// Only a peer that may be frozen gets more commands than the limit, and never more than their memory allows.
func TestLaneRoom(t *testing.T) {
	peer := uuid.New()
	for _, test := range []struct {
		name       string
		tasks      int
		size, all  int64
		more, room bool
	}{
		{"a short lane", laneCommands - 1, 0, 0, false, true},
		{"a full lane", laneCommands, 0, 0, false, false},
		{"a full lane of a peer that may be frozen", laneCommands, 0, 0, true, true},
		{"a lane with little memory left", 1, laneBytes - 10, 0, false, true},
		{"a lane without memory", 1, laneBytes - 9, 0, true, false},
		{"no memory for all peers", 1, 0, allBytes - 9, true, false},
	} {
		l := &lanes{list: map[uuid.UUID]*lane{peer: {tasks: make([]task, test.tasks), size: test.size}}, size: test.all}
		if _, room := l.put(peer, task{size: 10}, test.more); room != test.room {
			t.Errorf("%s: there is room: %t, want %t", test.name, room, test.room)
		}
	}
}
