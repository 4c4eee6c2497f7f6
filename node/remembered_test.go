package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
)

// The number of remembered peers is bounded, the newest are kept, and none is kept for too long.
func TestRemembered(t *testing.T) {
	const most, keep = 3, time.Minute
	ids := make([]uuid.UUID, 10)
	for i := range ids {
		ids[i] = uuid.New()
	}
	for _, test := range []struct {
		name string
		do   func(m *remembered)
		want []int // the ids that it has
	}{
		{"nothing", func(*remembered) {}, nil},
		{"one", func(m *remembered) { m.add(ids[0]) }, []int{0}},
		{"one that is removed", func(m *remembered) { m.add(ids[0]); m.add(ids[1]); m.remove(ids[0]) }, []int{1}},
		{"more than there is room for", func(m *remembered) {
			for _, id := range ids {
				m.add(id)
				time.Sleep(time.Second) // fake time
			}
		}, []int{7, 8, 9}},
		{"one that is added again is among the newest", func(m *remembered) {
			for _, i := range []int{0, 1, 2, 0, 3} {
				m.add(ids[i])
				time.Sleep(time.Second) // fake time
			}
		}, []int{0, 2, 3}},
		{"just before the time is over", func(m *remembered) {
			m.add(ids[0])
			time.Sleep(keep - 1) // fake time
		}, []int{0}},
		{"when the time is over", func(m *remembered) {
			m.add(ids[0])
			time.Sleep(keep) // fake time
		}, nil},
		{"added again, the time begins anew", func(m *remembered) {
			m.add(ids[0])
			time.Sleep(keep - 1) // fake time
			m.add(ids[0])
			time.Sleep(keep - 1) // fake time
		}, []int{0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newRemembered(most, keep)
				test.do(&m)
				for range 2 { // before and after it is pruned
					has := make(map[uuid.UUID]bool)
					for _, i := range test.want {
						has[ids[i]] = true
					}
					for i, id := range ids {
						if got := m.has(id); got != has[id] {
							t.Errorf("has(%d) returned %v, want %v", i, got, has[id])
						}
					}
					if len(m.until) > most {
						t.Errorf("it has %d, want %d at most", len(m.until), most)
					}
					m.prune(time.Now())
				}
				if len(m.until) != len(test.want) {
					t.Errorf("it has %d after it was pruned, want %d", len(m.until), len(test.want))
				}
			})
		})
	}
}
