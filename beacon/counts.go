package beacon

// Counts are an agent's datagrams so far.
type Counts struct {
	Sent  uint64 // that the system took: a beacon is one for each interface and kind
	Heard uint64 // beacons of other nodes, as often as they arrived

	// Invalid: datagrams that were discarded, as they are no beacons, or come from where none can. The agents of a process that share sockets
	// count them together, from the time when the first one opened.
	Invalid uint64
}

// Counts returns what the agent has sent and heard so far.
func (a *Agent) Counts() Counts {
	a.station.mu.Lock()
	defer a.station.mu.Unlock()
	return Counts{Sent: a.sent.Load(), Heard: a.heard, Invalid: a.station.invalid.Load()}
}
