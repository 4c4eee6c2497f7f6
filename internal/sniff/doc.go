// Package sniff reads what ZRE nodes send each other, from a network interface or from a file of captured packets: beacons (UDP), and ZRE's
// messages over ZMTP (TCP). It is `zre sniff`.
//
//	sniffer := sniff.New(sniff.Options{}, func(r *sniff.Record) { fmt.Println(r) })
//	err := sniffer.File(ctx, file)
//
// A Sniffer only looks: it sends nothing, and takes part in nothing. It understands Ethernet, VLANs, loopback, Linux's "any" and raw IP;
// beacons of versions 1 and 3, with and without a state; ZMTP 3 with NULL. For CURVE it shows the handshake, and how much is sealed. If it
// has not seen the beginning of a connection, or packets are missing, it looks for the next message.
//
// Nothing that it reads is trusted, and what it keeps is bounded: at most maxStreams connections, reorderPages pages of packets that wait
// for an earlier one, and heldBytes of incomplete messages. Anything beyond is skipped.
package sniff
