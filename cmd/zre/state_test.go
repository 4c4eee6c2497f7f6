package main

import (
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A state set by option or command reaches the other node, which reports it.
func TestPipeStates(t *testing.T) {
	t.Parallel()
	port := freePort()
	a := startPipe(t, port, "--name", "a", "--state", "Processing")
	a.next("ready")
	b := startPipe(t, port, "--name", "b", "--state", "auto", "--linger", "0")
	b.next("ready")
	if enter := b.next("enter"); enter["name"] != "a" || enter["state"] != "processing" {
		t.Errorf("got the enter event %v", enter)
	}
	peer := a.next("enter")["peer"]
	a.send(`{"cmd":"state","state":"error"}`)
	if state := b.next("state"); state["name"] != "a" || state["peer"] == nil || state["state"] != "error" {
		t.Errorf("got the state event %v", state)
	}
	b.send(`{"cmd":"peers"}`)
	known := b.next("peers")["peers"].([]any)[0].(map[string]any)
	if known["name"] != "a" || known["state"] != "error" || known["transport"] == nil || known["queued_messages"] != nil {
		t.Errorf("peers: %v", known)
	}

	a.send(fmt.Sprintf(`{"cmd":"whisper","peer":%q,"text":["work"]}`, peer)) // b's state follows its work
	for _, want := range []string{"receiving", "idle"} {
		if state := a.next("state"); state["name"] != "b" || state["state"] != want {
			t.Errorf("state: %v, want %s", state, want)
		}
	}
	a.send(`{"cmd":"quit"}`)
	a.exits(0)
	if exit := b.next("exit"); exit["reason"] != "left" || exit["transport"] == nil || exit["state"] != "error" {
		t.Errorf("got the exit event %v", exit)
	}
}

func TestPipeListen(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "tcp://" + free.Addr().String()
	port := freePort()
	taken := startPipe(t, port, "--listen", endpoint)
	taken.exits(1)
	free.Close()
	if ready := startPipe(t, port, "--listen", endpoint).next("ready"); ready["endpoint"] != endpoint {
		t.Errorf("ready: %v, want it at %s", ready, endpoint)
	}
}

// Two nodes with the same UUID are reported.
func TestPipeConflict(t *testing.T) {
	t.Parallel()
	port, id := freePort(), uuid.NewString()
	one := startPipe(t, port, "--uuid", id, "--interval", "100")
	first := one.next("ready")
	other := startPipe(t, port, "--uuid", id, "--interval", "100")
	second := other.next("ready")
	conflict := one.next("problem")
	if conflict["kind"] != "conflict" || conflict["about"] != id || conflict["endpoint"] != second["endpoint"] || conflict["solved"] != false {
		t.Errorf("got the event %v, want a conflict with %v", conflict, second)
	}
	conflict = other.next("problem")
	if conflict["kind"] == "warning" { // the first node has the unix socket of the UUID
		conflict = other.next("problem")
	}
	if conflict["kind"] != "conflict" || conflict["endpoint"] != first["endpoint"] {
		t.Errorf("got the event %v, want a conflict with %v", conflict, first)
	}
}

// Messages queued for a peer appear in the list. Absent values are left out.
func TestPeerLine(t *testing.T) {
	for _, c := range []struct {
		peer zre.Peer
		want string
	}{
		{zre.Peer{Name: "a", Endpoint: "tcp://1.2.3.4:5", Transport: "tcp", State: zre.StateUnknown},
			`{"peer":"00000000-0000-0000-0000-000000000000","name":"a","endpoint":"tcp://1.2.3.4:5","transport":"tcp"}`},
		{zre.Peer{Endpoint: "ipc://x", Transport: "ipc", Groups: []string{"G"}, State: zre.StateInit, QueuedMessages: 7, QueuedBytes: 1 << 33},
			`{"peer":"00000000-0000-0000-0000-000000000000","name":"","endpoint":"ipc://x","transport":"ipc","groups":["G"],"state":"init",` +
				`"queued_messages":7,"queued_bytes":8589934592}`},
	} {
		got, err := json.Marshal(peerLineOf(&c.peer))
		if err != nil || string(got) != c.want {
			t.Errorf("%s, %v; want %s", got, err, c.want)
		}
	}
}

// A node broadcasts beacons of 23 bytes only if asked to. A simulated network shows what the node sends.
func TestPipeStateByBroadcast(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{
		{nil, 22},
		{[]string{"--state", "auto"}, 22},
		{[]string{"--state-by-broadcast=false"}, 22},
		{[]string{"--state-by-broadcast"}, 23},
	} {
		synctest.Test(t, func(t *testing.T) {
			options, err := pipeNode(c.args)
			if err != nil {
				t.Fatal(err)
			}
			lan := zretest.NewLAN(t)
			ear, err := lan.Host("10.0.0.2").ListenPacket("udp4", 5670)
			if err != nil {
				t.Fatal(err)
			}
			defer ear.Close()
			node, err := zre.NewNode(append(options, zre.WithNetwork(lan.Host("10.0.0.1")))...)
			if err != nil {
				t.Fatal(err)
			}
			defer node.Close()
			if err := node.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, _, err := ear.ReadFrom(make([]byte, 100)); n != c.want || err != nil {
				t.Errorf("%q: a beacon of %d bytes, %v; want %d", c.args, n, err, c.want)
			}
		})
	}
}
