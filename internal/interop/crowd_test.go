//go:build linux

package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// Several implementations in one group: each hears everybody else.
func TestCrowd(t *testing.T) {
	for _, kinds := range [][]testbed.Kind{
		{ours, testbed.Pyre, testbed.Zyre},
		{ours, testbed.Pyre, testbed.ZyreJS},
		{ours, testbed.ZyreJS, testbed.Zyre},
		{testbed.Zyre, testbed.Pyre, testbed.ZyreJS, ours, ours},
	} {
		t.Run(strings.ReplaceAll(fmt.Sprint(kinds), " ", "+"), func(t *testing.T) {
			t.Parallel()
			lan := testbed.NewLAN(t, "")
			var crowd []*testbed.Peer
			for i, kind := range kinds {
				name := fmt.Sprintf("%s-%d", kind, i)
				crowd = append(crowd, testbed.Start(t, lan.Host(fmt.Sprint("h", i)), kind, options(name)))
			}
			for _, a := range crowd {
				for _, b := range crowd {
					if a != b {
						learn(t, a, b)
					}
				}
			}
			for _, speaker := range crowd {
				speaker.Shout(t, "CHAT", []byte("this is "+speaker.Name))
			}
			for _, listener := range crowd {
				for _, speaker := range crowd {
					if speaker != listener {
						listener.Wait(t, "the shout of "+speaker.String(), testbed.Shout(speaker, "CHAT", []byte("this is "+speaker.Name)))
					}
				}
				if n := len(listener.Peers(t)); n != len(crowd)-1 {
					t.Errorf("%s knows %d peers, want %d", listener, n, len(crowd)-1)
				}
			}
			leaver := crowd[0]
			leaver.Quit(t)
			for _, b := range crowd[1:] {
				gone(t, b, leaver, "left")
			}
		})
	}
}
