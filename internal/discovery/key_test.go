package discovery

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/cert"
	"github.com/go-zre/go-zre/internal/gossip"
)

// A secure node tries no address without a key, and each address with each key separately.
func TestKeys(t *testing.T) {
	key, other := cert.PublicKey{1}, cert.PublicKey{2}
	inWorld(t, func(w *world) {
		w.Seeker.cfg.Secure = true
		w.do(func() {
			if err := w.AddEndpoint(static("a"), "tcp://10.0.0.1:1|"+key.String(), nil); err != nil {
				t.Error(err)
			}
			if err := w.AddEndpoint(static("b"), "tcp://10.0.0.1:1|"+other.String(), nil); err != nil {
				t.Error(err)
			}
			if err := w.AddEndpoint(static("c"), "tcp://10.0.0.1:1", nil); !errors.Is(err, ErrNoKey) {
				t.Errorf("AddEndpoint without a key: %v", err)
			}
			if err := w.AddEndpoint(static("a"), "tcp://10.0.0.1:1|x", nil); err == nil {
				t.Error("an invalid key is accepted")
			}
		})
		var places []Place
		for p, c := range w.candidates {
			if p.Key != c.PublicKey() || p.AddrPort != a || c.At() != a {
				t.Errorf("%v is %v", p, c.at)
			}
			places = append(places, p)
		}
		if want := []Place{{a, other}}; !slices.Equal(places, want) {
			t.Errorf("candidates %v, want %v", places, want)
		}
	})
}

// A secure node takes only tuples with a key from gossip; a plain node only those without.
func TestKeysOfGossip(t *testing.T) {
	key := cert.PublicKey{1}
	for _, secure := range []bool{false, true} {
		inWorld(t, func(w *world) {
			w.Seeker.cfg.Secure = secure
			for i, value := range []string{"tcp://10.0.0.1:1", "tcp://10.0.0.2:1|" + key.String()} {
				tuple := gossip.Tuple{Key: gossip.FormatKey(uuid.UUID{byte(i + 1)}), Value: value}
				if err := hasKey(tuple); (err == nil) != (i == 1) {
					t.Errorf("%s: %v", value, err)
				}
				w.learned(tuple, nil)
			}
			synctest.Wait()
			w.do(func() {
				for p := range w.candidates {
					if p.Key.IsZero() == secure {
						t.Errorf("secure %v: candidate %v", secure, p)
					}
				}
				if len(w.candidates) != 1 {
					t.Errorf("secure %v: %d candidates", secure, len(w.candidates))
				}
			})
		})
	}
}
