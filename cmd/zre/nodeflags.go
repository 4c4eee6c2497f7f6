package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/zre"
)

// A nodeOption is one option of a node that a command runs. It is set on the command line (--listen), in the environment (ZRE_LISTEN) or
// in the configuration file (listen).
type nodeOption struct {
	name   string
	value  string // a word for its value; "" for an on/off option
	usage  string
	many   bool                             // can be repeated
	choose []string                         // possible values, for completion
	paired bool                             // whether a value is valid depends on other options
	keyed  bool                             // an endpoint, optionally followed by |KEY for a secure node
	option func(string) (zre.Option, error) // nil for key files
}

// nodeOptions declares the options of all commands.
var nodeOptions = []nodeOption{
	{name: "interface", value: "interface", many: true, option: text(func(s string) zre.Option { return zre.WithInterfaces(s) }),
		usage: "a network interface to use: a name, a glob, an address or a CIDR; ! before it leaves it out (default: every usable one)"},
	{name: "port", value: "port", option: number(zre.WithBeaconPort, 1, 55535),
		usage: "the UDP port of the beacons (default 5670); nodes with different ports do not find each other"},
	{name: "name", value: "name", option: withName,
		usage: "the name that peers see (default: that of the command; for zre pipe the beginning of the UUID)"},
	{name: "uuid", value: "UUID", option: withUUID, usage: "the node's UUID (default: random)"},
	{name: "header", value: "NAME=VALUE", many: true, option: withHeader, usage: "a header that peers see"},
	{name: "listen", value: "endpoint", option: text(zre.WithListen),
		usage: "the endpoint to listen at, such as tcp://*:5671 or tcp://192.168.1.7:5671 (default: a free port from 49152 up)"},
	{name: "advertise", value: "endpoint", option: text(zre.WithAdvertise),
		usage: "the endpoint at which peers reach this node, such as tcp://203.0.113.7:5671 (default: its own; for NAT)"},
	{name: "peer", value: "endpoint", many: true, keyed: true, option: withPeer,
		usage: "the endpoint of a peer that beacons do not reach, such as tcp://host:5671; with --cert also its public key: 'tcp://host:5671|KEY'"},
	{name: "srv", value: "domain", many: true, option: text(func(s string) zre.Option { return zre.WithSRV(s) }),
		usage: "a domain whose SRV records (_zre._tcp) name such endpoints"},
	{name: "resolver", value: "server", option: text(zre.WithDNSServer),
		usage: "the DNS server that --srv asks, such as 10.0.0.2 or 10.0.0.2:8600 (default: the system's)"},
	{name: "gossip-bind", value: "endpoint", many: true, option: text(func(s string) zre.Option { return zre.WithGossipBind(s) }),
		usage: "be a gossip hub at that endpoint, such as tcp://*:5672"},
	{name: "gossip-connect", value: "endpoint", many: true, keyed: true, option: text(func(s string) zre.Option { return zre.WithGossipConnect(s) }),
		usage: "the endpoint of a gossip hub, such as tcp://hub:5672; with --cert also its public key: 'tcp://hub:5672|KEY'"},
	{name: "no-beacons", option: onOff(zre.WithoutBeacons), usage: "neither send nor hear beacons: find peers only by --peer, --srv and gossip"},
	{name: "ttl", value: "number", option: number(zre.WithMulticastTTL, 1, 255),
		usage: "how far beacons with a state travel: one more than the routers that may pass them on (default 1)"},
	{name: "group-address", value: "address", many: true, option: withGroupAddress,
		usage: "the multicast address of beacons with a state (default 239.255.90.82)"},
	{name: "transport", value: "name", option: withTransport, choose: []string{"tcp", "ipc", "inproc"},
		usage: "the best transport to use: tcp, ipc (unix sockets within a host) or inproc (memory within a process) (default: the best that reaches the peer)"},
	{name: "interval", value: "time", option: duration(zre.WithBeaconInterval),
		usage: "time between beacons, such as 500ms or 2s; a bare number counts milliseconds (default 1s)"},
	{name: "evasive", value: "time", paired: true, option: duration(zre.WithEvasiveTimeout),
		usage: "time of silence after which a peer is sent a PING (default 5s)"},
	{name: "silent", value: "time", paired: true, option: duration(zre.WithSilentTimeout),
		usage: "time of silence after which a peer is reported as silent (default: twice --evasive)"},
	{name: "expired", value: "time", paired: true, option: duration(zre.WithExpiredTimeout),
		usage: "time of silence after which a peer exits (default 30s)"},
	{name: "send-timeout", value: "time", option: duration(zre.WithSendTimeout),
		usage: "time to wait for a peer that takes no messages; then it exits (default 5s)"},
	{name: "linger", value: "time", option: duration(zre.WithLinger), usage: "time to send what is queued when the node ends (default 5s)"},
	{name: "cert", value: "path", usage: "the certificate of the node, as zre keygen makes it; with it the node meets only nodes that have one"},
	{name: "authorize", value: "path", many: true, usage: "with --cert: let in only nodes whose certificates are in this file or folder (default: all that have one)"},
	{name: "share-stats", option: onOff(zre.WithSharedStats), usage: "let peers ask for this node's figures; zre top and zre map do"},
	{name: "state-by-broadcast", option: onOff(zre.WithStateByBroadcast),
		usage: "broadcast beacons with a state instead of RFC 36's; IT KILLS PYRE: every pyre node that hears one dies"},
	{name: "elections-to-all", option: onOff(zre.WithElectionsToAll),
		usage: "send ELECT and LEADER to every member of a group, for C zyre nodes that do not contest; pyre and zyre.js then drop this node, and gyre crashes"},
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
	if endpoint, key, ok := strings.Cut(s, "|"); ok && o.keyed { // whether there is a certificate is checked later
		if _, err := zre.ParsePublicKey(key); err != nil {
			return fmt.Errorf("the public key behind the bar: %w", err)
		}
		s = endpoint
	}
	option, err := o.option(s)
	if err != nil || option == nil || o.paired || strings.Contains(s, "|") { // an endpoint with a key needs --cert
		return cause(err)
	}
	_, err = zre.NewNode(option)
	if err = cause(err); err != nil {
		if _, why, ok := strings.Cut(err.Error(), strconv.Quote(s)+": "); ok { // the caller's message names the value already
			err = errors.New(why)
		}
	}
	return err
}

