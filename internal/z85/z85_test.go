package z85

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestZ85(t *testing.T) {
	for _, test := range []struct {
		octets []byte
		text   string
	}{
		{[]byte{0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B}, "HelloWorld"}, // RFC 32
		{nil, ""},
		{make([]byte, 4), "00000"},
		{[]byte{0xff, 0xff, 0xff, 0xff}, "%nSc0"},
		{[]byte{0, 0, 0, 84}, "0000#"},
		{[]byte{0, 0, 0, 85}, "00010"},
	} {
		if got := Encode(test.octets); got != test.text {
			t.Errorf("%x is %q, want %q", test.octets, got, test.text)
		}
		if got, err := Decode(test.text); err != nil || !bytes.Equal(got, test.octets) {
			t.Errorf("%q is %x, %v", test.text, got, err)
		}
	}
	for _, bad := range []string{"1", "Hell", "HelloW", "He lo", "He\"lo", "He\x00lo", "Hellö", "%nSc1", "#####"} {
		if _, err := Decode(bad); !errors.Is(err, ErrText) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestKey(t *testing.T) {
	const text = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID" // libzmq's manual, zmq_curve
	key, err := Key(text)
	if err != nil || Encode(key[:]) != text {
		t.Errorf("%x, %v", key, err)
	}
	for _, bad := range []string{"", text[:39], text + "0", text[:35], strings.Repeat("#", 40)} {
		if _, err := Key(bad); !errors.Is(err, ErrText) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestEncodePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("three bytes were encoded")
		}
	}()
	Encode(make([]byte, 3))
}

func FuzzDecode(f *testing.F) {
	f.Add("HelloWorld")
	f.Add("%nSc1")
	f.Fuzz(func(t *testing.T, text string) {
		octets, err := Decode(text)
		if err == nil && Encode(octets) != text {
			t.Errorf("%q became %q", text, Encode(octets))
		}
	})
}
