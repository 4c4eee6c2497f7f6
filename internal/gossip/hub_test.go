package gossip

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHub(t *testing.T) {
	inLab(t, func(l lab) {
		h, _ := l.hub("hub:1", Config{})
		publish(l, h, "a", "1")
		one, two := l.raw("hub:1"), l.raw("hub:1")
		one.sendAll(hello)
		one.expect(pub("a", "1", 0))
		one.sendAll(pub("b", "2", 0))
		one.expect() // not its own
		two.sendAll(hello)
		two.expect(pub("a", "1", 0), pub("b", "2", 0))
		two.sendAll(pub("b", "2", 0), pub("a", "1", 0))
		one.expect() // nothing new
		two.sendAll(pub("b", "3", 0))
		one.expect(pub("b", "3", 0))
		two.sendAll(ping, ping)
		two.expect(pong, pong)
		publish(l, h, "a", "4")
		one.expect(pub("a", "4", 0))
		two.expect(pub("a", "4", 0))
	})
}

func TestNotServed(t *testing.T) {
	for _, c := range []struct {
		name   string
		frames [][]byte
	}{
		{"no bytes", [][]byte{nil}},
		{"rubbish", [][]byte{[]byte("rubbish")}},
		{"two frames", [][]byte{hello.AppendTo(nil), nil}},
		{"a cut PUBLISH", [][]byte{pub("k", "v", 0).AppendTo(nil)[:9]}},
		{"PONG", [][]byte{pong.AppendTo(nil)}},
		{"INVALID", [][]byte{invalid.AppendTo(nil)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, func(l lab) {
				h, _ := l.hub("hub:1", Config{})
				bad, good := l.raw("hub:1"), l.raw("hub:1")
				bad.sendAll(hello)
				good.sendAll(hello)
				synctest.Wait()
				bad.send(c.frames...)
				bad.expect(invalid)
				publish(l, h, "a", "1")
				bad.expect()
				good.expect(pub("a", "1", 0))
				bad.sendAll(ping)
				bad.expect(pong)
				bad.sendAll(hello)
				bad.expect(pub("a", "1", 0))
				bad.sendAll(hello) // again, as czmq's client does when INVALID crosses its HELLO
				bad.expect(pub("a", "1", 0))
			})
		})
	}
}

func TestPublishBeforeHello(t *testing.T) {
	inLab(t, func(l lab) {
		h, _ := l.hub("hub:1", Config{})
		r := l.raw("hub:1")
		r.sendAll(pub("k", "v", 0))
		r.expect(invalid)
		if h.Len() != 1 {
			t.Error("the tuple is lost, and czmq's client does not publish it again")
		}
	})
}

// TestHelloTimer has a client that does not know that it must send HELLO.
func TestHelloTimer(t *testing.T) {
	inLab(t, func(l lab) {
		l.hub("hub:1", Config{})
		r := l.raw("hub:1")
		elapse(helloTime - 1)
		r.expect()
		elapse(1)
		r.expect(invalid)
		elapse(10 * time.Second)
		select {
		case <-r.conn.Done():
		default:
			t.Error("a client that never sends HELLO stays connected")
		}
	})
}

// TestStalled has a client that sends HELLO and reads nothing.
func TestStalled(t *testing.T) {
	inLab(t, func(l lab) {
		h, _ := l.hub("hub:1", Config{})
		good := l.raw("hub:1")
		good.sendAll(hello)
		nc, err := l.net.dial(l.Context(), "tcp", "hub:1")
		if err != nil {
			t.Fatal(err)
		}
		bad := openRaw(l, nc, 0)
		bad.sendAll(hello)
		synctest.Wait()
		for i := range 3000 {
			publish(l, h, fmt.Sprint(i), strings.Repeat("x", 500))
		}
		if n := len(good.got()); n != 3000 {
			t.Errorf("the good client got %d tuples", n)
		}
		before := h.Clients()
		elapse(stallTime + time.Second)
		if before != 2 || h.Clients() != 1 {
			t.Errorf("%d connections, then %d", before, h.Clients())
		}
		publish(l, h, "last", "1")
		good.expect(pub("last", "1", 0))
	})
}

func TestBounds(t *testing.T) {
	inLab(t, func(l lab) {
		h, _ := l.hub("hub:1", Config{Limits: Limits{Clients: 3, Tuples: 10, TuplesPerAddress: 6, ValueSize: 20}})
		r := l.raw("hub:1") // from 192.0.2.7, as all of them
		r.sendAll(hello)
		for i := range 20 {
			r.sendAll(pub(fmt.Sprint("r", i), "1", 0))
		}
		r.sendAll(pub("r0", strings.Repeat("x", 21), 0), ping)
		r.expect(pong)
		if h.Len() != 6 {
			t.Errorf("%d tuples of one address", h.Len())
		}
		for i := range 5 {
			publish(l, h, fmt.Sprint("h", i), "1") // our own always fit
		}
		if h.Len() != 11 {
			t.Errorf("%d tuples", h.Len())
		}
		other := &origin{}
		if err := h.table.put(other, Tuple{Key: "one more"}); err == nil {
			t.Error("the table has more than Limits.Tuples")
		}
		r.close()
		synctest.Wait()
		if err := h.table.put(other, Tuple{Key: "one more"}); err != nil {
			t.Errorf("there was no room, though some tuples have no connection: %v", err)
		}
		if len(h.table.counts) != 1 || h.table.counts[ipOf(memAddr("192.0.2.7:1"))] != 5 {
			t.Errorf("tuples are still counted: %v", h.table.counts)
		}

		for range 3 {
			l.raw("hub:1").sendAll(hello)
		}
		synctest.Wait()
		late := l.client("hub:1", Config{})
		publish(l, late, "late", "1")
		elapse(time.Minute)
		if _, found := h.table.lookup("late"); found || h.Clients() != 3 {
			t.Errorf("%d clients are connected", h.Clients())
		}
	})
}

