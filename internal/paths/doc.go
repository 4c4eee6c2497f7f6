// Package paths holds the addresses where peers may be reached. It is plain data: the caller passes the time, the interfaces and the random
// numbers, and decides what follows. It starts no goroutine and does no input or output.
//
//   - [Set] holds the endpoints of one peer, and puts the best first.
//   - [Index] finds the sessions that lead to an address.
//   - [Unverified] bounds the dials that beacons cause.
//   - [Departures] remembers the peers that have just left.
//   - [Parse], [Split] and [Format] read and write ZRE endpoints; [Usable] says which endpoints named by others may be dialled.
package paths
