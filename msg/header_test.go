package msg

import (
	"errors"
	"reflect"
	"testing"
)

// A header frame by itself gives what the whole message gives, except the content and
// the check for extra frames.
func TestDecodeHeader(t *testing.T) {
	for _, v := range zreVectors(t) {
		var whole Message
		head := usedMessage()
		err, headErr := whole.Decode(v.frames, Limits{}), head.DecodeHeader(v.frames[0], Limits{})
		whole.Content = nil
		if err != nil || headErr != nil || !reflect.DeepEqual(head, whole) {
			t.Errorf("%x: %+v (%v), want %+v (%v)", v.frames[0], head, headErr, whole, err)
		}
	}
	for _, test := range []struct {
		name, header string
		want         error
	}{
		{"no bytes", "", ErrSignature},
		{"another protocol", "GET / HTTP/1.1", ErrSignature},
		{"version 3", "\xaa\xa1\x02\x03\x00\x02", ErrVersion},
		{"cut in the group", "\xaa\xa1\x03\x02\x00\x02\x05grou", ErrMalformed},
		{"bytes behind a WHISPER", "\xaa\xa1\x02\x02\x00\x02x", ErrMalformed},
		{"an id that is none", "\xaa\xa1\x4d\x02\x00\x02x", ErrUnknownID},
		{"a JOIN, whatever follows", "\xaa\xa1\x04\x02\x00\x02\x01g\x01", nil},
	} {
		m := usedMessage()
		if err := m.DecodeHeader([]byte(test.header), Limits{}); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
		if m.Content != nil {
			t.Errorf("%s: content %q", test.name, m.Content)
		}
	}
}
