package zreprom

import (
	"strings"

	"github.com/go-zre/go-zre/zre"
)

// The metrics. Their names are part of the API: dashboards and alerts of others hold them.
var metrics = []metric{
	gauge("zre_node_info", "The node; the value is 1.", readNode, "name", "uuid", "version"),
	gauge("zre_node_start_time_seconds", "When the node was started, since the epoch; 0 before that.", readStart),

	gauge("zre_peers", "Peers that are present, by how messages reach them.", readPeers, "transport"),
	gauge("zre_sessions", "Sessions with peers, present or not, by state.", readSessions, "state"),
	gauge("zre_problems", "Problems that are not solved, by kind.", readProblems, "kind"),
	plainCounter("zre_enters_total", "Peers that entered.", func(s *sample) uint64 { return s.Enters }),
	counter("zre_exits_total", "Peers that exited, by reason.", readExits, "reason"),
	plainCounter("zre_leader_changes_total", "Elections of groups that ended.", func(s *sample) uint64 { return s.LeaderChanges }),

	counter("zre_sent_messages_total", "Whispers and shouts that were accepted to be sent; a shout counts for each member.", readSent, "transport", "kind"),
	counter("zre_sent_bytes_total", "Bytes of whispers and shouts that were accepted to be sent, without headers.", readSentBytes, "transport"),
	counter("zre_received_messages_total", "Whispers and shouts that were received.", readReceived, "transport", "kind"),
	counter("zre_received_bytes_total", "Bytes of whispers and shouts that were received, without headers.", readReceivedBytes, "transport"),
	plainCounter("zre_lost_messages_total", "Messages that were accepted, and not written when the session with their peer ended.",
		func(s *sample) uint64 { return s.Lost }),
	plainCounter("zre_discarded_messages_total", "Messages that came to a node which discards them.", func(s *sample) uint64 { return s.Discarded }),
	plainCounter("zre_unwanted_messages_total", "Shouts that came for a group that the node is not in.", func(s *sample) uint64 { return s.Unwanted }),
	plainCounter("zre_invalid_messages_total", "Messages that are none of the protocol's.", func(s *sample) uint64 { return s.Invalid }),

	plainCounter("zre_requests_sent_total", "Requests that the node sent.", func(s *sample) uint64 { return s.Requests }),
	plainCounter("zre_replies_received_total", "Replies that came for requests of the node.", func(s *sample) uint64 { return s.Replies }),
	plainCounter("zre_stray_replies_total", "Replies that no request waited for.", func(s *sample) uint64 { return s.StrayReplies }),
	plainGauge("zre_waiting_requests", "Requests of the node that wait for their reply.", func(s *sample) int { return s.WaitingRequests }),
	plainGauge("zre_waiting_requests_limit", "The bound on the requests that wait.", func(s *sample) int { return s.Limits.Requests }),

	plainGauge("zre_send_queue_messages", "Messages that wait to be sent, over all peers.", func(s *sample) int { return s.QueuedMessages }),
	plainGauge("zre_send_queue_bytes", "Bytes that wait to be sent, over all peers, with headers.", func(s *sample) int64 { return s.QueuedBytes }),
	plainGauge("zre_send_queue_memory_bytes", "Memory of the queues to peers, beyond 16 KiB each.", func(s *sample) int64 { return s.QueueMemory }),
	plainGauge("zre_send_queue_memory_limit_bytes", "The bound on the memory of the queues to peers.", func(s *sample) int64 { return s.Limits.TotalQueueBytes }),
	plainGauge("zre_receive_memory_bytes", "Memory of messages that are partly received, beyond 16 KiB each.",
		func(s *sample) int64 { return s.ReceiveMemory }),
	plainGauge("zre_receive_memory_limit_bytes", "The bound on the memory of messages that are partly received.", func(s *sample) int64 { return s.Limits.PartialBytes }),
	plainGauge("zre_event_queue_messages", "Whispers and shouts that wait to be read by the application.", func(s *sample) int { return s.WaitingEvents }),
	plainGauge("zre_event_queue_limit_messages", "The bound on the messages that wait to be read.", func(s *sample) int { return s.Limits.Events }),
	plainGauge("zre_event_queue_bytes", "Bytes of whispers and shouts that wait to be read by the application.", func(s *sample) int64 { return s.WaitingBytes }),
	plainGauge("zre_event_queue_limit_bytes", "The bound on the bytes that wait to be read.", func(s *sample) int64 { return s.Limits.EventBytes }),

	plainCounter("zre_dials_total", "Attempts to connect to a peer.", func(s *sample) uint64 { return s.Dials }),
	plainCounter("zre_dials_failed_total", "Attempts to connect to a peer that failed.", func(s *sample) uint64 { return s.DialsFailed }),
	plainCounter("zre_connections_accepted_total", "Connections that the node's listeners accepted.", func(s *sample) uint64 { return s.Accepted }),
	plainCounter("zre_connections_refused_total", "Connections that were refused: no room, not allowed, or an identity in use.",
		func(s *sample) uint64 { return s.Refused }),
	plainCounter("zre_handshakes_failed_total", "Connections whose handshake failed.", func(s *sample) uint64 { return s.HandshakesFailed }),
	plainCounter("zre_protocol_errors_total", "Connections that ended since the peer broke the protocol.", func(s *sample) uint64 { return s.ProtocolErrors }),
	plainCounter("zre_beacons_sent_total", "Beacons that were sent, as datagrams.", func(s *sample) uint64 { return s.BeaconsSent }),
	plainCounter("zre_beacons_heard_total", "Beacons of other nodes that were heard, as datagrams.", func(s *sample) uint64 { return s.BeaconsHeard }),
	plainCounter("zre_beacons_invalid_total", "Datagrams on the beacons' ports that are no beacons.", func(s *sample) uint64 { return s.BeaconsInvalid }),
}

