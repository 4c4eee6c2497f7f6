// Package beacon finds the nodes of a network by UDP: it has the octets of ZRE's beacons, the sockets that carry them, and the network
// interfaces that they go through (RFC 36/ZRE, "Node Discovery and Presence").
//
// A node opens an [Agent], whose handler gets every beacon that other nodes send (a [Sighting]), announces itself when its mailbox listens,
// and closes the agent, which sends a farewell:
//
//	agent, err := beacon.Open(beacon.Config{
//		UUID:    uuid.New(),
//		Handler: func(s beacon.Sighting) { ... }, // must not block
//	})
//	if err != nil { ... }
//	defer agent.Close()
//	agent.Announce(mailboxPort, beacon.Idle)
//
// There are two kinds of beacon. The classic one of RFC 36 has 22 octets and goes by subnet broadcast to UDP port 5670, where every
// implementation of ZRE listens. The state beacon has one octet more, which says what its sender is doing now ([State]). It goes by
// multicast to another port, 15670, because a beacon of any length other than 22 on port 5670 crashes a pyre node. Agents always hear both
// kinds; [Config].Addresses decides which are sent.
//
// A node with a CURVE key ([Config].Key) puts it into each of its beacons, which then have 54 and 55 octets, like those of C zyre. It sends
// no others: a plain node and one with a key do not talk to each other. Both hear all beacons, and a Sighting contains the key. By IPv4
// those 54 octets go to 255.255.255.255, which C zyre hears and pyre on Linux does not.
//
// Both kinds go by IPv4 and by IPv6 at once, wherever an interface has an address of the family. IPv6 has no broadcast: there classic
// beacons go to all nodes of the link ([AllNodes]), as C zyre sends them in its IPv6 mode, and state beacons to another group
// ([DefaultGroup6]). A node that is heard by both is one node, by its UUID, with two addresses.
//
// All agents of a process share the sockets, a pair for each address family, and read each datagram once, so that hundreds of nodes fit
// into a process. They follow the network interfaces: when an interface comes, changes or regains its carrier, and when the machine has
// slept, they scan at once (on Linux the kernel reports changes; elsewhere within a second) and send beacons like newcomers. Below the
// sockets is a [Network]: the operating system ([System]), or a simulated one in tests.
package beacon

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Lengths of a beacon in octets. The state, if there is one, is a single octet at the end.
const (
	classicSize = 22                    // "ZRE", version 1, UUID, port: RFC 36
	keyedSize   = classicSize + keySize // the same with version 3, then the CURVE key: C zyre
	keySize     = 32
)

// Versions of the beacon, the fourth octet.
const (
	versionClassic = 1
	versionKeyed   = 3
)

// A Key is a long-term CURVE public key, raw. The zero Key stands for none. A beacon proves nothing: anyone can put any key into a beacon.
type Key [keySize]byte

// IsZero tells whether there is no key.
func (k Key) IsZero() bool { return k == Key{} }

// check reports a key that cannot be sent. C zyre looks only at the first octet to see whether a beacon has a key.
func (k Key) check() error {
	if k[0] == 0 && !k.IsZero() {
		return errors.New("beacon: Key: its first byte is 0, which C zyre treats as no key, want another key")
	}
	return nil
}

// A Beacon is what one datagram says about its sender. Beacons are plain values and can be compared with ==.
type Beacon struct {
	UUID  uuid.UUID // the sender
	Port  uint16    // TCP port of the sender's mailbox; 0: the sender leaves
	State State     // what the sender is doing; Unknown: the beacon has no state octet
	Key   Key       // the sender's CURVE key (version 3); zero: the beacon has none (version 1)
}

// Leaving tells whether the beacon is a farewell: port 0 (RFC 36) or state EXIT.
func (b Beacon) Leaving() bool { return b.Port == 0 || b.State == Exit }

// Parse reads the beacon that fills all of b, which it neither keeps nor changes. It accepts only the exact forms: 22 octets (RFC 36), 54
// (version 3, with a CURVE key), and each with one more octet for the state. Everything else is an error; RFC 36 wants such a datagram
// discarded silently.
func Parse(b []byte) (Beacon, error) {
	beacon := Beacon{State: Unknown}
	switch len(b) {
	case classicSize, keyedSize:
	case classicSize + 1, keyedSize + 1:
		last := len(b) - 1
		if beacon.State = State(b[last]); !beacon.State.valid() {
			return Beacon{}, fmt.Errorf("beacon: state byte %d is none of 0 to %d", b[last], Processing)
		}
		b = b[:last]
	default:
		return Beacon{}, fmt.Errorf("beacon: %d bytes, a beacon has 22, 23, 54 or 55", len(b))
	}
	version := byte(versionClassic)
	if len(b) == keyedSize {
		version = versionKeyed
	}
	if string(b[:3]) != "ZRE" || b[3] != version {
		return Beacon{}, fmt.Errorf("beacon: header %q, want %q in %d bytes", b[:4], "ZRE"+string(rune(version)), len(b))
	}
	copy(beacon.UUID[:], b[4:20])
	beacon.Port = binary.BigEndian.Uint16(b[20:classicSize])
	copy(beacon.Key[:], b[classicSize:])
	if version == versionKeyed && beacon.Key.IsZero() {
		return Beacon{}, fmt.Errorf("beacon: version 3 with a CURVE key of zeros")
	}
	return beacon, nil
}

// Append appends the beacon's octets to dst: 22, plus 32 if it has a key, plus 1 if it has a state (0 to 5).
func (b Beacon) Append(dst []byte) []byte {
	version := byte(versionClassic)
	if !b.Key.IsZero() {
		version = versionKeyed
	}
	dst = append(dst, 'Z', 'R', 'E', version)
	dst = append(dst, b.UUID[:]...)
	dst = binary.BigEndian.AppendUint16(dst, b.Port)
	if version == versionKeyed {
		dst = append(dst, b.Key[:]...)
	}
	if b.State.valid() {
		dst = append(dst, byte(b.State))
	}
	return dst
}
