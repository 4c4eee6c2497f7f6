// Package routed has only tests: how nodes find each other beyond their own network (static peers, NAT, DNS SRV, gossip, routed multicast),
// as processes on private networks with a router between them (see package testbed), with ours and the foreign implementations on either
// side. `make peers` installs the latter; a test that lacks one says so.
package routed
