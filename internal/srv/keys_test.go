package srv

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// A target's key is in one TXT record of its name. Targets without one, or with several, give no endpoint.
func TestKeys(t *testing.T) {
	z := zone{answers: testName + ` 60 SRV 0 0 1 a.example.
		` + testName + ` 60 SRV 0 0 2 a.example.
		` + testName + ` 60 SRV 1 0 1 b.example.
		` + testName + ` 60 SRV 2 0 1 c.example.
		` + testName + ` 60 SRV 3 0 1 d.example.
		a.example. 60 A 10.0.0.1
		a.example. 50 TXT "v=spf1 -all"
		a.example. 40 TXT "zre-key=K#1 " "and more"
		b.example. 60 A 10.0.0.2
		c.example. 60 A 10.0.0.3
		c.example. 60 TXT "zre-key=one"
		c.example. 60 TXT "zre-key=another"
		d.example. 60 A 10.0.0.4
		d.example. 60 TXT "zre-key=same"
		d.example. 60 TXT "zre-key=same"`}
	server := serve(t, "127.0.0.1", z.answer)
	answer, err := (&Resolver{Server: server, Keys: true}).Lookup(t.Context(), testName)
	var got []string
	for _, e := range answer.Endpoints {
		got = append(got, e.AddrPort.String()+" "+e.Key)
	}
	want := []string{"10.0.0.1:1 K#1 and more", "10.0.0.1:2 K#1 and more", "10.0.0.4:1 same"}
	if err != nil || !slices.Equal(got, want) || answer.TTL != 40*time.Second || !errors.Is(answer.Partial, ErrNoKey) || !strings.HasPrefix(answer.Partial.Error(), "2 problems") {
		t.Errorf("got %q, %v, %v, %v", got, answer.TTL, answer.Partial, err)
	}
	answer, err = (&Resolver{Server: server}).Lookup(t.Context(), testName)
	if err != nil || len(answer.Endpoints) != 5 || answer.Endpoints[0].Key != "" {
		t.Errorf("without keys: %+v, %v", answer.Endpoints, err)
	}
	z.answers = strings.ReplaceAll(z.answers, "zre-key", "key")
	_, err = (&Resolver{Server: serve(t, "127.0.0.1", z.answer), Keys: true}).Lookup(t.Context(), testName)
	if !errors.Is(err, ErrNoKey) {
		t.Errorf("no key at all: %v", err)
	}
}

// A Watcher reports another key like another address.
func TestWatchKeys(t *testing.T) {
	told := make(chan []Endpoint, 10)
	w := &Watcher{OnKeys: func(list []Endpoint) { told <- list }, OnChange: func([]netip.AddrPort) { t.Error("OnChange was called, though OnKeys is set") }}
	at := netip.MustParseAddrPort("10.0.0.1:1")
	for _, c := range []struct {
		key  string
		news int
	}{{"a", 1}, {"a", 0}, {"b", 1}} {
		w.answer = Answer{Endpoints: []Endpoint{{AddrPort: at, Key: c.key}}}
		w.reportEndpoints()
		if len(told) != c.news || c.news == 1 && (<-told)[0].Key != c.key {
			t.Errorf("%s: OnKeys was called %d times", c.key, len(told))
		}
	}
}
