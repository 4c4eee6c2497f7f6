package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/zre"
)

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
	if !v.repeatable {
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
	cli                       *cli
	values                    []*nodeValue
	network, config, logLevel string
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
		if o.repeatable {
			usage += "; repeatable"
		}
		flag := cmd.Flags().VarPF(v, o.name, "", usage)
		if o.value == "" {
			flag.NoOptDefVal = "true"
		}
		complete := cobra.NoFileCompletions
		switch {
		case o.choices != nil:
			complete = cobra.FixedCompletions(o.choices, cobra.ShellCompDirectiveNoFileComp)
		case o.name == "interface":
			complete = completeInterfaces
		case o.option == nil: // a file
			complete = nil
		}
		f.annotate(cmd, flag, complete)
	}
	f.annotate(cmd, stringFlag(cmd, &f.network, "network", "name", "use this network of the configuration file (also ZRE_NETWORK)"), f.completeNetworks)
	f.annotate(cmd, stringFlag(cmd, &f.config, "config", "file", "the configuration file (also ZRE_CONFIG; default "+defaultConfig+")"), nil)
	if len(names) > 0 && !slices.Contains(names, "log") {
		return f
	}
	f.annotate(cmd, stringFlag(cmd, &f.logLevel, "log", "level", "write a log to standard error, from this level up: "+oneOf(levels)+" (also ZRE_LOG)"),
		cobra.FixedCompletions(levels, cobra.ShellCompDirectiveNoFileComp))
	return f
}

func (f *nodeFlags) annotate(cmd *cobra.Command, flag *pflag.Flag, complete cobra.CompletionFunc) {
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
	}{{"network", "ZRE_NETWORK", &f.network}, {"config", "ZRE_CONFIG", &f.config}, {"log", "ZRE_LOG", &f.logLevel}} {
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
			if v.repeatable {
				set = strings.Split(s, ",")
			}
		}
		for _, s := range set {
			if err := v.Set(strings.TrimSpace(s)); err != nil {
				return usageErrorf("%s %q: %w", from, s, err)
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

// last returns the value of an option that counts, or "". Call resolve first.
func (f *nodeFlags) last(name string) string {
	set := f.get(name)
	if len(set) == 0 {
		return ""
	}
	return set[len(set)-1]
}

// security returns the options that make a secure node. Call resolve first.
func (f *nodeFlags) security() ([]zre.Option, error) {
	cert := f.last("cert")
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
			if v.takesKey && strings.Contains(s, "|") {
				return nil, usageErrorf("--%s %q: a public key needs --cert: a node without a certificate meets no secure nodes", v.name, s)
			}
		}
	}
	return nil, nil
}

// options looks up the options and returns them for a node. The writers in warned get the warnings of the node.
func (f *nodeFlags) options(cmd *cobra.Command, warned ...zerolog.LevelWriter) ([]zre.Option, error) {
	if err := f.resolve(cmd); err != nil {
		return nil, err
	}
	list, err := f.security()
	if err != nil {
		return nil, err
	}
	if f.logLevel != "" || warned != nil {
		log, err := logger(f.cli.errs, f.logLevel, warned...)
		if err != nil {
			return nil, err
		}
		list = append(list, zre.WithLogger(log))
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
	return append(list, f.cli.testOptions...), nil
}

// start makes a node, joins the groups and starts it. Without --name the node has the name of the command.
func (f *nodeFlags) start(ctx context.Context, cmd *cobra.Command, groups []string, extra ...zre.Option) (*zre.Node, error) {
	options, err := f.options(cmd)
	if err != nil {
		return nil, err
	}
	node, err := zre.NewNode(slices.Concat([]zre.Option{zre.WithName(cmd.CommandPath())}, extra, options)...)
	if err != nil {
		return nil, &usageError{err: keyfiles.PlainError(err)}
	}
	for _, group := range groups {
		if err := node.Join(group); err != nil {
			return nil, usageErrorf("--group: %w", keyfiles.PlainError(err))
		}
	}
	if err := startUninterrupted(ctx, node); err != nil {
		node.Close()
		return nil, err
	}
	return node, nil
}

// startTime is how long a node may take to start. Starting does not wait for the network.
const startTime = 10 * time.Second

// startUninterrupted starts a node. A signal does not interrupt the start: peers may know the node already, and it must say farewell.
func startUninterrupted(ctx context.Context, node *zre.Node) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTime)
	defer cancel()
	return keyfiles.PlainError(node.Start(ctx))
}
