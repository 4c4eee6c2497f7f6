// Package zreprom makes metrics for Prometheus from the figures of a node (zre.Stats):
//
//	prometheus.MustRegister(zreprom.NewCollector(node))
//	http.Handle("/metrics", promhttp.Handler())
//
// If a program has several nodes, give each a label:
//
//	prometheus.WrapRegistererWith(prometheus.Labels{"node": "alice"}, prometheus.DefaultRegisterer).MustRegister(zreprom.NewCollector(alice))
//
// The figures are read when Prometheus asks for them: nothing runs in between, and messages cost no more. No label has a value that comes from another node,
// so there are some 95 series a node, however many peers there are. docs/operating.md lists the metrics, and dashboard.json, beside this file, is
// a dashboard for Grafana.
//
// It is a package of its own so that programs without Prometheus do not link its client.
package zreprom

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/go-zre/go-zre/zre"
)

// NewCollector returns a collector of a node's metrics. The node may be started, and closed, at any time.
func NewCollector(node *zre.Node) prometheus.Collector { return &collector{node} }

type collector struct{ node *zre.Node }

// Describe implements prometheus.Collector.
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for i := range metrics {
		descs <- metrics[i].desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(into chan<- prometheus.Metric) {
	s := sample{node: c.node, Stats: c.node.Stats()}
	for i := range metrics {
		m := &metrics[i]
		m.read(&s, func(value float64, labels ...string) {
			for i := range labels { // the name of the node may be any octets
				labels[i] = strings.ToValidUTF8(labels[i], "\ufffd")
			}
			into <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
		})
	}
}

// A sample is a node's figures of one moment.
type sample struct {
	node *zre.Node
	zre.Stats
}

// A metric says how its values are read.
type metric struct {
	name string
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(s *sample, emit func(value float64, labels ...string))
}

// gauge and counter make a metric with labels, plainGauge and plainCounter one without.
func gauge(name, help string, read func(*sample, func(float64, ...string)), labels ...string) metric {
	return metric{name, prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue, read}
}

func counter(name, help string, read func(*sample, func(float64, ...string)), labels ...string) metric {
	return metric{name, prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue, read}
}

func plainGauge[N int | int64](name, help string, value func(*sample) N) metric {
	return gauge(name, help, func(s *sample, emit func(float64, ...string)) { emit(float64(value(s))) })
}

func plainCounter(name, help string, value func(*sample) uint64) metric {
	return counter(name, help, func(s *sample, emit func(float64, ...string)) { emit(float64(value(s))) })
}
