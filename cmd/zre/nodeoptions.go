package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/zre"
)

// A nodeOption is one option of a node that a command runs. It is set on the command line (--listen), in the environment (ZRE_LISTEN) or
// in the configuration file (listen).
type nodeOption struct {
	name       string
	value      string // a word for its value; "" for an on/off option
	usage      string
	repeatable bool                             // can be repeated
	choices    []string                         // possible values, for completion
	dependent  bool                             // whether a value is valid depends on other options
	takesKey   bool                             // an endpoint, optionally followed by |KEY for a secure node
	option     func(string) (zre.Option, error) // nil for key files
}

// nodeOptions declares the options of all commands.
var nodeOptions = []nodeOption{
	{name: "interface", value: "interface", repeatable: true, option: text(func(s string) zre.Option { return zre.WithInterfaces(s) }),
		usage: "a network interface to use: a name, a glob, an address or a CIDR; after ! one to leave out (default: all usable ones)"},
	{name: "port", value: "port", option: number(zre.WithBeaconPort, 1, 55535),
		usage: "the UDP port of the beacons (default 5670); only nodes with the same port meet"},
	{name: "name", value: "name", option: withName,
		usage: "the name that peers see (default: the command; of zre pipe and zre bench from the UUID)"},
	{name: "uuid", value: "UUID", option: withUUID, usage: "the node's UUID (default: random)"},
	{name: "header", value: "NAME=VALUE", repeatable: true, option: withHeader, usage: "a header that peers see"},
	{name: "listen", value: "endpoint", option: text(zre.WithListen),
		usage: "the endpoint to listen at, such as tcp://*:5671 or tcp://192.168.1.7:5671 (default: a free port from 49152 up)"},
	{name: "advertise", value: "endpoint", option: text(zre.WithAdvertise),
		usage: "the endpoint at which peers reach this node, such as tcp://203.0.113.7:5671, if it differs (NAT)"},
	{name: "peer", value: "endpoint", repeatable: true, takesKey: true, option: withPeer,
		usage: "the endpoint of a peer that beacons do not reach, such as tcp://host:5671; with --cert also its public key: 'tcp://host:5671|KEY'"},
	{name: "srv", value: "domain", repeatable: true, option: text(func(s string) zre.Option { return zre.WithSRV(s) }),
		usage: "a domain whose SRV records (_zre._tcp) name endpoints of peers"},
	{name: "resolver", value: "server", option: text(zre.WithDNSServer),
		usage: "the DNS server that --srv asks, such as 10.0.0.2 or 10.0.0.2:8600 (default: the system's)"},
	{name: "gossip-bind", value: "endpoint", repeatable: true, option: text(func(s string) zre.Option { return zre.WithGossipBind(s) }),
		usage: "run a gossip hub at this endpoint, such as tcp://*:5672"},
	{name: "gossip-connect", value: "endpoint", repeatable: true, takesKey: true, option: text(func(s string) zre.Option { return zre.WithGossipConnect(s) }),
		usage: "the endpoint of a gossip hub, such as tcp://hub:5672; with --cert also its public key: 'tcp://hub:5672|KEY'"},
	{name: "no-beacons", option: onOff(zre.WithoutBeacons), usage: "send and receive no beacons: find peers only by --peer, --srv and gossip"},
	{name: "ttl", value: "number", option: number(zre.WithMulticastTTL, 1, 255),
		usage: "the TTL of multicast beacons: one more than the number of routers that may forward them (default 1)"},
	{name: "group-address", value: "address", repeatable: true, option: withGroupAddress,
		usage: "a multicast address for beacons with a state (default 239.255.90.82)"},
	{name: "transport", value: "name", option: withTransport, choices: []string{"tcp", "ipc", "inproc"},
		usage: "how messages travel: tcp only, ipc within a host, or inproc within a process (default: the best that works)"},
	{name: "interval", value: "time", option: duration(zre.WithBeaconInterval),
		usage: "time between beacons, such as 500ms or 2s; a bare number counts milliseconds (default 1s)"},
	{name: "evasive", value: "time", dependent: true, option: duration(zre.WithEvasiveTimeout),
		usage: "how long a peer may be silent before this node pings it (default 5s)"},
	{name: "silent", value: "time", dependent: true, option: duration(zre.WithSilentTimeout),
		usage: "how long a peer may be silent, although pinged, before it is reported as silent (default: twice --evasive)"},
	{name: "expired", value: "time", dependent: true, option: duration(zre.WithExpiredTimeout),
		usage: "how long a peer may be silent before this node removes it (default 30s)"},
	{name: "send-timeout", value: "time", option: duration(zre.WithSendTimeout),
		usage: "how long a peer may take no messages before this node removes it (default 5s)"},
	{name: "linger", value: "time", option: duration(zre.WithLinger), usage: "how long to keep sending queued messages at the end (default 5s)"},
	{name: "cert", value: "path", usage: "the certificate of a secure node, made by zre keygen; a secure node meets only secure nodes"},
	{name: "authorize", value: "path", repeatable: true, usage: "with --cert: let in only nodes whose certificates are at this path, a file or a folder (default: all secure nodes)"},
	{name: "share-stats", option: onOff(zre.WithSharedStats), usage: "let peers ask for this node's statistics, as zre top and zre map do"},
	{name: "state-by-broadcast", option: onOff(zre.WithStateByBroadcast),
		usage: "send beacons with a state by broadcast; IT KILLS PYRE: every pyre node that receives one dies"},
	{name: "elections-to-all", option: onOff(zre.WithElectionsToAll),
		usage: "send ELECT and LEADER to all members of a group, for C zyre nodes that do not contest; pyre and zyre.js then drop this node, gyre dies"},
}

// environment returns the option's environment variable.
func (o *nodeOption) environment() string {
	return "ZRE_" + strings.ToUpper(strings.ReplaceAll(o.name, "-", "_"))
}

// check reports what is wrong with a value.
func (o *nodeOption) check(s string) error {
	if o.option == nil {
		if s == "" {
			return errors.New("want a path")
		}
		return nil
	}
	if endpoint, key, ok := strings.Cut(s, "|"); ok && o.takesKey { // whether there is a certificate is checked later
		if _, err := zre.ParsePublicKey(key); err != nil {
			return fmt.Errorf("the public key after the bar: %w", err)
		}
		s = endpoint
	}
	option, err := o.option(s)
	if err != nil || option == nil || o.dependent || strings.Contains(s, "|") { // an endpoint with a key needs --cert
		return keyfiles.PlainError(err)
	}
	_, err = zre.NewNode(option)
	if err = keyfiles.PlainError(err); err != nil {
		if _, why, ok := strings.Cut(err.Error(), strconv.Quote(s)+": "); ok { // the caller's message names the value already
			err = errors.New(why)
		}
	}
	return err
}
