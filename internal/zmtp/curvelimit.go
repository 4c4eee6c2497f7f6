package zmtp

import (
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// A CURVE HELLO costs two X25519 products, some 0.2 ms, before its sender has proven anything. So each network (networkOf) has a bucket of
// tokens, one for a HELLO.
const (
	mostBuckets = 4096 // beyond that many networks at a time, the others share one bucket
	burstTime   = 2 * time.Second
)

// buckets holds those that are not full. The zero value has none.
type buckets struct {
	mu sync.Mutex
	of map[netip.Prefix]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// take takes a token for an address. rate tokens come back per second, and a bucket holds twice as many. The zero Addr, of transports
// within this host, is not limited.
func (b *buckets) take(from netip.Addr, rate int) error {
	if !from.IsValid() {
		return nil
	}
	now, network := time.Now(), networkOf(from)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = make(map[netip.Prefix]bucket)
	}
	have, ok := b.of[network]
	if !ok && len(b.of) >= mostBuckets {
		b.sweep(now)
	}
	if !ok && len(b.of) >= mostBuckets {
		network = netip.Prefix{}
		have, ok = b.of[network]
	}
	full := float64(rate) * burstTime.Seconds()
	if ok {
		have.tokens = min(have.tokens+float64(rate)*now.Sub(have.at).Seconds(), full)
	} else {
		have.tokens = full
	}
	have.at = now
	if have.tokens < 1 {
		b.of[network] = have
		return fmt.Errorf("zmtp: more than %d CURVE handshakes per second from %v", rate, from)
	}
	have.tokens--
	b.of[network] = have
	return nil
}

// sweep removes buckets that are full again. It needs mu.
func (b *buckets) sweep(now time.Time) {
	for network, have := range b.of {
		if now.Sub(have.at) > burstTime {
			delete(b.of, network)
		}
	}
}
