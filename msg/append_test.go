package msg

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestAppend expects golden octets after the content of the buffer.
func TestAppend(t *testing.T) {
	uuid := [16]byte{0x8b, 0xc8, 0x3f, 0x6a, 0xcd, 0x4f, 0x41, 0x7c, 0xab, 0xc6, 0x60, 0x88, 0x15, 0x13, 0x8f, 0x24}
	const digits = "8BC83F6ACD4F417CABC6608815138F24"
	must := func(b []byte, err error) []byte {
		if err != nil {
			t.Helper()
			t.Error(err)
		}
		return b
	}
	dst := []byte("before")
	hello := &OutHello{Endpoint: "tcp://[::1]:49152", Groups: []string{"G", ""}, Status: 200, Name: "béta",
		Headers: []OutHeader{{"z", "1"}, {"a", ""}}}
	tests := []struct {
		got  []byte
		want string
	}{
		{must(AppendHello(dst, 1, hello, Limits{})), "\x01\x02\x00\x01" + "\x11tcp://[::1]:49152" +
			"\x00\x00\x00\x02" + "\x00\x00\x00\x01G" + "\x00\x00\x00\x00" + "\xc8" + "\x05b\xc3\xa9ta" +
			"\x00\x00\x00\x02" + "\x01z" + "\x00\x00\x00\x011" + "\x01a" + "\x00\x00\x00\x00"},
		{AppendWhisper(dst, 0x1234), "\x02\x02\x12\x34"},
		{must(AppendShout(dst, 0xfffe, "CHAT")), "\x03\x02\xff\xfe\x04CHAT"},
		{must(AppendJoin(dst, 2, "группа", 255)), "\x04\x02\x00\x02\x0cгруппа\xff"},
		{must(AppendLeave(dst, 2, "", 0)), "\x05\x02\x00\x02\x00\x00"},
		{AppendPing(dst, 0), "\x06\x02\x00\x00"},
		{AppendPingOK(dst, 256), "\x07\x02\x01\x00"},
		{must(AppendElect(dst, 2, "G", uuid)), "\x08\x02\x00\x02\x01G\x20" + digits},
		{must(AppendLeader(dst, 2, "G", uuid)), "\x09\x02\x00\x02\x01G\x20" + digits},
		{AppendGoodbye(dst, 65535), "\x0a\x02\xff\xff"},
		{must(AppendHeaders(dst, 2, hello.Headers, Limits{})), "\x81\x02\x00\x02" + "\x00\x00\x00\x02" + "\x01z" + "\x00\x00\x00\x011" + "\x01a" + "\x00\x00\x00\x00"},
		{must(AppendHeaders(dst, 3, nil, Limits{})), "\x81\x02\x00\x03" + "\x00\x00\x00\x00"},
		{AppendState(dst, 2, 5), "\x80\x02\x00\x02\x05"},
		{AppendAskStats(dst, 2), "\x82\x02\x00\x02\x01"},
	}
	for _, test := range tests {
		want := "before\xaa\xa1" + test.want
		if string(test.got) != want {
			t.Errorf("got  %x\nwant %x", test.got, want)
		}
	}
}

