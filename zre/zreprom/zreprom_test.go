package zreprom_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zreprom"
	"github.com/go-zre/go-zre/zre/zretest"
)

// registered returns a registry that checks what its collector says of itself.
func registered(t testing.TB, node *zre.Node) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(zreprom.NewCollector(node)); err != nil {
		t.Fatal(err)
	}
	return r
}

// The metrics keep Prometheus' conventions, before the start and after the end too.
func TestLint(t *testing.T) {
	node, err := zre.NewNode(zre.WithName("a \xff name"))
	if err != nil {
		node, err = zre.NewNode()
	}
	if err != nil {
		t.Fatal(err)
	}
	r := registered(t, node)
	for range 2 {
		problems, err := testutil.GatherAndLint(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
		if n, err := testutil.GatherAndCount(r); err != nil || n < 50 || n > 120 {
			t.Errorf("%d series, %v", n, err)
		}
		node.Close()
	}
}

func TestCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		here := lan.Host("10.0.0.1")
		a := zretest.Start(t, here, zre.WithName("a"), zre.WithPeers("tcp://10.0.0.99:5671"))
		b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("b"))
		c := zretest.Start(t, here, zre.WithName("c"))
		if err := c.Join("G"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // fake time
		for range 3 {
			if err := a.Whisper(t.Context(), b.UUID(), []byte("12345")); err != nil {
				t.Fatal(err)
			}
			if err := a.Shout(t.Context(), "G", []byte("123")); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second) // fake time
		c.Close()
		time.Sleep(time.Second) // fake time
		r := registered(t, a.Node)
		want := fmt.Sprintf(`
# HELP zre_enters_total Peers that entered.
# TYPE zre_enters_total counter
zre_enters_total 2
# HELP zre_exits_total Peers that exited, by reason.
# TYPE zre_exits_total counter
zre_exits_total{reason="crashed"} 0
zre_exits_total{reason="expired"} 0
zre_exits_total{reason="left"} 1
zre_exits_total{reason="lost messages"} 0
zre_exits_total{reason="not responding"} 0
zre_exits_total{reason="refused"} 0
zre_exits_total{reason="replaced"} 0
zre_exits_total{reason="unreachable"} 0
# HELP zre_node_info The node; the value is 1.
# TYPE zre_node_info gauge
zre_node_info{name="a",uuid="%s",version="%s"} 1
# HELP zre_node_start_time_seconds When the node was started, since the epoch; 0 before that.
# TYPE zre_node_start_time_seconds gauge
zre_node_start_time_seconds 9.466848e+08
# HELP zre_peers Peers that are present, by how messages reach them.
# TYPE zre_peers gauge
zre_peers{transport="inproc"} 0
zre_peers{transport="ipc"} 0
zre_peers{transport="tcp"} 1
# HELP zre_sent_bytes_total Bytes of whispers and shouts that were accepted to be sent, without headers.
# TYPE zre_sent_bytes_total counter
zre_sent_bytes_total{transport="inproc"} 9
zre_sent_bytes_total{transport="ipc"} 0
zre_sent_bytes_total{transport="tcp"} 15
# HELP zre_sent_messages_total Whispers and shouts that were accepted to be sent; a shout counts for each member.
# TYPE zre_sent_messages_total counter
zre_sent_messages_total{kind="shout",transport="inproc"} 3
zre_sent_messages_total{kind="shout",transport="ipc"} 0
zre_sent_messages_total{kind="shout",transport="tcp"} 0
zre_sent_messages_total{kind="whisper",transport="inproc"} 0
zre_sent_messages_total{kind="whisper",transport="ipc"} 0
zre_sent_messages_total{kind="whisper",transport="tcp"} 3
`, a.UUID(), zre.Version())
		var names []string
		for line := range strings.Lines(want) {
			if fields := strings.Fields(line); len(fields) == 4 && fields[1] == "TYPE" {
				names = append(names, fields[2])
			}
		}
		if err := testutil.GatherAndCompare(r, strings.NewReader(want), names...); err != nil {
			t.Error(err)
		}
		if n := testutil.CollectAndCount(zreprom.NewCollector(a.Node), "zre_problems"); n < 14 {
			t.Errorf("%d kinds of problem", n)
		}
		got, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		problems := make(map[string]float64)
		for _, f := range got {
			if f.GetName() == "zre_problems" {
				for _, m := range f.GetMetric() {
					problems[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
				}
			}
		}
		if problems["unreachable"] != 1 || problems["DNS"] != 0 {
			t.Errorf("problems: %v", problems)
		}
	})
}

// Two nodes of a program are told apart by a label.
func TestTwoNodes(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	for _, name := range []string{"alice", "bob"} {
		node, err := zre.NewNode(zre.WithName(name))
		if err != nil {
			t.Fatal(err)
		}
		defer node.Close()
		if err := prometheus.WrapRegistererWith(prometheus.Labels{"node": name}, r).Register(zreprom.NewCollector(node)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := testutil.GatherAndCount(r, "zre_node_info"); err != nil || n != 2 {
		t.Errorf("%d series, %v", n, err)
	}
}

func BenchmarkCollect(b *testing.B) {
	node, err := zre.NewNode()
	if err != nil {
		b.Fatal(err)
	}
	defer node.Close()
	r := registered(b, node)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
