package zretest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

func TestSubscribe(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		node := newNode(t, lan.Host("10.0.0.1"))
		whispers := zre.SubscribeFilter(func(e zre.Event) bool { _, ok := e.(zre.Whisper); return ok })
		all := node.Subscribe(t.Context())
		first := node.Subscribe(t.Context(), whispers, zre.SubscribeBuffer(3))
		last := node.Subscribe(t.Context(), whispers, zre.SubscribeBuffer(3), zre.SubscribeLatest())
		ctx, cancel := context.WithCancel(t.Context())
		short := node.Subscribe(ctx)
		cancel()
		for range short {
			t.Error("an event after the end of the subscription")
		}
		mux, handled := zre.NewMux(), 0
		mux.HandleWhisper(func(_ context.Context, e zre.Whisper) { handled++; e.Recycle() })
		startServing(t, node, mux)
		a := zretest.Start(t, lan.Host("10.0.0.2"))
		waitForPeer(t, a.Node, node.UUID())
		send := func(from, to int) {
			for i := from; i < to; i++ {
				if err := a.Whisper(t.Context(), node.UUID(), fmt.Append(nil, i)); err != nil {
					t.Fatal(err)
				}
			}
			advance(100 * time.Millisecond)
		}
		take := func(c <-chan zre.Event) (list []string) {
			for {
				synctest.Wait()
				select {
				case event, ok := <-c:
					switch e := event.(type) {
					case zre.Whisper:
						list = append(list, string(e.Frames[0]))
						e.Recycle()
					case zre.Missed:
						list = append(list, fmt.Sprint("missed ", e.Events))
					case nil:
						list = append(list, fmt.Sprint("open ", ok))
						return list
					default:
						list = append(list, fmt.Sprintf("%T", e))
					}
				default:
					return list
				}
			}
		}
		send(0, 1) // the goroutine that passes it on holds this one
		send(1, 10)
		expectEqual(t, "the first", take(first), []string{"0", "1", "2", "3", "missed 6"})
		expectEqual(t, "the last", take(last), []string{"0", "missed 6", "7", "8", "9"})
		send(10, 12)
		expectEqual(t, "the first, later", take(first), []string{"10", "11"})
		expectEqual(t, "the last, later", take(last), []string{"10", "11"})
		send(12, 13)
		send(13, 18)
		<-first
		send(18, 19)
		expectEqual(t, "the first, in between", take(first), []string{"13", "14", "15", "missed 2", "18"})
		got := take(all)
		if len(got) != 20 || got[0] != "zre.Enter" || got[19] != "18" {
			t.Errorf("the subscriber to all got %q", got)
		}
		if handled != 19 {
			t.Errorf("%d whispers were handled", handled)
		}
		node.Close()
		if got := take(all); got[len(got)-1] != "open false" {
			t.Errorf("after Close: %q", got)
		}
		if _, open := <-node.Subscribe(t.Context()); open {
			t.Error("a subscription to a closed node")
		}
	})
}
