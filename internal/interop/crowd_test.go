//go:build linux

package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// Several implementations in one group: each hears all others.
func TestCrowd(t *testing.T) {
	for _, test := range []struct {
		kinds   []testbed.Kind
		oneHost bool
	}{
		{kinds: []testbed.Kind{ours, testbed.Pyre, testbed.Zyre}},
		{kinds: []testbed.Kind{ours, testbed.Pyre, testbed.ZyreJS}},
		{kinds: []testbed.Kind{ours, testbed.ZyreJS, testbed.Zyre}},
		{kinds: []testbed.Kind{testbed.Zyre, testbed.Pyre, testbed.ZyreJS, ours, ours}},
		{kinds: []testbed.Kind{testbed.Zyre, testbed.Pyre, testbed.ZyreJS, ours, ours}, oneHost: true},
	} {
		name := strings.ReplaceAll(fmt.Sprint(test.kinds), " ", "+")
		if test.oneHost {
			name += " on one host"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lan := testbed.NewLAN(t, "")
			var host *testbed.Host
			var crowd []*testbed.Peer
			for i, kind := range test.kinds {
				if host == nil || !test.oneHost {
					host = lan.Host(fmt.Sprint("h", i))
				}
				crowd = append(crowd, testbed.Start(t, host, kind, options(fmt.Sprintf("%s-%d", kind, i))))
			}
			for _, a := range crowd {
				for _, b := range crowd {
					if a != b {
						expectKnown(t, a, b)
					}
				}
			}
			if test.oneHost {
				expectTransports(t, crowd)
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
				expectExit(t, b, leaver, "left")
			}
		})
	}
}

// expectTransports checks that on one host ours reach each other by ipc, and all others by tcp.
func expectTransports(t *testing.T, crowd []*testbed.Peer) {
	t.Helper()
	for _, a := range crowd {
		if a.Kind != ours {
			continue
		}
		for _, b := range crowd {
			want := "tcp"
			if b.Kind == ours {
				want = "ipc"
			}
			if a == b {
				continue
			}
			if enter := a.Wait(t, "ENTER", testbed.Is("enter", b)); enter.Transport != want {
				t.Errorf("%s reaches %s by %s, want %s", a, b, enter.Transport, want)
			}
		}
	}
}
