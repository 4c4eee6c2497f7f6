package beacon

// Counts are an agent's datagrams so far.
type Counts struct {
	Sent  uint64 // accepted by the system: a beacon is one for each interface and kind
	Heard uint64 // beacons of other nodes, each as often as it arrived

	// Invalid counts discarded datagrams, which are no beacons, or come from where none can. Agents of a process that share sockets count
	// them together, from when the first one opened.
	Invalid uint64
}

// Counts returns what the agent has sent and heard so far.
func (a *Agent) Counts() Counts {
	a.station.mu.Lock()
	defer a.station.mu.Unlock()
	return Counts{Sent: a.sent.Load(), Heard: a.heard, Invalid: a.station.invalid.Load()}
}
