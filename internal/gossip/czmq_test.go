package gossip

import (
	"strings"
	"testing"
	"time"
)

func TestClientOfCzmq(t *testing.T) {
	hub, other := startCzmq(t), startCzmq(t)
	address := hub.bind("127.0.0.1:*")
	other.send("CONNECT tcp://%s", address)
	hub.send("PUBLISH theirs 1")
	var got learned
	c := newTestClient(t, address, got.config())
	publish(t, c, "ours", "2")
	eventually(t, "we know theirs", func() bool { return got.value("theirs") == "1" })
	eventually(t, "they know ours", func() bool { return hub.value("ours") == "2" })
	eventually(t, "their client knows ours", func() bool { return other.value("ours") == "2" })

	hundred(func(k, v string) { publish(t, c, "a-"+k, v) })
	hundred(func(k, v string) { hub.send("PUBLISH b-%s %s", k, v) })
	eventually(t, "100 each way", func() bool { return got.size() == 101 && hub.size() == 202 })
	publish(t, c, "ours", "3")
	hub.send("PUBLISH theirs 4")
	eventually(t, "changes", func() bool {
		return got.value("theirs") == "4" && hub.value("ours") == "3" && other.value("ours") == "3"
	})
	if n := got.ups(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestTuplesOutliveCzmqTimeout publishes nothing for longer than czmq's hub remembers a silent client.
func TestTuplesOutliveCzmqTimeout(t *testing.T) {
	hub := startCzmq(t)
	var got learned
	c := newTestClient(t, hub.bind("127.0.0.1:*"), got.config())
	eventually(t, "a connection", func() bool { return got.ups() == 1 })
	<-time.After(2500 * time.Millisecond) // on the other process's clock, so fake time does not work
	hub.send("PUBLISH theirs late")
	publish(t, c, "ours", "late")
	eventually(t, "both are told", func() bool { return got.value("theirs") == "late" && hub.value("ours") == "late" })
	if n := got.ups(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestCzmqHubRestarts(t *testing.T) {
	hub := startCzmq(t)
	address := hub.bind("127.0.0.1:*")
	var got learned
	c := newTestClient(t, address, got.config())
	publish(t, c, "ours", "1")
	eventually(t, "they know ours", func() bool { return hub.value("ours") == "1" })
	hub.kill()
	hub = startCzmq(t)
	eventually(t, "binding again", func() bool { return hub.bind(address) == address })
	hub.send("PUBLISH theirs 2")
	eventually(t, "both are told", func() bool { return got.value("theirs") == "2" && hub.value("ours") == "1" })
}

// TestCzmqHubForgets stops czmq's hub for longer than it remembers clients.
func TestCzmqHubForgets(t *testing.T) {
	hub := startCzmq(t)
	var got learned
	c := newTestClient(t, hub.bind("127.0.0.1:*"), got.config())
	publish(t, c, "ours", "1")
	eventually(t, "they know ours", func() bool { return hub.value("ours") == "1" })
	freeze(t, hub, 2*time.Second)
	hub.send("PUBLISH theirs 2")
	publish(t, c, "ours", "3")
	eventually(t, "both are told", func() bool { return got.value("theirs") == "2" && hub.value("ours") == "3" })
}

func TestCzmqsClient(t *testing.T) {
	var got learned
	hub, address, _ := serveHub(t, anyPort, got.config())
	publish(t, hub, "ours", "1")
	one, two := startCzmq(t), startCzmq(t)
	for _, c := range []*czmq{one, two} {
		c.send("CONNECT tcp://%s", address)
	}
	one.send("PUBLISH theirs 2")
	eventually(t, "everybody knows all", func() bool {
		return got.value("theirs") == "2" && one.value("ours") == "1" && two.value("ours") == "1" && two.value("theirs") == "2"
	})
	<-time.After(2500 * time.Millisecond) // czmq's client is silent, on its own clock
	hundred(func(k, v string) { publish(t, hub, "a-"+k, v) })
	hundred(func(k, v string) { one.send("PUBLISH b-%s %s", k, v) })
	eventually(t, "100 each way", func() bool { return got.size() == 101 && one.size() == 202 && two.size() == 202 })
	one.send("PUBLISH theirs 3")
	publish(t, hub, "ours", "4")
	eventually(t, "changes", func() bool {
		return got.value("theirs") == "3" && two.value("theirs") == "3" && two.value("ours") == "4"
	})
	one.send("PUBLISH ours stolen")
	two.send("PUBLISH after that")
	eventually(t, "the next tuple", func() bool { return one.value("after") == "that" })
	if got, _ := hub.table.lookup("ours"); got.Value != "4" {
		t.Errorf("our tuple was replaced by %+v", got)
	}
}

func TestOurHubRestarts(t *testing.T) {
	hub, address, stop := serveHub(t, anyPort, Config{})
	publish(t, hub, "ours", "1")
	c := startCzmq(t)
	c.send("CONNECT tcp://%s", address)
	c.send("PUBLISH theirs 2")
	eventually(t, "both know", func() bool { return hub.Len() == 2 && c.value("ours") == "1" })
	stop()
	var got learned
	hub, _, _ = serveHub(t, address, got.config())
	publish(t, hub, "ours", "3")
	eventually(t, "both know again", func() bool { return got.value("theirs") == "2" && c.value("ours") == "3" })
}

func TestCzmqClientRestarts(t *testing.T) {
	var got learned
	cfg := got.config()
	cfg.Linger = 300 * time.Millisecond
	hub, address, _ := serveHub(t, anyPort, cfg)
	publish(t, hub, "ours", "1")
	c := startCzmq(t)
	c.send("CONNECT tcp://%s", address)
	c.send("PUBLISH theirs 2")
	eventually(t, "both know", func() bool { return hub.Len() == 2 && c.value("ours") == "1" })
	c.kill()
	eventually(t, "its tuple is forgotten", func() bool { return hub.Len() == 1 })
	c = startCzmq(t)
	c.send("CONNECT tcp://%s", address)
	c.send("PUBLISH theirs 3")
	eventually(t, "both know again", func() bool { return got.value("theirs") == "3" && c.value("ours") == "1" })
}

// TestChain has a hub of ours between two of czmq's, as a client of one, and the other as its client; and one of czmq's between two of
// ours.
func TestChain(t *testing.T) {
	top, bottom := startCzmq(t), startCzmq(t)
	var got, below learned
	hub, address, _ := serveHub(t, anyPort, got.config())
	topAddress := top.bind("127.0.0.1:*")
	if err := hub.Connect(topAddress); err != nil {
		t.Fatal(err)
	}
	bottom.send("CONNECT tcp://%s", address)
	last := newTestClient(t, bottom.bind("127.0.0.1:*"), below.config())
	top.send("PUBLISH top 1")
	publish(t, hub, "middle", "2")
	bottom.send("PUBLISH bottom 3")
	publish(t, last, "last", "4")
	eventually(t, "everybody knows all", func() bool {
		return top.size() == 4 && bottom.size() == 4 && hub.Len() == 4 && got.size() == 3 && below.size() == 3
	})
}

// TestMalformedForCzmqsClient checks that nothing a hostile client sends through a hub of ours ends a czmq client of it.
func TestMalformedForCzmqsClient(t *testing.T) {
	hub, address, _ := serveHub(t, anyPort, Config{})
	c := startCzmq(t)
	c.send("CONNECT tcp://%s", address)
	hostile := dialRaw(t, address)
	for _, frames := range [][][]byte{
		{nil}, {[]byte("rubbish")}, {unhex(t, "aaa0 02 01 01 6b ffffffff 76 00000000")}, {unhex(t, "aaa00101"), nil, nil},
		{Message{Publish, Tuple{Key: "", Value: ""}}.AppendTo(nil)},
		{Message{Publish, Tuple{Key: "%s%n", Value: "%s%n\xff\n|"}}.AppendTo(nil)},
		{Message{Publish, Tuple{Key: "long", Value: strings.Repeat("x", 60000)}}.AppendTo(nil)},
		{Message{Publish, Tuple{Key: "ttl", Value: "x", TTL: time.Hour}}.AppendTo(nil)},
		{Message{Kind: Pong}.AppendTo(nil)}, {Message{Kind: Invalid}.AppendTo(nil)},
	} {
		hostile.send(frames...)
	}
	eventually(t, "the good ones", func() bool { return c.value("ttl") == "x" })
	publish(t, hub, "last", "1")
	eventually(t, "it still works", func() bool { return c.value("last") == "1" })
}

// TestCzmqFacts pins the behaviour of czmq that this package works around: if a test here fails, a workaround is no longer needed.
func TestCzmqFacts(t *testing.T) {
	hello, ping := Message{Kind: Hello}, Message{Kind: Ping}
	tuple := func(k, v string, ttl time.Duration) Message {
		return Message{Publish, Tuple{Key: k, Value: v, TTL: ttl}}
	}
	t.Run("HELLO twice is INVALID", func(t *testing.T) {
		r := dialRaw(t, startCzmq(t).bind("127.0.0.1:*"))
		r.sendAll(hello, hello)
		r.want(Message{Kind: Invalid})
	})
	t.Run("PUBLISH first is INVALID and lost", func(t *testing.T) {
		hub := startCzmq(t)
		r := dialRaw(t, hub.bind("127.0.0.1:*"))
		r.sendAll(tuple("k", "v", 0))
		r.want(Message{Kind: Invalid})
		hub.send("STATUS")
		if n := <-hub.status; n != "0" {
			t.Errorf("czmq's hub has %s tuples", n)
		}
	})
	t.Run("PING first is answered, the next forward is INVALID", func(t *testing.T) {
		hub := startCzmq(t)
		r := dialRaw(t, hub.bind("127.0.0.1:*"))
		r.sendAll(ping)
		r.want(Message{Kind: Pong})
		hub.send("PUBLISH k v")
		r.want(Message{Kind: Invalid})
	})
	t.Run("TTL of the last message for all", func(t *testing.T) {
		hub := startCzmq(t)
		address := hub.bind("127.0.0.1:*")
		hub.send("PUBLISH forever v")
		one, two := dialRaw(t, address), dialRaw(t, address)
		one.sendAll(hello)
		one.want(tuple("forever", "v", 0))
		one.sendAll(tuple("short", "v", 5*time.Second))
		one.want(tuple("short", "v", 5*time.Second)) // its own, too
		two.sendAll(hello)
		for range 2 {
			if m := two.next(); m.TTL != 5*time.Second {
				t.Errorf("%+v", m)
			}
		}
	})
	t.Run("a silent client is forgotten after a second", func(t *testing.T) {
		hub := startCzmq(t)
		r := dialRaw(t, hub.bind("127.0.0.1:*"))
		r.sendAll(hello, ping)
		r.want(Message{Kind: Pong})
		<-time.After(1500 * time.Millisecond)
		hub.send("PUBLISH k v")
		r.sendAll(ping)
		if m := r.next(); m.Kind == Publish {
			t.Errorf("unexpected answer %+v", m)
		}
	})
	t.Run("a malformed message ends the hub", func(t *testing.T) {
		hub := startCzmq(t)
		dialRaw(t, hub.bind("127.0.0.1:*")).send([]byte("rubbish"))
		select {
		case <-hub.ended:
		case <-time.After(patience):
			t.Error("czmq's hub goes on")
		}
	})
}
