//go:build linux

package harness

import (
	"fmt"
	"strings"
)

// target is what a row must reach; none if compare is empty.
type target struct {
	of      string // "ratio" or "ours"
	compare string // "at least", "at most", "below"
	limit   float64
}

func ratioAtLeast(limit float64) target { return target{"ratio", "at least", limit} }
func ratioAtMost(limit float64) target  { return target{"ratio", "at most", limit} }
func atMost(limit float64) target       { return target{"ours", "at most", limit} }
func below(limit float64) target        { return target{"ours", "below", limit} }

func (t target) String() string {
	if t.compare == "" {
		return ""
	}
	return strings.TrimPrefix(fmt.Sprintf("%s %s %g", t.of, t.compare, t.limit), "ours ")
}

// met tells whether a measured row reaches its target; nil if there is none.
func (t target) met(r *Row) *bool {
	value := r.Ours
	if t.of == "ratio" {
		value = r.Ratio
	}
	if t.compare == "" || value == nil {
		return nil
	}
	var met bool
	switch t.compare {
	case "at least":
		met = *value >= t.limit
	case "at most":
		met = *value <= t.limit
	case "below":
		met = *value < t.limit
	}
	return &met
}

// spec is a row before it is measured. Its name begins with that of its measurement.
type spec struct {
	name, unit string
	target     target
}

// The rows, in the table's order. The reference is the last part of a name, or what the measurement's file says.
var specs = []spec{
	{"whisper/tcp/16B/libzmq", perSecond, ratioAtLeast(1)},
	{"whisper/tcp/1KiB/libzmq", perSecond, ratioAtLeast(1)},
	{"whisper/tcp/64KiB/libzmq", perSecond, ratioAtLeast(1)},
	{"whisper/ipc/16B/libzmq", perSecond, ratioAtLeast(1)},
	{"whisper/ipc/1KiB/libzmq", perSecond, ratioAtLeast(1)},
	{"whisper/ipc/64KiB/libzmq", perSecond, ratioAtLeast(1)},
	{"whisper/inproc/16B/libzmq", perSecond, ratioAtLeast(2)},
	{"whisper/inproc/1KiB/libzmq", perSecond, ratioAtLeast(2)},
	{"whisper/inproc/64KiB/libzmq", perSecond, ratioAtLeast(2)},
	{"given/inproc/64KiB/libzmq", perSecond, ratioAtLeast(2)},
	{"whisper/CURVE/16B/libzmq", perSecond, ratioAtLeast(1)},
	{"whisper/CURVE/1KiB/libzmq", perSecond, ratioAtLeast(1)},
	{"whisper/CURVE/64KiB/libzmq", perSecond, ratioAtLeast(0.9)},
	{"handshake/CURVE", "us of CPU, both sides", below(1000)},
	{"processor/tcp/16B/libzmq", "us of CPU/message", atMost(1.5)},
	{"whisper/tcp/16B/zmq4", perSecond, target{}},
	{"whisper/tcp/1KiB/zmq4", perSecond, target{}},
	{"whisper/tcp/64KiB/zmq4", perSecond, target{}},
	{"whisper/tcp/16B/zyre", perSecond, target{}},
	{"whisper/tcp/16B/zyre.js", perSecond, target{}},
	{"whisper/tcp/16B/pyre", perSecond, target{}},
	{"latency/16B/p50/libzmq", "us round trip", ratioAtMost(1)},
	{"latency/16B/p99/libzmq", "us round trip", ratioAtMost(1)},
	{"shout/16B/8/whispers", "deliveries/s", ratioAtLeast(0.9)},
	{"shout/1KiB/8/whispers", "deliveries/s", ratioAtLeast(0.9)},
	{"shout/16B/64/whispers", "deliveries/s", ratioAtLeast(0.9)},
	{"shout/1KiB/64/whispers", "deliveries/s", ratioAtLeast(0.9)},
	{"allocations/sending/16B", "a message", below(0.01)}, // what runs beside it allocates now and then
	{"allocations/sending/1KiB", "a message", below(0.01)},
	{"allocations/sending/64KiB", "a message", below(0.01)},
	{"allocations/receiving/16B", "a message", atMost(2)},
	{"allocations/receiving/1KiB", "a message", atMost(2)},
	{"allocations/receiving/64KiB", "a message", atMost(2)},
	{"large/20MiB/copies", "copies on the way", atMost(1.2)},
	{"flood/p99/other peer", "ms round trip", below(5)},
	{"flood/p99/same peer", "ms round trip", target{}},
	{"flood/p99/PING-OK/16B", "ms round trip", below(5)},
	{"flood/p99/PING-OK/1KiB", "ms round trip", below(5)},
	{"flood/p99/PING-OK/64KiB", "ms round trip", below(5)},
	{"mesh/10/time", "ms, the worst run", atMost(20)},
	{"mesh/10/CURVE/time", "ms, the worst run", atMost(150)},
	{"mesh/100/time", "ms, the worst run", atMost(1000)},
	{"mesh/100/resident", "MiB", atMost(130)},
	{"mesh/100/idle", "% of one core", atMost(6)},
	{"mesh/300/time", "ms", atMost(10_000)},
	{"mesh/300/lost", "false EXITs", atMost(0)},
	{"peer/memory", "KiB/peer", atMost(24)},
	{"peer/goroutines", "goroutines/peer", atMost(4)},
	{"peer/idle", "us of CPU/s/peer", target{}},
	{"peer/idle allocations", "allocations/s/peer", target{}},
}

const perSecond = "messages/s"
