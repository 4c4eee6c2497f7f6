package paths

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/uuid"
)

func TestIndex(t *testing.T) {
	ids := []uuid.UUID{{1}, {2}, {3}}
	for _, test := range []struct {
		name string
		do   func(x *Index)
		want map[string][]int // the sessions by address, as indexes of ids
	}{
		{"empty", func(*Index) {}, map[string][]int{"10.0.0.1:1": nil}},
		{"one with two addresses", func(x *Index) { x.Set(ids[0], list("10.0.0.1:1 10.0.0.2:1")) },
			map[string][]int{"10.0.0.1:1": {0}, "10.0.0.2:1": {0}, "10.0.0.1:2": nil}},
		{"an address that three share", func(x *Index) {
			for _, id := range ids {
				x.Set(id, list("10.0.0.1:1"))
			}
		}, map[string][]int{"10.0.0.1:1": {0, 1, 2}}},
		{"set anew", func(x *Index) { x.Set(ids[0], list("10.0.0.1:1")); x.Set(ids[0], list("10.0.0.2:1")) },
			map[string][]int{"10.0.0.1:1": nil, "10.0.0.2:1": {0}}},
		{"set to none", func(x *Index) { x.Set(ids[0], list("10.0.0.1:1")); x.Set(ids[0], nil) }, map[string][]int{"10.0.0.1:1": nil}},
		{"the first removed", func(x *Index) {
			for _, id := range ids {
				x.Set(id, list("10.0.0.1:1"))
			}
			x.Remove(ids[0])
		}, map[string][]int{"10.0.0.1:1": {1, 2}}},
		{"removed twice", func(x *Index) { x.Set(ids[0], list("10.0.0.1:1")); x.Remove(ids[0]); x.Remove(ids[0]) },
			map[string][]int{"10.0.0.1:1": nil}},
		{"removed, never set", func(x *Index) { x.Remove(ids[0]) }, map[string][]int{"10.0.0.1:1": nil}},
		{"named twice", func(x *Index) { x.Set(ids[0], list("10.0.0.1:1 10.0.0.1:1")) }, map[string][]int{"10.0.0.1:1": {0}}},
		{"named twice, and removed", func(x *Index) { x.Set(ids[0], list("10.0.0.1:1 10.0.0.1:1")); x.Remove(ids[0]) },
			map[string][]int{"10.0.0.1:1": nil}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var x Index
			test.do(&x)
			for addr, want := range test.want {
				var got []int
				for _, id := range x.At(at(addr)) {
					got = append(got, slices.Index(ids, id))
				}
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("at %s: %v, want %v", addr, got, want)
				}
			}
		})
	}
	var x Index
	x.Set(ids[0], []netip.AddrPort{{}})
	if len(x.At(netip.AddrPort{})) != 0 {
		t.Error("an address that is not valid leads to a session")
	}
}

// The index agrees with a plain map after any changes, and keeps nothing of removed sessions.
func TestIndexModel(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	var x Index
	model := make(map[uuid.UUID][]netip.AddrPort)
	ids := make([]uuid.UUID, 20)
	for i := range ids {
		ids[i] = uuid.UUID{byte(i + 1)}
	}
	addrs := make([]netip.AddrPort, 10)
	for i := range addrs {
		addrs[i] = at(fmt.Sprintf("10.0.0.%d:1", i))
	}
	for step := range 5_000 {
		id := ids[dice.IntN(len(ids))]
		if dice.IntN(3) == 0 {
			x.Remove(id)
			delete(model, id)
		} else {
			var some []netip.AddrPort
			for range dice.IntN(5) {
				some = append(some, addrs[dice.IntN(len(addrs))])
			}
			x.Set(id, some)
			model[id] = some
		}
		for _, addr := range addrs {
			got := x.At(addr)
			for _, id := range ids {
				if slices.Contains(got, id) != slices.Contains(model[id], addr) {
					t.Fatalf("step %d: %v at %v: %v", step, id, addr, got)
				}
			}
			if len(slices.Compact(slices.SortedFunc(slices.Values(got), func(a, b uuid.UUID) int { return int(a[0]) - int(b[0]) }))) != len(got) {
				t.Fatalf("step %d: %v has one twice: %v", step, addr, got)
			}
		}
	}
	for _, id := range ids {
		x.Remove(id)
	}
	if len(x.addrs)+len(x.ids)+len(x.position) != 0 {
		t.Errorf("left: %v, %v, %v", x.addrs, x.ids, x.position)
	}
}

// A change costs as much when many sessions share an address as when one has it.
func BenchmarkIndex(b *testing.B) {
	for _, sharing := range []int{1, 10_000} {
		b.Run(fmt.Sprint(sharing), func(b *testing.B) {
			var x Index
			addrs := list("10.0.0.1:1 10.0.0.2:1")
			ids := make([]uuid.UUID, sharing)
			for i := range ids {
				ids[i] = uuid.New()
				x.Set(ids[i], addrs)
			}
			for i := 0; b.Loop(); i++ {
				x.Set(ids[i%len(ids)], addrs)
			}
		})
	}
}
