package node

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/msg"
)

// All calls that take a group refuse an invalid name, with the reason and the value.
func TestBadGroups(t *testing.T) {
	n, err := New(Config{Network: System})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	long := strings.Repeat("ä", 128)
	for _, c := range []struct {
		group string
		want  error // nil for a valid one
		says  string
	}{
		{"", msg.ErrEmpty, `group "": not a group name (empty): want 1 to 255 bytes`},
		{"\xff", msg.ErrNotUTF8, `group "\xff": not a group name (not UTF-8)`},
		{"a\x00b", msg.ErrNUL, `group "a\x00b": not a group name (contains a NUL byte)`},
		{long, msg.ErrTooLong, `group "` + long[:80] + `": not a group name (too long, it has 256)`},
		{long[1:255] + "x", msg.ErrNotUTF8, "not UTF-8"},
		{long[:254] + "x", nil, ""},
		{" ", nil, ""},
	} {
		for call, err := range map[string]error{"join: ": n.Join(c.group), "leave: ": n.Leave(c.group), "": checkGroup(c.group)} {
			if c.want == nil {
				if err != nil {
					t.Errorf("%s%q: got %v, want no error", call, c.group, err)
				}
				continue
			}
			if !errors.Is(err, ErrInvalidGroup) || !errors.Is(err, c.want) || !strings.HasPrefix(err.Error(), call) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s%q: %v, want %v and %q", call, c.group, err, c.want, c.says)
			}
		}
	}
	if got := n.Groups(); len(got) != 0 {
		t.Errorf("the node is in groups %q, want none", got)
	}
}

// losses returns the LostErrors in the result of Close or Shutdown.
func losses(err error) (list []*LostError) {
	switch e := err.(type) {
	case *LostError:
		return []*LostError{e}
	case interface{ Unwrap() error }:
		return losses(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, each := range e.Unwrap() {
			list = append(list, losses(each)...)
		}
	}
	return list
}

// Text from a peer cannot control the terminal of a program that prints an error.
func TestErrorsArePrintable(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"anna", "anna"},
		{`ann\a "the" 1st`, `ann\a "the" 1st`},
		{"änna 👩\u200d🔬\u00a0", "änna 👩\u200d🔬\u00a0"},
		{"\x1b[2Janna\n", `\x1b[2Janna\n`},
		{"\u009b2J", `\u009b2J`},
		{"\u202eanna", `\u202eanna`},
		{"a\xffb", "a\uFFFDb"},
	} {
		for _, err := range []error{
			&PeerError{Name: test.text, Err: ErrPeerBusy}, &LostError{Name: test.text, Messages: 1},
			&ReplyError{Name: test.text}, &ReplyError{Name: "bob", Text: test.text}, &ReplyError{Name: test.text, NoHandler: true},
		} {
			if got := err.Error(); !strings.Contains(got, test.want) || got != printable(got) {
				t.Errorf("%T of %q is %q, want it printable and with %q", err, test.text, got, test.want)
			}
		}
	}
}
