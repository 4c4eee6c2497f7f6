package zmtp

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseMetadata(t *testing.T) {
	long := strings.Repeat("x", 255)
	for _, test := range []struct {
		name  string
		bytes string
		want  metadata
		bad   string // part of the error
	}{
		{name: "nothing", bytes: ""},
		{name: "one", bytes: "\x01a\x00\x00\x00\x02bc", want: metadata{{"a", "bc"}}},
		{name: "two, one empty", bytes: "\x01a\x00\x00\x00\x00\x02bb\x00\x00\x00\x01c", want: metadata{{"a", ""}, {"bb", "c"}}},
		{name: "name of 255", bytes: prop(long, "v"), want: metadata{{long, "v"}}},
		{name: "all kinds of name characters", bytes: prop("aZ09-_.+", "\x00\xff"), want: metadata{{"aZ09-_.+", "\x00\xff"}}},
		{name: "name of 0", bytes: "\x00\x00\x00\x00\x00", bad: "name of 0 bytes"},
		{name: "name cut", bytes: "\x05ab", bad: "name of 5 bytes where 2 are left"},
		{name: "name of 255 cut", bytes: "\xff" + long[:254], bad: "name of 255 bytes"},
		{name: "ends after the name's length", bytes: "\x01", bad: "name of 1 bytes where 0"},
		{name: "ends after the name", bytes: "\x01a", bad: "truncated after"},
		{name: "length cut", bytes: "\x01a\x00\x00\x00", bad: "truncated after"},
		{name: "value cut", bytes: "\x01a\x00\x00\x00\x02b", bad: "of 2 bytes where 1 are left"},
		{name: "value of 2^31", bytes: "\x01a\x80\x00\x00\x00b", bad: "of 2147483648 bytes"},
		{name: "value of 2^32-1", bytes: "\x01a\xff\xff\xff\xffb", bad: "of 4294967295 bytes"},
		{name: "name with a blank", bytes: prop("a b", ""), bad: `name "a b"`},
		{name: "name beyond ASCII", bytes: prop("é", ""), bad: "name"},
		{name: "twice", bytes: prop("ab", "1") + prop("ab", "2"), bad: "twice"},
		{name: "twice in different case", bytes: prop("ab", "1") + prop("AB", "2"), bad: "twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseMetadata([]byte(test.bytes))
			if test.bad == "" {
				if err != nil || !slices.Equal(got, test.want) {
					t.Errorf("got %v, %v, want %v", got, err, test.want)
				}
				return
			}
			if _, ok := errors.AsType[*ProtocolError](err); !ok || !strings.Contains(err.Error(), test.bad) {
				t.Errorf("got %v, want a ProtocolError with %q", err, test.bad)
			}
		})
	}
}

func TestNewMetadata(t *testing.T) {
	m, err := newMetadata("DEALER", Config{
		Identity: []byte("me"), Properties: map[string]string{"X-b": "2", "x-A": "1"},
	}.withDefaults())
	want := prop("Socket-Type", "DEALER") + prop("Identity", "me") + prop("X-b", "2") + prop("x-A", "1")
	if err != nil || string(m.encode()) != want {
		t.Errorf("got %q, %v, want %q", m.encode(), err, want)
	}
	if m.get("x-B") != "2" || m.get("X-a") != "1" || m.get("X-c") != "" {
		t.Error("get does not ignore case, or finds what isn't there")
	}
	for name, cfg := range map[string]Config{
		"identity of 256":    {Identity: make([]byte, 256)},
		"no X-":              {Properties: map[string]string{"Identity": "a"}},
		"empty name":         {Properties: map[string]string{"": "a"}},
		"ill-formed name":    {Properties: map[string]string{"X-a b": "a"}},
		"name of 256":        {Properties: map[string]string{"X-" + strings.Repeat("a", 254): "a"}},
		"twice":              {Properties: map[string]string{"X-a": "a", "X-A": "a"}},
		"longer than READY":  {Properties: map[string]string{"X-a": strings.Repeat("a", 9000)}},
		"longer than we say": {Limits: Limits{CommandSize: 20}},
	} {
		if _, err := newMetadata("DEALER", cfg.withDefaults()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
