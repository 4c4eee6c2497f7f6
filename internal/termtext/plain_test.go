package termtext

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for name, c := range map[string]struct{ s, want string }{
		"empty":             {"", ""},
		"ascii":             {"alice 7", "alice 7"},
		"a backslash":       {`a\b`, `a\b`},
		"accents":           {"Zoë", "Zoë"},
		"combining":         {"Zoe\u0308", "Zoe\u0308"},
		"wide":              {"東京", "東京"},
		"wide space":        {"東\u3000京", "東\u3000京"},
		"right to left":     {"שלום", "שלום"},
		"escape sequence":   {"\x1b[31mred", `\x1b[31mred`},
		"title":             {"\x1b]0;x\a", `\x1b]0;x\x07`},
		"new line":          {"a\r\nb\tc", `a\r\nb\tc`},
		"NUL and DEL":       {"\x00\x7f", `\x00\x7f`},
		"C1":                {"\u009b31m\u0085", `\u009b31m\u0085`},
		"C1 as an octet":    {"\x9b31m", `\x9b31m`},
		"not UTF-8":         {"a\xffb\xc3", `a\xffb\xc3`},
		"replacement":       {"a\uFFFDb", "a\uFFFDb"},
		"override":          {"a\u202eb\u202c", `a\u202eb\u202c`},
		"isolates":          {"\u2066\u2067\u2068\u2069", `\u2066\u2067\u2068\u2069`},
		"marks":             {"\u200e\u200f\u061c", `\u200e\u200f\u061c`},
		"separators":        {"a\u2028b\u2029", `a\u2028b\u2029`},
		"byte order mark":   {"\ufeffa", `\ufeffa`},
		"soft hyphen":       {"a\u00adb", `a\u00adb`},
		"tag":               {"a\U000e0041", `a\U000e0041`},
		"private use":       {"\ue000", `\ue000`},
		"surrogate":         {"\xed\xa0\x80", `\xed\xa0\x80`},
		"family":            {"👩\u200d👧", "👩\u200d👧"},
		"flag of a pirate":  {"🏴\u200d☠\ufe0f", "🏴\u200d☠\ufe0f"},
		"joiner in ASCII":   {"pay\u200dpal", `pay\u200dpal`},
		"joiner at the end": {"👩\u200d", `👩\u200d`},
		"Persian":           {"می\u200cخواهم", "می\u200cخواهم"},
		"two joiners":       {"👩\u200d\u200d👧", `👩\u200d\u200d👧`},
	} {
		if got := Text(c.s); got != c.want {
			t.Errorf("%s: %q is %q, want %q", name, c.s, got, c.want)
		}
	}
	if n := testing.AllocsPerRun(10, func() { Text("a name as most are") }); n > 0 {
		t.Errorf("%v allocations for text without anything to escape", n)
	}
}

func FuzzText(f *testing.F) {
	f.Add("\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if !utf8.ValidString(got) {
			t.Errorf("%q is %q, not UTF-8", s, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Cf, r) && !isJoiner(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("%q is %q, which has %U", s, got, r)
			}
		}
		if again := Text(got); again != got {
			t.Errorf("%q is %q, and that %q", s, got, again)
		}
	})
}

func TestTruncate(t *testing.T) {
	for _, c := range []struct {
		s     string
		width int
		want  string
	}{
		{"alice", 5, "alice"},
		{"alice", 4, "ali…"},
		{"alice", 1, "…"},
		{"alice", 0, ""},
		{"alice", -3, ""},
		{"東京都", 6, "東京都"},
		{"東京都", 5, "東京…"},
		{"東京都", 4, "東…"},
		{"Zoe\u0308e", 4, "Zoe\u0308e"},
		{"Zoe\u0308e", 3, "Zo…"},
		{"👩\u200d👧!", 3, "👩\u200d👧!"},
	} {
		got := Truncate(c.s, c.width)
		if got != c.want || Width(got) > max(0, c.width) {
			t.Errorf("%q to %d columns is %q of %d, want %q", c.s, c.width, got, Width(got), c.want)
		}
		if padded := Pad(c.s, c.width); Width(padded) != max(0, c.width) || !strings.HasPrefix(padded, got) {
			t.Errorf("%q in %d columns is %q", c.s, c.width, padded)
		}
	}
}

func TestJSON(t *testing.T) {
	for _, c := range []struct{ s, want string }{
		{"alice", `"alice"`},
		{"Zoë 東京", `"Zoë 東京"`},
		{"\x1b[2J\n", `"\u001b[2J\n"`},
		{"\x7f\u009b\u202e\ufeff", `"\u007f\u009b\u202e\ufeff"`},
		{"\U000e0041", `"\udb40\udc41"`},
		{"a\xff", `"a\ufffd"`},
	} {
		text, err := json.Marshal(c.s)
		if err != nil {
			t.Fatal(err)
		}
		got := JSON(text)
		var back string
		if err := json.Unmarshal(got, &back); err != nil || string(got) != c.want || back != strings.ToValidUTF8(c.s, "\uFFFD") {
			t.Errorf("%q is %s, want %s; it means %q, %v", c.s, got, c.want, back, err)
		}
	}
	line := []byte("{\"a\":1}\n")
	if got := JSON(line); &got[0] != &line[0] {
		t.Error("a plain line is copied")
	}
}
