// Package srv finds the endpoints of peers in DNS SRV records (RFC 2782), for networks that beacons do not cross.
//
//	name, err := srv.Name("example.org") // _zre._tcp.example.org
//	w := &srv.Watcher{Name: name, Resolver: &srv.Resolver{}, OnChange: dial}
//	go w.Run(life) // calls dial with the first answer, and whenever the set of endpoints changes
//
// What is found are seeds to dial, not a membership: a record that goes says nothing about its peer, and when the DNS fails, the
// last good answer stays. That nobody is there by a name is an answer: a node often runs before its own record is there.
//
// A [Resolver] asks the servers of /etc/resolv.conf, or one that it is told, by UDP and then by TCP if the answer is too large. The library
// github.com/miekg/dns reads that file, and makes and takes apart names, questions and records. The net package's resolver is not used where that
// can be helped, because it hides the TTL. A Resolver trusts its server to tell
// the truth, but not to be well: whatever a server sends costs bounded memory, time and questions.
//
// Where there is no /etc/resolv.conf, as on Windows, the net package asks, every 30 s.
package srv
