// Package sniff reads what nodes of ZRE send each other, from a network interface or from a file of captured packets: beacons (UDP), and ZRE's
// messages over ZMTP (TCP). It is `zre sniff`.
//
//	sniffer := sniff.New(sniff.Options{}, func(r *sniff.Record) { fmt.Println(r) })
//	err := sniffer.File(ctx, file)
//
// A Sniffer only looks: it sends nothing, and takes part in nothing. It understands Ethernet, VLANs, loopback, Linux's "any" and raw IP; beacons of
// versions 1 and 3, with and without a state; ZMTP 3 with NULL. Of CURVE it shows the handshake, and how much is sealed. In a connection whose
// beginning it has not seen, or of which packets are missing, it looks for the next message.
//
// Nothing that it reads is trusted, and what it keeps is bounded: at most maxStreams connections, reorderPages pages of packets that wait for an earlier
// one, and heldBytes of messages that are not whole. What is beyond is passed over.
package sniff
