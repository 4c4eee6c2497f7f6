package node

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// withPeers gives a node that is not started some peers. Tests call the control loop's functions for their JOINs and LEAVEs.
func withPeers(tb testing.TB, count int) (*Node, []*session) {
	tb.Helper()
	n, err := New(onLoopback(beaconPort(), Config{Limits: Limits{Peers: count}}))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { n.Close() })
	peers := make([]*session, count)
	for i := range peers {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 5000)
		p := n.newSession(uuid.New(), n.newPaths([]netip.AddrPort{at}, true))
		p.name = fmt.Sprint("peer ", i)
		p.updateSnapshot()
		n.sessions[p.uuid], n.present[p.uuid] = p, p
		peers[i] = p
	}
	return n, peers
}

func groupNames(count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprint("group ", i)
	}
	return names
}

// cost returns what f allocates.
func cost(f func()) (octets, allocations uint64) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, after.Mallocs - before.Mallocs
}

// The cost of many joins grows with their number, not with its square. The same holds for leaving the groups in that order.
func TestJoinsCost(t *testing.T) {
	const count, groups, joins = 100, 1_000, 100_000
	n, peers := withPeers(t, count)
	names := groupNames(groups)
	var batch []Event
	all := func(do func(p *session, group string)) func() {
		return func() {
			for _, group := range names {
				for _, p := range peers {
					do(p, group)
				}
				batch, _ = n.Take(batch, nil)
			}
		}
	}
	copies := 0
	last := make(map[*session]*string)
	octets, allocations := cost(all(func(p *session, group string) {
		n.handleJoin(p, group)
		if first := &p.joined[0]; last[p] != first {
			last[p] = first
			copies++
		}
	}))
	t.Logf("%d bytes and %.1f allocations a join; each list was copied %d times", octets/joins, float64(allocations)/joins, copies/count)
	if limit := uint64(100 << 20); octets > limit {
		t.Errorf("%d joins take %d MiB, want %d at most", joins, octets>>20, limit>>20)
	}
	if limit := uint64(4 * joins); allocations > limit {
		t.Errorf("%d joins take %d allocations, want %d at most", joins, allocations, limit)
	}
	if copies > 20*count {
		t.Errorf("the lists of %d peers were copied %d times, want 20 times each at most", count, copies)
	}
	if got := peers[0].snapshot.Load().Groups; !slices.Equal(got, names) {
		t.Errorf("a peer is in %d groups, want %d", len(got), groups)
	}
	octets, allocations = cost(all(n.handleLeave))
	t.Logf("%d bytes and %.1f allocations to leave a group", octets/joins, float64(allocations)/joins)
	if limit := uint64(100 << 20); octets > limit {
		t.Errorf("%d LEAVEs take %d MiB, want %d at most", joins, octets>>20, limit>>20)
	}
	if limit := uint64(4 * joins); allocations > limit {
		t.Errorf("%d LEAVEs take %d allocations, want %d at most", joins, allocations, limit)
	}
	if len(n.members) != 0 || len(peers[0].groups) != 0 || len(peers[0].snapshot.Load().Groups) != 0 {
		t.Errorf("%d groups are left, want none", len(n.members))
	}
	all(n.handleJoin)()
	octets, allocations = cost(func() {
		for _, p := range peers {
			n.remove(p, Crashed)
		}
	})
	t.Logf("%d bytes and %d allocations to exit, with %d groups", octets/count, allocations/count, groups)
	if octets > count*groups*16 {
		t.Errorf("%d peers take %d bytes to exit", count, octets)
	}
	if len(n.members) != 0 {
		t.Errorf("%d groups are left, want none", len(n.members))
	}
}

// BenchmarkJoins measures one JOIN of a peer when all peers join all groups.
func BenchmarkJoins(b *testing.B) {
	for _, shape := range []struct{ peers, groups int }{{100, 1_000}, {1_000, 1_000}, {4_000, 10}} {
		b.Run(fmt.Sprintf("%d peers, %d groups", shape.peers, shape.groups), func(b *testing.B) {
			names := groupNames(shape.groups)
			b.ReportAllocs()
			var batch []Event
			for done := 0; done < b.N; {
				b.StopTimer()
				n, peers := withPeers(b, shape.peers)
				b.StartTimer()
				for _, group := range names {
					for _, p := range peers {
						n.handleJoin(p, group)
					}
					batch, _ = n.Take(batch, nil)
					if done += len(peers); done >= b.N {
						break
					}
				}
			}
		})
	}
}

