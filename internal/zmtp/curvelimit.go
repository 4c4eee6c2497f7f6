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
	maxBuckets = 4096 // beyond that many networks at a time, the others share one bucket
	burstTime  = 2 * time.Second
)

// buckets holds those that are not full. The zero value has none.
type buckets struct {
	mu        sync.Mutex
	byNetwork map[netip.Prefix]bucket
}

type bucket struct {
	tokens  float64
	updated time.Time
}

// take takes a token from the bucket of an address's network. rate tokens come back per second, and a bucket holds twice as many. The zero
// Addr, of transports within this host, is not limited. The error names the network, or says that the bucket is a shared one, which others
// may have emptied.
func (b *buckets) take(from netip.Addr, rate int) error {
	if !from.IsValid() {
		return nil
	}
	now, network := time.Now(), networkOf(from)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byNetwork == nil {
		b.byNetwork = make(map[netip.Prefix]bucket)
	}
	have, ok := b.byNetwork[network]
	if !ok && len(b.byNetwork) >= maxBuckets {
		b.removeFull(now)
	}
	isShared := !ok && len(b.byNetwork) >= maxBuckets
	if isShared {
		network = netip.Prefix{}
		have, ok = b.byNetwork[network]
	}
	full := float64(rate) * burstTime.Seconds()
	if ok {
		have.tokens = min(have.tokens+float64(rate)*now.Sub(have.updated).Seconds(), full)
	} else {
		have.tokens = full
	}
	have.updated = now
	if have.tokens < 1 {
		b.byNetwork[network] = have
		if isShared {
			return fmt.Errorf("zmtp: more than %d CURVE handshakes per second from %s and other networks that share one limit",
				rate, networkText(networkOf(from)))
		}
		return fmt.Errorf("zmtp: more than %d CURVE handshakes per second from %s", rate, networkText(network))
	}
	have.tokens--
	b.byNetwork[network] = have
	return nil
}

// networkText returns a network as text: just the address if it is a single one.
func networkText(network netip.Prefix) string {
	if network.IsSingleIP() {
		return network.Addr().String()
	}
	return network.String()
}

// removeFull removes buckets that are full again. It needs mu.
func (b *buckets) removeFull(now time.Time) {
	for network, have := range b.byNetwork {
		if now.Sub(have.updated) > burstTime {
			delete(b.byNetwork, network)
		}
	}
}
