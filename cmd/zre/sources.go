package main

import (
	"errors"
	"flag"
	"net/netip"
	"strconv"

	"github.com/go-zre/go-zre/zre"
)

// sourceFlags adds the options that say where a node is found, and where else than by beacons on its own network it finds others.
func (c *pipeConfig) sourceFlags(flags *flag.FlagSet) {
	// What is wrong with a value is said with the name of the flag.
	add := func(option zre.Option) error {
		_, err := zre.NewNode(option)
		c.node = append(c.node, option)
		return err
	}
	for _, o := range []struct {
		name, usage string
		option      func(string) zre.Option
	}{
		{"listen", "the `endpoint` to listen at, as tcp://*:5671 or tcp://192.168.1.7:5671 (default: a free port from 49152 up)", zre.WithListen},
		{"advertise", "the `endpoint` at which peers reach this node, as tcp://203.0.113.7:5671 (default: its own; for NAT)", zre.WithAdvertise},
		{"peer", "the `endpoint` of a peer that beacons do not reach, as tcp://host:5671 (repeatable)",
			func(s string) zre.Option { return zre.WithPeers(s) }},
		{"srv", "a `domain` whose SRV records (_zre._tcp) name such endpoints (repeatable)",
			func(s string) zre.Option { return zre.WithSRV(s) }},
		{"resolver", "the DNS `server` that --srv asks, as 10.0.0.2 or 10.0.0.2:8600 (default: the system's)", zre.WithDNSServer},
		{"gossip-bind", "be a gossip hub at that `endpoint`, as tcp://*:5672 (repeatable)",
			func(s string) zre.Option { return zre.WithGossipBind(s) }},
		{"gossip-connect", "the `endpoint` of a gossip hub, as tcp://hub:5672 (repeatable)",
			func(s string) zre.Option { return zre.WithGossipConnect(s) }},
	} {
		flags.Func(o.name, o.usage, func(s string) error {
			if s == "" {
				return errors.New("want a value; leave the option out for its default")
			}
			return add(o.option(s))
		})
	}
	flags.BoolFunc("no-beacons", "neither send nor hear beacons: find peers by --peer, --srv and gossip alone", func(s string) error {
		switch without, err := strconv.ParseBool(s); {
		case err != nil:
			return errors.New("want true or false")
		case without:
			c.node = append(c.node, zre.WithoutBeacons())
		}
		return nil
	})
	flags.Func("ttl", "how far beacons with a state travel: one more than the `routers` that may pass them on (default 1)", func(s string) error {
		ttl, err := strconv.Atoi(s)
		if err != nil {
			return errors.New("want a number from 1 to 255")
		}
		return add(zre.WithMulticastTTL(ttl))
	})
	flags.Func("group-address", "the multicast `address` of beacons with a state (default 239.255.90.82)", func(s string) error {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return errors.New("want a multicast address of IPv4, such as 239.255.90.82")
		}
		return add(zre.WithMulticastGroup(addr))
	})
}