// Snapshots keep their groups, whatever the peer joins and leaves, and whatever the application appends to them.
func TestGroupsOfSnapshots(t *testing.T) {
	n, peers := withPeers(t, 1)
	p := peers[0]
	type moment struct {
		snapshot *Peer
		groups   []string
	}
	var moments []moment
	var want []string
	dice := rand.New(rand.NewPCG(1, 2))
	names := groupNames(20)
	for range 2_000 {
		group := names[dice.IntN(len(names))]
		if i := slices.Index(want, group); i < 0 {
			n.handleJoin(p, group)
			want = append(want, group)
		} else if dice.IntN(2) == 0 {
			n.handleLeave(p, group)
			want = slices.Delete(want, i, i+1)
		} else {
			n.handleJoin(p, group) // it is in it
		}
		s := p.snapshot.Load()
		moments = append(moments, moment{s, slices.Clone(want)})
		_ = append(s.Groups, "the application's")
	}
	for i, m := range moments {
		if !slices.Equal(m.snapshot.Groups, m.groups) {
			t.Fatalf("after change %d: %q, want %q", i+1, m.snapshot.Groups, m.groups)
		}
	}
}

// A list that a reader has does not change, and the indexes stay right, whatever peers come and go.
func TestRoster(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	r := &roster{group: "G"}
	indexes := make(map[*session]int)
	peers := make([]*session, 50)
	for i := range peers {
		peers[i] = new(session)
	}
	type loan struct{ list, want []*session }
	var loans []loan
	for step := range 5_000 {
		p := peers[dice.IntN(len(peers))]
		index, in := indexes[p]
		switch {
		case dice.IntN(10) == 0:
			list := r.lend()
			loans = append(loans, loan{list, slices.Clone(list)})
		case !in:
			indexes[p] = r.add(p)
		default:
			delete(indexes, p)
			if moved := r.remove(index); moved != nil {
				indexes[moved] = index
			}
		}
		if len(r.list) != len(indexes) {
			t.Fatalf("step %d: %d members, want %d", step, len(r.list), len(indexes))
		}
		for p, index := range indexes {
			if r.list[index] != p {
				t.Fatalf("step %d: another member at %d", step, index)
			}
		}
	}
	for i, l := range loans {
		if !slices.Equal(l.list, l.want) {
			t.Errorf("list %d has changed while a reader had it", i)
		}
	}
	if got := (*roster)(nil).lend(); got != nil {
		t.Errorf("a nil roster has members: %v", got)
	}
}

// A list is copied if a member leaves after a reader has had it. Otherwise it is copied only to grow or shrink.
func TestRosterCopies(t *testing.T) {
	for _, test := range []struct {
		name   string
		lend   bool // before each member leaves
		copies int  // at most
	}{{"no list is read", false, 12}, {"each list is read", true, 1_000}} {
		t.Run(test.name, func(t *testing.T) {
			r := &roster{}
			copies, first := 0, (**session)(nil)
			note := func() {
				if len(r.list) > 0 && &r.list[0] != first {
					first = &r.list[0]
					copies++
				}
			}
			for range 1_000 {
				r.add(new(session))
				note()
			}
			if copies > 15 {
				t.Errorf("the list was copied %d times to grow, want 15 at most", copies)
			}
			copies = 0
			for range 1_000 {
				if test.lend {
					r.lend()
				}
				r.remove(0)
				note()
			}
			if copies > test.copies {
				t.Errorf("the list was copied %d times to shrink, want %d at most", copies, test.copies)
			}
			if cap(r.list) > 16 {
				t.Errorf("an empty list has room for %d, want 16 at most", cap(r.list))
			}
		})
	}
}

// A list may be read while the control loop changes it.
func TestRosterReaders(t *testing.T) {
	n, peers := withPeers(t, 20)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				n.mu.RLock()
				members := n.members["G"].lend()
				n.mu.RUnlock()
				for _, p := range members {
					if p.node != n {
						t.Error("a member is of another node")
						return
					}
				}
				n.PeersIn("G")
			}
		})
	}
	for i := range 5_000 {
		p := peers[i*7%len(peers)]
		if _, in := p.groups["G"]; in {
			n.handleLeave(p, "G")
		} else {
			n.handleJoin(p, "G")
		}
		if i%100 == 99 {
			n.Take(nil, nil)
		}
	}
	close(done)
	readers.Wait()
}
