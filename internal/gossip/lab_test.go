package gossip

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// elapse lets fake time pass. It is only for synctest bubbles.
func elapse(d time.Duration) { <-time.After(d); synctest.Wait() }

// A lab is a network with hubs and clients in a synctest bubble.
type lab struct {
	*testing.T
	net *memNet
}

// inLab runs a test in a bubble, and closes everything that it made.
func inLab(t *testing.T, test func(l lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(lab{t, newMemNet()}) })
}

func (l lab) hub(address string, cfg Config) (*Hub, func()) {
	l.Helper()
	cfg.Dial = l.net.dial
	h := NewHub(cfg)
	listener := l.net.listen(l, address)
	served := make(chan struct{})
	go func() { defer close(served); _ = h.Serve(listener) }()
	stop := func() { _ = h.Close(); <-served }
	l.Cleanup(stop)
	return h, stop
}

func (l lab) client(address string, cfg Config) *Client {
	l.Helper()
	cfg.Dial = l.net.dial
	return newTestClient(l, address, cfg)
}

func (l lab) raw(address string) *rawClient {
	l.Helper()
	nc, err := l.net.dial(l.Context(), "tcp", address)
	if err != nil {
		l.Fatal(err)
	}
	return openRaw(l, nc, 10000)
}

// got returns what has come, after everything has come to rest.
func (r *rawClient) got() (got []Message) {
	r.t.Helper()
	synctest.Wait()
	for len(r.messages) > 0 {
		got = append(got, r.next())
	}
	return got
}

func (r *rawClient) expect(want ...Message) {
	r.t.Helper()
	if got := r.got(); !slices.Equal(got, want) {
		r.t.Fatalf("got %+v, want %+v", got, want)
	}
}

var (
	hello, ping, pong, invalid = Message{Kind: Hello}, Message{Kind: Ping}, Message{Kind: Pong}, Message{Kind: Invalid}
)

func pub(key, value string, ttl time.Duration) Message {
	return Message{Publish, Tuple{Key: key, Value: value, TTL: ttl}}
}