// TestLog checks that changes leave no memory behind.
func TestLog(t *testing.T) {
	tab := newTable(Config{}.withDefaults())
	at := cursor{}
	for i := range 10000 {
		if err := tab.put(tab.local, Tuple{Key: fmt.Sprint(i % 3), Value: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		if i == 5000 {
			tab.after(&at)
		}
	}
	if len(tab.log) > 100 {
		t.Errorf("%d entries for 3 tuples", len(tab.log))
	}
	got := tab.after(&at)
	slices.SortFunc(got, func(a, b Tuple) int { return strings.Compare(a.Key, b.Key) })
	if want := []Tuple{{Key: "0", Value: "9999"}, {Key: "1", Value: "9997"}, {Key: "2", Value: "9998"}}; !slices.Equal(got, want) {
		t.Errorf("tuples since the start: got %+v", got)
	}
	if more := tab.after(&at); more != nil {
		t.Errorf("tuples came again: %+v", more)
	}
}

func TestHubReports(t *testing.T) {
	inLab(t, func(l lab) {
		var told []string
		h, stop := l.hub("hub:1", Config{Learned: func(t Tuple) { told = append(told, t.Key+t.Value) }})
		publish(l, h, "own", "1")
		r := l.raw("hub:1")
		r.sendAll(hello, pub("a", "1", 0), pub("a", "1", 0))
		r.got()
		r.sendAll(pub("a", "1", time.Minute)) // passed on, but nothing new to the application
		r.got()
		r.sendAll(pub("a", "2", 0), pub("own", "2", 0))
		r.got()
		if !slices.Equal(told, []string{"a1", "a2"}) {
			t.Errorf("reported %v", told)
		}
		stop()
		if err := h.Publish(Tuple{Key: "k"}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Publish after Close: %v", err)
		}
		if err := h.Connect("hub:2"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Connect after Close: %v", err)
		}
	})
}

// Learned reports which connection a value came by: that of the client or hub whose value it is now.
func TestHubReportsOrigin(t *testing.T) {
	first, second, above := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")
	told := make(map[string]netip.Addr)
	tab := newTable(Config{Linger: time.Minute}.withDefaults())
	defer tab.close()
	at := cursor{owner: tab.local, application: true}
	for _, put := range []struct {
		from       *origin
		key, value string
	}{
		{&origin{addr: first, from: first}, "k", "1"},
		{&origin{addr: second, from: second}, "k", "1"}, // it came another way before
		{&origin{from: above}, "l", "1"},
		{&origin{addr: second, from: second}, "l", "2"},
		{new(origin), "m", "1"}, // not by IP
	} {
		if err := tab.put(put.from, Tuple{Key: put.key, Value: put.value, From: above}); err != nil {
			t.Fatal(err)
		}
		for _, tuple := range tab.after(&at) {
			told[tuple.Key+tuple.Value] = tuple.From
		}
	}
	want := map[string]netip.Addr{"k1": first, "l1": above, "l2": second, "m1": {}}
	if !maps.Equal(told, want) {
		t.Errorf("reported %v, want %v", told, want)
	}
}

// FuzzHub is a client that sends anything; another one must be served as if it weren't there.
func FuzzHub(f *testing.F) {
	f.Add([]byte("\x04\xaa\xa0\x01\x01\x04\xaa\xa0\x01\x01\x04\xaa\xa0\x03\x01"))
	f.Add(append([]byte{14}, pub("k", "v", 1).AppendTo(nil)...))
	f.Add(append(append([]byte{4, 0xaa, 0xa0, 1, 1, 14}, pub("k", "w", 1).AppendTo(nil)...), 0, 0x81, 1, 2))
	f.Add([]byte{0x82, 1, 2, 1, 3, 4, 0xaa, 0xa0, 5, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 2000 {
			return
		}
		inLab(t, func(l lab) {
			h, _ := l.hub("hub:1", Config{})
			good, bad := l.raw("hub:1"), l.raw("hub:1")
			good.sendAll(hello)
			publish(l, h, "ours", "1")
			good.expect(pub("ours", "1", 0))
			var frames [][]byte
			for len(script) > 0 { // an octet of length, its highest bit for "more frames follow", and the frame
				size := min(int(script[0]&0x7f), len(script)-1)
				frames = append(frames, script[1:1+size])
				if script[0]&0x80 == 0 {
					_ = bad.conn.Queue().Push(frames...)
					frames = nil
				}
				script = script[1+size:]
			}
			good.got()
			if got, _ := h.table.lookup("ours"); got.Value != "1" {
				t.Fatalf("our tuple became %+v", got)
			}
			good.sendAll(ping, pub("good key of many bytes", "2", 0))
			good.expect(pong)
			if _, found := h.table.lookup("good key of many bytes"); !found {
				t.Fatal("the good client's tuple is missing")
			}
			publish(l, h, "ours", "3")
			if got := good.got(); !slices.Contains(got, pub("ours", "3", 0)) {
				t.Fatalf("%+v", got)
			}
			good.close()
			bad.close()
		})
	})
}