// cause strips the name of the Go function from an error, since the caller names the option and its value.
func cause(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, prefix := range []string{"zre: ", "node: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	if strings.HasPrefix(text, "With") {
		if _, rest, ok := strings.Cut(text, "): "); ok {
			text = rest
		} else if _, rest, ok := strings.Cut(text, ": "); ok {
			text = rest
		}
	}
	return errors.New(text)
}

// nodeValue is an option and the values that it was given.
type nodeValue struct {
	*nodeOption
	set []string
}

// Set implements pflag.Value.
func (v *nodeValue) Set(s string) error {
	if err := v.check(s); err != nil {
		return err
	}
	if !v.many {
		v.set = v.set[:0]
	}
	v.set = append(v.set, s)
	return nil
}

func (v *nodeValue) String() string { return strings.Join(v.set, ",") }

// Type implements pflag.Value. It returns the word for the value in the help.
func (v *nodeValue) Type() string { return v.value }

// nodeFlags are the options of the node that a command runs.
type nodeFlags struct {
	cli                     *cli
	values                  []*nodeValue
	network, config, logged string
}

const noteNode = "node" // annotation of a node option

// nodeFlags adds node options to a command: the named ones, or all.
func (c *cli) nodeFlags(cmd *cobra.Command, names ...string) *nodeFlags {
	f := &nodeFlags{cli: c}
	for i := range nodeOptions {
		o := &nodeOptions[i]
		if len(names) > 0 && !slices.Contains(names, o.name) {
			continue
		}
		v := &nodeValue{nodeOption: o}
		f.values = append(f.values, v)
		usage := o.usage
		if o.many {
			usage += "; repeatable"
		}
		flag := cmd.Flags().VarPF(v, o.name, "", usage)
		if o.value == "" {
			flag.NoOptDefVal = "true"
		}
		complete := cobra.NoFileCompletions
		switch {
		case o.choose != nil:
			complete = cobra.FixedCompletions(o.choose, cobra.ShellCompDirectiveNoFileComp)
		case o.name == "interface":
			complete = completeInterfaces
		case o.option == nil: // a file
			complete = nil
		}
		f.note(cmd, flag, complete)
	}
	f.note(cmd, stringFlag(cmd, &f.network, "network", "name", "a network of the configuration file, with options of its own (also ZRE_NETWORK)"), f.completeNetworks)
	f.note(cmd, stringFlag(cmd, &f.config, "config", "file", "the configuration file (also ZRE_CONFIG; default "+defaultConfig+")"), nil)
	f.note(cmd, stringFlag(cmd, &f.logged, "log", "level", "log what happens inside on standard error: "+strings.Join(levels, ", ")+" (also ZRE_LOG)"),
		cobra.FixedCompletions(levels, cobra.ShellCompDirectiveNoFileComp))
	return f
}