// TestStringsRefused tries each bad string in each field that can be sent.
func TestStringsRefused(t *testing.T) {
	good := func() *OutHello {
		return &OutHello{Endpoint: "tcp://127.0.0.1:49152", Groups: []string{"G"}, Name: "n", Headers: []OutHeader{{"K", "v"}}}
	}
	inHello := func(change func(h *OutHello)) func([]byte) ([]byte, error) {
		return func(dst []byte) ([]byte, error) {
			h := good()
			change(h)
			return AppendHello(dst, 1, h, Limits{})
		}
	}
	if _, err := inHello(func(*OutHello) {})(nil); err != nil {
		t.Fatal(err)
	}

	long := DefaultLimits().LongString
	fields := []struct {
		name  string
		limit int
		empty bool // is allowed
		try   func(value string) (func([]byte) ([]byte, error), error)
	}{
		{"group", MaxString, true, func(s string) (func([]byte) ([]byte, error), error) {
			return func(dst []byte) ([]byte, error) { return AppendShout(dst, 2, s) }, CheckGroup(s)
		}},
		{"group", MaxString, true, func(s string) (func([]byte) ([]byte, error), error) {
			return func(dst []byte) ([]byte, error) { return AppendJoin(dst, 2, s, 1) }, CheckGroup(s)
		}},
		{"group", MaxString, true, func(s string) (func([]byte) ([]byte, error), error) {
			return func(dst []byte) ([]byte, error) { return AppendLeave(dst, 2, s, 1) }, CheckGroup(s)
		}},
		{"group", MaxString, true, func(s string) (func([]byte) ([]byte, error), error) {
			return func(dst []byte) ([]byte, error) { return AppendElect(dst, 2, s, [16]byte{}) }, CheckGroup(s)
		}},
		{"group", MaxString, true, func(s string) (func([]byte) ([]byte, error), error) {
			return func(dst []byte) ([]byte, error) { return AppendLeader(dst, 2, s, [16]byte{}) }, CheckGroup(s)
		}},
		{"group", MaxString, true, func(s string) (func([]byte) ([]byte, error), error) {
			return inHello(func(h *OutHello) { h.Groups = append(h.Groups, s) }), CheckGroup(s)
		}},
		{"name", MaxString, true, func(s string) (func([]byte) ([]byte, error), error) {
			return inHello(func(h *OutHello) { h.Name = s }), CheckName(s)
		}},
		{"endpoint", MaxString, false, func(s string) (func([]byte) ([]byte, error), error) {
			return inHello(func(h *OutHello) { h.Endpoint = s }), CheckEndpoint(s)
		}},
		{"header name", MaxString, true, func(s string) (func([]byte) ([]byte, error), error) {
			return inHello(func(h *OutHello) { h.Headers = append(h.Headers, OutHeader{s, "v"}) }), CheckHeader(s, "v", Limits{})
		}},
		{"header value", long, true, func(s string) (func([]byte) ([]byte, error), error) {
			return inHello(func(h *OutHello) { h.Headers = append(h.Headers, OutHeader{"L", s}) }), CheckHeader("L", s, Limits{})
		}},
	}
	for i, field := range fields {
		values := []struct {
			name, value string
			reason      error // nil: allowed
		}{
			{"empty", "", nil},
			{"longest", strings.Repeat("n", field.limit), nil},
			{"one too long", strings.Repeat("n", field.limit+1), ErrTooLong},
			{"one too long, in few characters", strings.Repeat("é", field.limit/2+1), ErrTooLong},
			{"Latin-1", "caf\xe9", ErrNotUTF8},
			{"cut UTF-8", "гру\xd0", ErrNotUTF8},
			{"surrogate", "\xed\xa0\x80", ErrNotUTF8},
			{"NUL inside", "a\x00b", ErrNUL},
			{"NUL alone", "\x00", ErrNUL},
		}
		for _, v := range values {
			if v.value == "" && !field.empty {
				v.reason = ErrEmpty
			}
			t.Run(fmt.Sprintf("%d %s %s", i, field.name, v.name), func(t *testing.T) {
				appendTo, checked := field.try(v.value)
				dst, err := appendTo([]byte("before"))
				for _, err := range []error{err, checked} {
					wantStringError(t, err, field.name, v.value, field.limit, v.reason)
				}
				if v.reason != nil && string(dst) != "before" {
					t.Errorf("dst after the error is %q", dst)
				}
			})
		}
	}
}

