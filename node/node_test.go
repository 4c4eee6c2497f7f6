package node

import (
	"testing"
)

func TestTwoNodesMeet(t *testing.T) {
	port := beaconPort()
	a := start(t, onLoopback(port, Config{Name: "a", Headers: map[string]string{"role": "camera"}}))
	b := start(t, onLoopback(port, Config{Name: "b"}))
	enter := b.waitKind(Enter, a.UUID())
	if got := enter.Peer.Headers["role"]; got != "camera" {
		t.Errorf("header role = %q, want camera", got)
	}
	a.waitKind(Enter, b.UUID())
	for _, n := range []*testNode{a, b} {
		if err := n.Join("G"); err != nil {
			t.Fatal(err)
		}
	}
	a.waitKind(Join, b.UUID())
	b.waitKind(Join, a.UUID())
	if err := a.Shout(t.Context(), "G", []byte("x"), []byte("y")); err != nil {
		t.Fatal(err)
	}
	if e := b.waitKind(Shout, a.UUID()); string(e.Frames[1]) != "y" {
		t.Errorf("the shout has frames %q, want x and y", e.Frames)
	}
	if err := b.Whisper(t.Context(), a.UUID(), []byte("w")); err != nil {
		t.Fatal(err)
	}
	a.waitKind(Whisper, b.UUID())
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if e := a.waitKind(Exit, b.UUID()); e.Reason != Left {
		t.Errorf("the peer exited as %v, want left", e.Reason)
	}
}