func readNode(s *sample, emit func(float64, ...string)) {
	emit(1, s.node.Name(), s.node.UUID().String(), zre.Version())
}

func readStart(s *sample, emit func(float64, ...string)) {
	if s.Started.IsZero() {
		emit(0)
		return
	}
	emit(float64(s.Started.UnixMilli()) / 1000)
}

func readPeers(s *sample, emit func(float64, ...string)) {
	for name, t := range s.Transports {
		emit(float64(t.Peers), name)
	}
}

func readSessions(s *sample, emit func(float64, ...string)) {
	for state, count := range s.Sessions {
		emit(float64(count), state)
	}
}

// readProblems has all kinds, so that an alert need not know which there are.
func readProblems(s *sample, emit func(float64, ...string)) {
	count := make(map[string]int)
	for kind := zre.ProblemKind(1); !strings.HasPrefix(kind.String(), "problem "); kind++ {
		count[kind.String()] = 0
	}
	for _, p := range s.node.Problems() {
		count[p.Kind.String()]++
	}
	for kind, n := range count {
		emit(float64(n), kind)
	}
}

func readExits(s *sample, emit func(float64, ...string)) {
	for reason, count := range s.Exits {
		emit(float64(count), reason.String())
	}
}

func readSent(s *sample, emit func(float64, ...string)) {
	for name, t := range s.Transports {
		emitTraffic(emit, name, t.Sent)
	}
}

func readReceived(s *sample, emit func(float64, ...string)) {
	for name, t := range s.Transports {
		emitTraffic(emit, name, t.Received)
	}
}

func emitTraffic(emit func(float64, ...string), transport string, t zre.Traffic) {
	emit(float64(t.Whispers), transport, "whisper")
	emit(float64(t.Shouts), transport, "shout")
}

func readSentBytes(s *sample, emit func(float64, ...string)) {
	for name, t := range s.Transports {
		emit(float64(t.Sent.Bytes), name)
	}
}

func readReceivedBytes(s *sample, emit func(float64, ...string)) {
	for name, t := range s.Transports {
		emit(float64(t.Received.Bytes), name)
	}
}
