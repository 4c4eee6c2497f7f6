package outbox

import (
	"errors"
	"testing"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// Each answer ends the wait for one PING, in order; a surplus answer has no effect.
func TestAsk(t *testing.T) {
	o := New(roomy)
	o.NotePingOK()
	o.Ping()
	first, err := o.Ask()
	second, err2 := o.Ask()
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for i, want := range [][2]bool{{false, false}, {true, false}, {true, true}} {
		o.NotePingOK()
		if got := [2]bool{isClosed(first), isClosed(second)}; got != want {
			t.Errorf("after %d answers: answered %v, want %v", i+1, got, want)
		}
	}
}

// GiveUp ends only its own wait, without an answer.
func TestGiveUp(t *testing.T) {
	for given := range 3 {
		o := New(roomy)
		var answered []<-chan struct{}
		for range 3 {
			c, err := o.Ask()
			if err != nil {
				t.Fatal(err)
			}
			answered = append(answered, c)
		}
		for range 2 {
			o.GiveUp(answered[given])
		}
		for range 3 {
			o.NotePingOK()
		}
		for i := range answered {
			if got, want := isClosed(answered[i]), i != given; got != want {
				t.Errorf("%d given up: %d answered: %v", given, i, got)
			}
		}
	}
}

// The bound counts the application's PINGs on the way, whether or not the application still waits for their answer.
func TestAskHasBounds(t *testing.T) {
	o := New(roomy)
	for i := range MaxPings {
		answered, err := o.Ask()
		if err != nil {
			t.Fatalf("PING %d: %v", i, err)
		}
		if i%2 == 0 {
			o.GiveUp(answered)
		}
	}
	if _, err := o.Ask(); !errors.Is(err, zmtp.ErrFull) {
		t.Errorf("one PING more: got %v, want ErrFull", err)
	}
	o.NotePingOK()
	if _, err := o.Ask(); err != nil {
		t.Errorf("after an answer: %v", err)
	}
	if messages, _ := o.Depth(); messages != MaxPings+1 {
		t.Errorf("%d PINGs were sent", messages)
	}
}

// The node's own unanswered PINGs do not reduce the application's bound.
func TestAskBesidePings(t *testing.T) {
	o := New(roomy)
	for range 2 * MaxPings {
		o.Ping()
	}
	for i := range MaxPings {
		if _, err := o.Ask(); err != nil {
			t.Fatalf("PING %d: %v", i, err)
		}
	}
	if _, err := o.Ask(); !errors.Is(err, zmtp.ErrFull) {
		t.Errorf("one PING more: got %v, want ErrFull", err)
	}
}

// While the sequence wraps, Ask uses the PING on its way and adds none; a PING that was given up does not count.
func TestAskWhileWrapping(t *testing.T) {
	o := New(roomy)
	o.Skip(65534)
	for i := range 2 * MaxPings {
		answered, err := o.Ask()
		if err != nil {
			t.Fatalf("PING %d: %v", i, err)
		}
		o.GiveUp(answered)
	}
	answered, err := o.Ask()
	if err != nil {
		t.Fatal(err)
	}
	if messages, _ := o.Depth(); messages != 1 {
		t.Errorf("%d PINGs were sent", messages)
	}
	o.NotePingOK()
	if !isClosed(answered) {
		t.Error("the PING-OK of the wrap does not answer the calls")
	}
}
