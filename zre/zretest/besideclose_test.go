package zretest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// Calls made during Close return at once, while it says farewell.
func TestCallsBesideClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		node, err := zre.NewNode(zre.WithNetwork(lan.Host("10.0.0.1")))
		if err != nil {
			t.Fatal(err)
		}
		if err := node.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		closed := make(chan error)
		go func() { closed <- node.Close() }()
		time.Sleep(time.Millisecond)
		start := time.Now()
		if err := node.Join("G"); !errors.Is(err, zre.ErrClosed) {
			t.Errorf("Join during Close: %v, want ErrClosed", err)
		}
		if endpointOf(node) == "" {
			t.Error("no endpoint during Close")
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("calls during Close waited %v, want 0", took)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}