func wantStringError(t *testing.T, err error, field, value string, limit int, reason error) {
	t.Helper()
	if reason == nil {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var bad *StringError
	if !errors.As(err, &bad) || !errors.Is(err, reason) {
		t.Fatalf("error %v, want a *StringError for %v", err, reason)
	}
	if reason != ErrTooLong {
		limit = 0
	}
	if bad.Field != field || bad.Value != value || bad.Limit != limit {
		t.Errorf("field %q, value of %d bytes, limit %d; want %q, %d bytes, %d", bad.Field, len(bad.Value), bad.Limit, field, len(value), limit)
	}
}

func TestStringErrorText(t *testing.T) {
	tests := map[string]string{
		strings.Repeat("n", 300): `msg: cannot send group "` + strings.Repeat("n", 40) + `" (300 bytes): too long, limit 255 bytes`,
		"a\x00b":                 `msg: cannot send group "a\x00b" (3 bytes): contains a NUL byte`,
		"\xff":                   `msg: cannot send group "\xff" (1 bytes): not UTF-8`,
	}
	for group, want := range tests {
		if got := CheckGroup(group).Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestHelloLimits tries each limit at its edge, with the sender and with a receiver.
func TestHelloLimits(t *testing.T) {
	groups := func(n int) []string {
		return make([]string, n)
	}
	headers := func(n int) (h []OutHeader) {
		for i := range n {
			h = append(h, OutHeader{fmt.Sprint(i), ""})
		}
		return h
	}
	value := func(n int) []OutHeader { return []OutHeader{{"K", strings.Repeat("v", n)}} }
	plain := OutHello{Endpoint: "e"}
	tests := []struct {
		name       string
		limits     Limits
		fits, over OutHello
		detail     string
	}{
		{"groups", Limits{Groups: 2}, OutHello{Groups: groups(2)}, OutHello{Groups: groups(3)}, "3 groups, limit 2"},
		{"default groups", Limits{}, OutHello{Groups: groups(1000)}, OutHello{Groups: groups(1001)}, "1001 groups, limit 1000"},
		{"negative is default", Limits{-1, -1, -1, -1}, OutHello{Groups: groups(1000)}, OutHello{Groups: groups(1001)}, "1001 groups, limit 1000"},
		{"headers", Limits{Headers: 2}, OutHello{Headers: headers(2)}, OutHello{Headers: headers(3)}, "3 headers, limit 2"},
		{"default headers", Limits{}, OutHello{Headers: headers(1000)}, OutHello{Headers: headers(1001)}, "1001 headers, limit 1000"},
		{"long string", Limits{LongString: 5}, OutHello{Headers: value(5)}, OutHello{Headers: value(6)}, "header value has 6 bytes, limit 5"},
		{"default long string", Limits{}, OutHello{Headers: value(131072)}, OutHello{Headers: value(131073)}, "header value has 131073 bytes, limit 131072"},
		{"whole", Limits{Hello: int(plain.size())}, plain, OutHello{Endpoint: "ee"}, "19 bytes, limit 18"},
		{"default whole", Limits{LongString: 1 << 20}, OutHello{Headers: value(262144 - 24)}, OutHello{Headers: value(262145 - 24)}, "262145 bytes, limit 262144"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, h := range []*OutHello{&test.fits, &test.over} {
				if h.Endpoint == "" {
					h.Endpoint = "e"
				}
			}
			frame, err := AppendHello(nil, 1, &test.fits, test.limits)
			if err != nil {
				t.Fatal(err)
			}
			if int64(len(frame)) != test.fits.size() {
				t.Errorf("frame has %d bytes, size says %d", len(frame), test.fits.size())
			}
			var m Message
			if err := m.Decode([][]byte{frame}, test.limits); err != nil {
				t.Error(err)
			}

			dst, err := AppendHello([]byte("before"), 1, &test.over, test.limits)
			if !errors.Is(err, ErrLimit) && !errors.Is(err, ErrTooLong) {
				t.Errorf("sending: error %v", err)
			}
			if string(dst) != "before" {
				t.Error("dst grew in spite of the error")
			}
			generous := Limits{Hello: 1 << 30, Groups: 1 << 30, Headers: 1 << 30, LongString: 1 << 30}
			frame, err = AppendHello(nil, 1, &test.over, generous)
			if err != nil {
				t.Fatal(err)
			}
			err = refused(t, [][]byte{frame}, test.limits, ErrLimit, Hello, 1)
			if err != nil && !strings.HasSuffix(err.Error(), test.detail) {
				t.Errorf("receiving: error %q, want %q", err, test.detail)
			}
		})
	}
}

// TestLimitOfLimits checks that lengths fit the grammar's four octets, whatever the
// caller allows.
func TestLimitOfLimits(t *testing.T) {
	if got := (Limits{Hello: math.MaxInt}).orDefaults().Hello; got != math.MaxInt32 {
		t.Errorf("HELLO of up to %d bytes, want %d", got, math.MaxInt32)
	}
}

// TestLongGroupReceived: the grammar allows it in HELLO, though no peer could JOIN it.
func TestLongGroupReceived(t *testing.T) {
	group := strings.Repeat("g", 300)
	frame := []byte("\xaa\xa1\x01\x02\x00\x01" + "\x00" + "\x00\x00\x00\x01\x00\x00\x01\x2c" + group + "\x00\x00\x00\x00\x00\x00")
	var m Message
	if err := m.Decode([][]byte{frame}, Limits{}); err != nil || string(m.Hello.Groups[0]) != group {
		t.Errorf("groups %q, error %v", m.Hello.Groups, err)
	}
	refused(t, [][]byte{frame}, Limits{LongString: 299}, ErrLimit, Hello, 1)
}

func TestHeaderTwice(t *testing.T) {
	h := &OutHello{Endpoint: "e", Headers: []OutHeader{{"K", "1"}, {"k", "1"}, {"K", "2"}}}
	_, asHello := AppendHello(nil, 1, h, Limits{})
	_, asHeaders := AppendHeaders(nil, 2, h.Headers, Limits{})
	for _, err := range []error{h.Check(Limits{}), asHello, asHeaders} {
		wantStringError(t, err, "header name", "K", 0, ErrTwice)
	}
}

// TestAppendKeepsRoom checks that an Append into a buffer with room uses that buffer.
func TestAppendKeepsRoom(t *testing.T) {
	buffer := make([]byte, 0, 64)
	got, err := AppendHello(buffer, 1, &OutHello{Endpoint: "tcp://127.0.0.1:49152", Name: "n"}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if &got[0] != &buffer[:1][0] || !bytes.HasPrefix(got, []byte{signature0, signature1}) {
		t.Error("AppendHello took a new buffer though the old one had room")
	}
}
