// Package srv finds the endpoints of peers in DNS SRV records (RFC 2782), for networks that beacons do not cross.
//
//	name, err := srv.Name("example.org") // _zre._tcp.example.org
//	w := &srv.Watcher{Name: name, Resolver: &srv.Resolver{}, OnChange: dial}
//	go w.Run(life) // calls dial with the first answer, and whenever the set of endpoints changes
//
// The result is seeds to dial, not a membership: a removed record says nothing about its peer, and when the DNS fails, the last good answer
// stays. That a name has no records is an answer too: a node often runs before its own record is there.
//
// A [Resolver] asks the servers of /etc/resolv.conf, or a given one, by UDP and then by TCP if the answer is too large. The library
// github.com/miekg/dns reads that file, and encodes and parses names, questions and records. The net package's resolver is avoided if
// possible, because it hides the TTL. A Resolver trusts its server to tell the truth, but not to be healthy: whatever a server sends costs
// bounded memory, time and questions.
//
// If there is no /etc/resolv.conf, as on Windows, the net package asks, every 30 s.
package srv
