package discovery

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// The sources of an address, in words and by kind.
func TestSources(t *testing.T) {
	inWorld(t, func(w *world) {
		w.do(func() {
			w.SetSource(domain, list(a))
			w.SetSource(gossiped(one), list(a))
			if w.changes != 0 {
				t.Error("ConfiguredChanged was called without a change")
			}
			w.SetSource(static("tcp://10.0.0.1:1"), list(a, b))
			if w.changes != 1 {
				t.Errorf("ConfiguredChanged was called %d times", w.changes)
			}
			w.AddEndpoint(gossiped(two), "tcp://unknown:1", nil)
		})
		if got, want := w.candidates[Place{AddrPort: a}].Sources(), "SRV x, gossip "+one.String()+", peer tcp://10.0.0.1:1"; got != want {
			t.Errorf("sources %q, want %q", got, want)
		}
		var configured []netip.AddrPort
		w.Configured(func(at netip.AddrPort) { configured = append(configured, at) })
		if want := list(a, b); !slices.Equal(configured, want) {
			t.Errorf("the application names %v, want %v", configured, want)
		}
		if !w.IsGossiped(one) || w.IsGossiped(two) {
			t.Error("gossip names no address of the first, or one of the second, whose host name is unknown")
		}
	})
}

// Addresses beyond the bound are counted in the log; those that fit are not.
func TestTooManyAddresses(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, test := range []struct {
			count int
			want  string // in the log; "" for nothing
		}{{2, ""}, {5, `"ignored":3`}} {
			w.do(func() {
				w.cfg.Candidates = 2
				w.log.Reset()
				w.SetSource(domain, dead(test.count))
			})
			if got := w.log.String(); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("%d addresses: logged %q, want %q", test.count, got, test.want)
			}
		}
	})
}
