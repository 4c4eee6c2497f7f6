package zmtp

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// Frames that a Screener does not want come as empty frames, and a head is cut to its meaningful length; short messages come without
// asking.
func TestScreen(t *testing.T) {
	long, short := strings.Repeat("x", 20<<10), "short"
	for _, test := range []struct {
		name  string
		sent  []string
		got   []string
		asked int
	}{
		{"short", []string{"no", short, short}, []string{"no", short, short}, 0},
		{"wanted", []string{"yes", long, short}, []string{"yes", long, short}, 1},
		{"not wanted", []string{"no", long, "", short, long}, []string{"no", "", "", "", ""}, 1},
		{"not wanted, the beginning is short", []string{"no", short, long, short}, []string{"no", short, "", ""}, 1},
		{"a long head", []string{long}, []string{long[:11]}, 0},
		{"a long head, and more", []string{long, short, long}, []string{long[:11], "", ""}, 1},
		{"a head at the bound", []string{"0123456789", long}, []string{"0123456789", ""}, 1},
	} {
		for name, arrive := range arrivals {
			octets := bytes.Repeat(message(test.sent...), 3)
			var got [][]string
			r := newReader(stream{arrive(bytes.NewReader(octets))}, Limits{}, func(frames [][]byte) error {
				got = append(got, strs(frames))
				return nil
			})
			asked := 0
			r.screen = screen{head: 10, wants: func(head []byte) bool {
				asked++
				if want := test.got[0]; string(head) != want {
					t.Errorf("%s, %s: asked about %q", test.name, name, head)
				}
				return string(head) == "yes"
			}}
			if err := r.run(); err != io.EOF {
				t.Errorf("%s, %s: %v", test.name, name, err)
			}
			if want := [][]string{test.got, test.got, test.got}; !reflect.DeepEqual(got, want) || asked != 3*test.asked {
				t.Errorf("%s, %s: asked %d times, got %.60q, want %.60q", test.name, name, asked, got, want)
			}
		}
	}
}

// Dropped frames take no memory, and still count for the limits.
func TestDroppedTakesNoMemory(t *testing.T) {
	limits := Limits{FrameSize: 16 << 20, MessageSize: 40 << 20, Frames: 4}
	octets := message("no", strings.Repeat("x", 16<<20), strings.Repeat("x", 16<<20))
	drop := func(src io.Reader) (messages int, err error) {
		r := newReader(stream{src}, limits, func([][]byte) error { messages++; return nil })
		r.screen = screen{head: 10, wants: func([]byte) bool { return false }}
		err = r.run()
		return messages, err
	}
	var messages int
	var err error
	spent := allocated(func() { messages, err = drop(bytes.NewReader(octets)) })
	if err != io.EOF || messages != 1 || spent > 512<<10 {
		t.Errorf("%d messages, %v; %d bytes were allocated", messages, err, spent)
	}
	for name, frames := range map[string][]string{
		"frame": {"no", strings.Repeat("x", 16<<20+1)}, "frames": {"no", strings.Repeat("x", 9<<10), "", "", ""},
		"message": {"no", strings.Repeat("x", 16<<20), strings.Repeat("x", 16<<20), strings.Repeat("x", 8<<20)},
	} {
		if _, err := drop(iotest.HalfReader(bytes.NewReader(message(frames...)))); err == io.EOF {
			t.Errorf("%s: over the limit, and no error", name)
		}
	}
}
