// Package zretest simulates networks of ZRE nodes, to test what an application does when its peers crash, freeze, or are cut
// off. Nodes run unchanged; only their sockets are simulated. In a bubble of testing/synctest minutes of their time pass in
// milliseconds, and the tests need no sleeps that are long enough:
//
//	func TestPartition(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			lan := zretest.NewLAN(t)
//			a, b := lan.Host("10.0.0.1"), lan.Host("10.0.0.2")
//			alice := zretest.Start(t, a, zre.WithName("alice"))
//			bob := zretest.Start(t, b, zre.WithName("bob"))
//			zretest.Next[zre.Enter](alice)
//
//			lan.Partition(b)
//			zretest.Next[zre.Exit](alice) // half a minute later, at once
//
//			lan.Heal()
//			zretest.Next[zre.Enter](alice)
//			_ = bob
//		})
//	}
//
// If an application makes its own node, put that node on the network with zre.WithNetwork(lan.Host("10.0.0.1")).
//
// # The network
//
// A [LAN] has hosts with interfaces, addresses and processes ([LAN.Host], [Host.Process]). A [Link] delays, loses, repeats and
// reorders what they send, by the LAN's seed. [LAN.Partition], [LAN.Block] and [LAN.Heal] cut hosts off; [Host.Freeze],
// [Host.Kill], [Host.Crash] and [Host.ResetConnections] do what their names say; interfaces go down, come up, and get other
// addresses.
//
// Simulated are: datagrams with broadcast and multicast, by IPv4 and, with the option [IPv6], by IPv6 too; TCP connections as an
// application sees them, with connecting, full buffers, end of stream, resets, retransmission and keepalive, with the times of
// Linux; unix sockets between the processes of a host; a router between subnets ([LAN.SetRouting]); and host names
// ([LAN.SetHostName]). Multicast through a router and congestion are not simulated.
//
// # The nodes
//
// [Start] and [Watch] record a node's events and check each against a [EventChecker], the rules that package zre promises. With [Number]
// they also check that no message is lost or out of order.
//
// # Other implementations
//
// A [Foreign] is a model of a node of C zyre, pyre or zyre.js, with the peculiarities of each: how it handles a broken connection and
// a second HELLO, when it sends PING, which beacons it accepts, and how a ROUTER of libzmq treats two connections with one identity.
// The model of C zyre elects leaders ([ForeignContests]). The models are compared with the real ones, message by message.
//
// # Fake time
//
// A LAN also works in real time; a test then takes real time. In a bubble, time stands still while any goroutine can run. A goroutine
// that waits for a mutex counts as one that can run, so hold no mutex while you wait for something that takes time, such as a node's
// Close.
//
// [Run] repeats a test with many seeds.
package zretest
