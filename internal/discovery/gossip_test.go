package discovery

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/gossip"
)

// Tuples add addresses, and the end of a tuple removes them.
func TestTuples(t *testing.T) {
	loopback, here, there := at("127.0.0.1:1"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.9")
	for _, test := range []struct {
		name  string
		key   string
		value string
		from  netip.Addr
		want  []netip.AddrPort
		log   string // "" for nothing
	}{
		{"a peer", gossip.FormatKey(one), "tcp://10.0.0.1:1", there, list(a), ""},
		{"ourselves", gossip.FormatKey(uuid.UUID{255}), "tcp://10.0.0.1:1", there, nil, ""},
		{"no UUID", "x", "tcp://10.0.0.1:1", there, nil, "tuple ignored"},
		{"it wants CURVE", gossip.FormatKey(one), gossip.FormatValue("tcp://10.0.0.1:1", strings.Repeat("0", 40)), there, nil, "wants CURVE"},
		{"loopback, from another host", gossip.FormatKey(one), "tcp://127.0.0.1:1", there, nil, "address ignored"},
		{"loopback, from this host", gossip.FormatKey(one), "tcp://127.0.0.1:1", here, list(loopback), ""},
		{"no host name", gossip.FormatKey(one), "tcp://a..b:1", there, nil, "peer ignored"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.learned(gossip.Tuple{Key: test.key, Value: test.value, From: test.from}, func(netip.Addr) bool { return false })
				synctest.Wait()
				if len(w.candidates) != len(test.want) || len(test.want) > 0 && w.candidates[Place{AddrPort: test.want[0]}] == nil {
					t.Errorf("candidates %v, want %v", w.candidates, test.want)
				}
				if got := w.log.String(); (got == "") != (test.log == "") || !strings.Contains(got, test.log) {
					t.Errorf("logged %q, want %q", got, test.log)
				}
				w.unlearned(test.key)
				synctest.Wait()
				if len(w.candidates) > 0 {
					t.Errorf("candidates left: %v", w.candidates)
				}
			})
		})
	}
}

// A hub's endpoint can be dialled, and is.
func TestConnect(t *testing.T) {
	inWorld(t, func(w *world) {
		dialled := make(chan string, 10)
		h := w.NewHub(HubConfig{Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			dialled <- address
			return nil, errRefused
		}}, nil)
		for _, test := range []struct{ endpoint, want string }{{"udp://10.0.0.1:1", ""}, {"tcp://[fd00::1]:1", "[fd00::1]:1"}} {
			if err := h.Connect(test.endpoint); (err != nil) != (test.want == "") {
				t.Errorf("%s: %v", test.endpoint, err)
			}
			synctest.Wait()
			got := ""
			if len(dialled) > 0 {
				got = <-dialled
			}
			if got != test.want {
				t.Errorf("%s: dialled %q, want %q", test.endpoint, got, test.want)
			}
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}