func (f *nodeFlags) note(cmd *cobra.Command, flag *pflag.Flag, complete cobra.CompletionFunc) {
	flag.Annotations = map[string][]string{noteNode: nil}
	if complete != nil {
		_ = cmd.RegisterFlagCompletionFunc(flag.Name, complete) // fails only for unknown flags
	}
}

// resolve looks up options that the command line does not set: in the environment, then in the network of the configuration file.
func (f *nodeFlags) resolve(cmd *cobra.Command) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	for _, o := range []struct {
		name, variable string
		into           *string
	}{{"network", "ZRE_NETWORK", &f.network}, {"config", "ZRE_CONFIG", &f.config}, {"log", "ZRE_LOG", &f.logged}} {
		if !given(o.name) {
			*o.into = os.Getenv(o.variable)
		}
	}
	network, err := loadNetwork(f.config, f.network)
	if err != nil {
		return &usageError{err: err}
	}
	for _, v := range f.values {
		if given(v.name) {
			continue
		}
		set, from := network.values[v.name], network.from+"."+v.name
		if s := os.Getenv(v.environment()); s != "" {
			set, from = []string{s}, v.environment()
			if v.many {
				set = strings.Split(s, ",")
			}
		}
		for _, s := range set {
			if err := v.Set(strings.TrimSpace(s)); err != nil {
				return misused("%s %q: %w", from, s, err)
			}
		}
	}
	return nil
}

// get returns the values of an option. Call resolve first.
func (f *nodeFlags) get(name string) []string {
	for _, v := range f.values {
		if v.name == name {
			return v.set
		}
	}
	return nil
}

// security returns the options that make a secure node. Call resolve first.
func (f *nodeFlags) security() ([]zre.Option, error) {
	cert := ""
	for _, s := range f.get("cert") {
		cert = s
	}
	list, err := keyfiles.Options(cert, f.get("authorize"))
	if err == nil && f.cli.errs != nil {
		if warning := keyfiles.Exposed(cert); warning != "" {
			fmt.Fprintln(f.cli.errs, warning)
		}
	}
	if err != nil || cert != "" {
		return list, err
	}
	for _, v := range f.values {
		for _, s := range v.set {
			if v.keyed && strings.Contains(s, "|") {
				return nil, misused("--%s %q: a public key needs --cert: a node without a certificate meets no secure one", v.name, s)
			}
		}
	}
	return nil, nil
}

// options returns the options for a node. Call resolve first.
func (f *nodeFlags) options() ([]zre.Option, error) {
	list, err := f.security()
	if err != nil {
		return nil, err
	}
	for _, v := range f.values {
		if v.option == nil {
			continue
		}
		for _, s := range v.set {
			if option, err := v.option(s); err == nil && option != nil { // checked before
				list = append(list, option)
			}
		}
	}
	return append(list, f.cli.extra...), nil
}

// node makes a node from the options and the extra ones of the command. Without --name it has the name of the command.
func (f *nodeFlags) node(cmd *cobra.Command, extra ...zre.Option) (*zre.Node, error) {
	if err := f.resolve(cmd); err != nil {
		return nil, err
	}
	log, err := logger(f.cli.errs, f.logged)
	if err != nil {
		return nil, err
	}
	if f.logged != "" {
		extra = append([]zre.Option{zre.WithLogger(log)}, extra...)
	}
	options, err := f.options()
	if err != nil {
		return nil, err
	}
	node, err := zre.NewNode(append(extra, options...)...)
	if err != nil {
		return nil, &usageError{err: cause(err)}
	}
	return node, nil
}

// start makes a node, joins the groups and starts it.
func (f *nodeFlags) start(ctx context.Context, cmd *cobra.Command, groups []string, extra ...zre.Option) (*zre.Node, error) {
	node, err := f.node(cmd, append([]zre.Option{zre.WithName(cmd.CommandPath())}, extra...)...)
	if err != nil {
		return nil, err
	}
	for _, group := range groups {
		if err := node.Join(group); err != nil {
			return nil, &usageError{err: cause(err)}
		}
	}
	if err := begin(ctx, node); err != nil {
		node.Close()
		return nil, err
	}
	return node, nil
}

// startTime is how long a node may take to start. Starting does not wait for the network.
const startTime = 10 * time.Second

// begin starts a node. A signal does not interrupt the start: peers may know the node already, and it must say farewell.
func begin(ctx context.Context, node *zre.Node) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTime)
	defer cancel()
	return cause(node.Start(ctx))
}
