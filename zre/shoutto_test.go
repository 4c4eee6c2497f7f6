package zre_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// ShoutTo reaches only the members that it names, and no peers outside the group.
func TestShoutTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("a"))
		b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("b"))
		c := zretest.Start(t, lan.Host("10.0.0.3"), zre.WithName("c"))
		d := zretest.Start(t, lan.Host("10.0.0.4"), zre.WithName("d")) // in no group
		must(t, errors.Join(b.Join("G"), c.Join("G")))
		zretest.Next[zre.Join](a)
		zretest.Next[zre.Join](a)
		for len(a.Peers()) < 3 {
			zretest.Next[zre.Enter](a)
		}
		shout := func(text string, to ...uuid.UUID) {
			t.Helper()
			must(t, a.ShoutTo(t.Context(), "G", to, []byte(text)))
		}
		shout("to nobody")
		shout("to b", b.UUID())
		shout("to c and d", c.UUID(), d.UUID(), uuid.New())
		must(t, a.Shout(t.Context(), "G", []byte("to all")))
		for node, want := range map[*zretest.Watched][]string{b: {"to b", "to all"}, c: {"to c and d", "to all"}} {
			for _, text := range want {
				if e := zretest.Next[zre.Shout](node); string(e.Frames[0]) != text || e.Group != "G" {
					t.Errorf("%s heard %q, want %q", node.Name(), e.Frames, text)
				}
			}
		}
		must(t, a.Whisper(t.Context(), d.UUID(), []byte("over")))
		zretest.Next[zre.Whisper](d)
		for _, e := range d.Seen() {
			if _, ok := e.(zre.Shout); ok {
				t.Error("d, which is in no group, heard a shout")
			}
		}
		if err := a.ShoutTo(t.Context(), "", []uuid.UUID{b.UUID()}); !errors.Is(err, zre.ErrInvalidGroup) {
			t.Errorf("a group without a name: %v", err)
		}
	})
}
