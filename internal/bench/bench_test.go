package bench

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// onLAN runs a test in fake time, with that many servers, each on its own host, and a client's node.
func onLAN(t *testing.T, servers int, test func(t *testing.T, servers []*zre.Node, client *zre.Node)) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		addresses := []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}
		ctx, cancel := context.WithCancel(t.Context())
		start := func(host *zretest.Host) *zre.Node {
			node, err := zre.NewNode(zre.WithNetwork(host))
			if err == nil {
				err = node.Start(ctx)
			}
			if err != nil {
				t.Fatal(err)
			}
			return node
		}
		client := start(lan.Host("10.0.0.9"))
		var nodes []*zre.Node
		for i := range servers {
			node := start(lan.Host(addresses[i]))
			nodes = append(nodes, node)
			go func() {
				if err := Serve(ctx, node); err != nil {
					t.Error(err)
				}
			}()
		}
		test(t, nodes, client)
		cancel()
		for _, node := range append(nodes, client) {
			node.Close()
		}
	})
}

func meet(t *testing.T, node *zre.Node, servers int) *Client {
	t.Helper()
	c, err := Meet(t.Context(), node, servers)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSend(t *testing.T) {
	onLAN(t, 2, func(t *testing.T, _ []*zre.Node, node *zre.Node) {
		c := meet(t, node, 2)
		for _, test := range []struct {
			name            string
			load            Load
			sent, delivered int
			bytes           uint64
		}{
			{"whispers", Load{Size: 16, Count: 100}, 100, 100, 1600},
			{"shouts", Load{Shout: true, Size: 1000, Count: 50}, 50, 100, 100_000},
			{"empty ones", Load{Count: 10}, 10, 10, 0},
			{"given whispers", Load{Given: true, Size: 20_000, Count: 100}, 100, 100, 2_000_000},
			{"given shouts", Load{Given: true, Shout: true, Size: 20_000, Count: 50}, 50, 100, 2_000_000},
		} {
			rate, err := c.Send(t.Context(), test.load)
			if err != nil || rate.Sent != test.sent || rate.Delivered != uint64(test.delivered) || rate.Bytes != test.bytes {
				t.Errorf("%s: %+v, %v", test.name, rate, err)
			}
			if rate.There != (Cost{}) {
				t.Errorf("%s: servers of this process cost %+v elsewhere", test.name, rate.There)
			}
		}
		if got := c.Transports(); !slices.Equal(got, []string{"tcp"}) {
			t.Errorf("transports %q", got)
		}
	})
}

// A load that lasts for a time ends with it, and reports its progress.
func TestSendForATime(t *testing.T) {
	onLAN(t, 1, func(t *testing.T, _ []*zre.Node, node *zre.Node) {
		c := meet(t, node, 1)
		var parts []float64
		began := time.Now()
		took, err := c.Latency(t.Context(), Load{Size: 16, Time: time.Second, Progress: func(part float64) {
			parts = append(parts, part)
			time.Sleep(time.Millisecond) // fake time
		}})
		if lasted := time.Since(began); err != nil || lasted < time.Second || lasted > 2*time.Second {
			t.Errorf("it took %v, %v", lasted, err)
		}
		if len(took) == 0 || len(parts) != len(took) || parts[0] != 0 || !slices.IsSorted(parts) || parts[len(parts)-1] > 1 {
			t.Errorf("%d messages, %d reports of progress: %v", len(took), len(parts), parts)
		}
	})
}

// A server answers what the package comment says, and nothing else.
func TestServer(t *testing.T) {
	onLAN(t, 1, func(t *testing.T, servers []*zre.Node, node *zre.Node) {
		meet(t, node, 1)
		whisper := func(frames ...string) {
			t.Helper()
			var content [][]byte
			for _, frame := range frames {
				content = append(content, []byte(frame))
			}
			if err := node.Whisper(t.Context(), servers[0].UUID(), content...); err != nil {
				t.Fatal(err)
			}
		}
		if err := node.Shout(t.Context(), Group, []byte("four"), []byte("five5")); err != nil {
			t.Fatal(err)
		}
		whisper("three")
		whisper(version, "DANCE")
		whisper("ZRE-BENCH/2", reportRequest)
		whisper(version, reportRequest, "")
		whisper(version)
		whisper("Echo")
		whisper(version, reportRequest)
		whisper(version, reportRequest)
		var got []string
		for event := range node.AllEvents(t.Context()) {
			if e, ok := event.(zre.Whisper); ok {
				var frames []string
				for _, frame := range e.Frames {
					frames = append(frames, string(frame))
				}
				if got = append(got, strings.Join(frames, "|")); len(got) == 3 {
					break
				}
			}
		}
		for i, want := range []string{"Echo", version + "|messages=3 octets=25 process=", version + "|messages=0 octets=0 process="} {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("answer %d is %q, want %q", i, got[i], want)
			}
		}
	})
}

// A failed measurement is an error that says why.
func TestFailures(t *testing.T) {
	onLAN(t, 1, func(t *testing.T, servers []*zre.Node, node *zre.Node) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := Meet(ctx, node, 2); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 of 2") {
			t.Errorf("one of two servers: %v", err)
		}
		c := meet(t, node, 1)
		if _, err := c.Echo(t.Context(), 0); err == nil {
			t.Error("an empty echo")
		}
		time.AfterFunc(time.Second, func() { servers[0].Close() })
		_, err := c.Latency(t.Context(), Load{Size: 16, Time: time.Hour, Progress: func(float64) { time.Sleep(time.Millisecond) }}) // fake time
		if err == nil {
			t.Error("a server that left")
		}
		if _, err := c.Send(t.Context(), Load{Size: 16, Count: 1}); !errors.Is(err, zre.ErrUnknownPeer) {
			t.Errorf("a server that has left: %v", err)
		}
	})
}

func TestMesh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := zretest.NewLAN(t).Host("10.0.0.1")
		m, err := NewMesh(t.Context(), 5, 4, zre.WithNetwork(host))
		if err != nil {
			t.Fatal(err)
		}
		if m.Took <= 0 || len(m.Lost()) > 0 {
			t.Errorf("took %v, lost %v", m.Took, m.Lost())
		}
		m.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := NewMesh(ctx, 2, 2, zre.WithNetwork(host)); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "0 of 2") {
			t.Errorf("too few nodes: %v", err)
		}
	})
}

func TestParseReport(t *testing.T) {
	good := report{messages: 1, bytes: 2, process: "x", cost: Cost{3, 4, 5}}
	if got, err := parseReport(good.String()); err != nil || got != good {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "messages=1", strings.Replace(good.String(), "=2", "=-2", 1), strings.Replace(good.String(), "=1", "=one", 1),
		good.String() + " more=1", strings.Replace(good.String(), "process=x", "process="+strings.Repeat("x", 500), 1)} {
		if r, err := parseReport(text); err == nil {
			t.Errorf("%q was taken as %+v", text, r)
		}
	}
}

func TestStats(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}} {
		if got := Median(test.values); got != test.want {
			t.Errorf("median of %v is %v, want %v", test.values, got, test.want)
		}
	}
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for p, want := range map[float64]time.Duration{0: 1, 50: 51, 99: 100, 100: 100} {
		if got := Percentile(hundred, p); got != want {
			t.Errorf("percentile %v is %d, want %d", p, got, want)
		}
	}
	if got := Percentile(nil, 50); got != 0 {
		t.Errorf("percentile of nothing: %v", got)
	}
	if now, most := Resident(); now > most {
		t.Errorf("%d bytes resident, %d at most", now, most)
	}
}
