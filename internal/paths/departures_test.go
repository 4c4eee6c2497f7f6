package paths

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestDepartures(t *testing.T) {
	now := time.Now()
	gone, other := uuid.New(), uuid.New()
	var d Departures
	if d.Recent(gone, now) || d.RecentFrom(gone, at("10.0.0.1:1"), now) {
		t.Error("a peer has left that nothing is known of")
	}
	d.Add(gone, list("10.0.0.1:1 10.0.0.2:1"), now)
	for _, test := range []struct {
		name         string
		id           uuid.UUID
		endpoint     string
		after        time.Duration
		recent, from bool
	}{
		{"at once", gone, "10.0.0.1:1", 0, true, true},
		{"by its other address", gone, "10.0.0.2:1", 0, true, true},
		{"its successor has another port", gone, "10.0.0.1:2", 0, true, false},
		{"another peer", other, "10.0.0.1:1", 0, false, false},
		{"a moment later", gone, "10.0.0.1:1", rememberedFor - 1, true, true},
		{"later", gone, "10.0.0.1:1", rememberedFor, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := d.Recent(test.id, now.Add(test.after)); got != test.recent {
				t.Errorf("recent: %v", got)
			}
			if got := d.RecentFrom(test.id, at(test.endpoint), now.Add(test.after)); got != test.from {
				t.Errorf("recent from %s: %v", test.endpoint, got)
			}
		})
	}
}

// A flood of GOODBYEs is bounded, and forgotten.
func TestDeparturesFlood(t *testing.T) {
	now := time.Now()
	var d Departures
	first := uuid.New()
	d.Add(first, nil, now)
	for range 2 * maxDepartures {
		d.Add(uuid.New(), nil, now)
	}
	if len(d.gone) != maxDepartures {
		t.Errorf("%d remembered", len(d.gone))
	}
	d.Add(first, nil, now.Add(time.Second))
	if !d.Recent(first, now.Add(time.Second)) {
		t.Error("one that is remembered leaves again, and is not noted")
	}
	if d.Prune(now.Add(time.Second)); len(d.gone) != 1 {
		t.Errorf("%d remembered", len(d.gone))
	}
}
