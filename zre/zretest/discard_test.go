package zretest_test

import (
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A node that discards messages accepts any number of them, even if its application never reads events. If the application reads in the
// end, it learns which peers are present.
func TestDiscard(t *testing.T) {
	for _, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				const messages = 15_000
				hosts := pair.hosts(lan)
				node, err := zre.NewNode(zre.WithNetwork(hosts[0]), zre.WithName("deaf"), zre.WithSendOnly())
				if err != nil {
					t.Fatal(err)
				}
				defer node.Close()
				if err := node.Join("G"); err != nil {
					t.Fatal(err)
				}
				if err := node.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				sender := zretest.Start(t, hosts[1], zre.WithName("sender"))
				if err := sender.Join("S"); err != nil {
					t.Fatal(err)
				}
				zretest.Next[zre.Join](sender)
				began, frame := time.Now(), make([]byte, 1000)
				for range messages {
					if err := sender.Whisper(t.Context(), node.UUID(), frame, nil); err != nil {
						t.Fatal(err)
					}
					if err := sender.ShoutNoCopy(t.Context(), "G", zre.NewFrame(20_000)); err != nil {
						t.Fatal(err)
					}
				}
				advance(time.Second)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("sending took %v", took)
				}
				if got := node.Stats().Discarded; got != 2*messages {
					t.Errorf("%d messages were discarded, want %d", got, 2*messages)
				}
				if err := node.Whisper(t.Context(), sender.UUID(), []byte("still here")); err != nil {
					t.Error(err)
				}
				zretest.Next[zre.Whisper](sender)
				var heard []string
				for event := range node.AllEvents(t.Context()) {
					switch e := event.(type) {
					case zre.Enter:
						heard = append(heard, "enter "+e.Peer.Name)
					case zre.Join:
						heard = append(heard, "join "+e.Group)
					case zre.Whisper, zre.Shout:
						t.Errorf("the application got %T", e)
					}
					if len(heard) == 2 {
						break
					}
				}
				if heard[0] != "enter sender" || heard[1] != "join S" {
					t.Errorf("the application heard %q", heard)
				}
			})
		})
	}
}
