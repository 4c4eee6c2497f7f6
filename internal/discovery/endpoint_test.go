package discovery

import (
	"strings"
	"testing"
)

func TestParseEndpoint(t *testing.T) {
	const key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
	for text, want := range map[string]string{
		"tcp://10.0.0.1:7":                        "",
		"tcp://10.0.0.1:7|" + key:                 key,
		"tcp://[fd00::1]:7|" + key:                key,
		"tcp://host:7|" + key:                     key,
		"tcp://host:7|":                           "error",
		"tcp://host:7|" + key[1:]:                 "error",
		"tcp://host:7|" + key + "|":               "error",
		"tcp://host:7|" + strings.Repeat("0", 40): "error", // the zero key does not count
		"udp://host:7|" + key:                     "error",
		"tcp://host|" + key:                       "error",
		key:                                       "error",
	} {
		_, port, got, err := ParseEndpoint(text)
		if (err != nil) != (want == "error") || err == nil && (got.String() != want || port != 7) {
			t.Errorf("%q gave port %d, key %q, %v", text, port, got, err)
		}
	}
}
