package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/zre"
)

const about = `Zrechat is a chat without a server: everybody who runs it on one network, in one group, sees what the others type.

Usage: zrechat [options]

`

// settings are the values of the command line.
type settings struct {
	name, group, iface, listen string
	port                       int // 0: the default
	peers                      []string
	noBeacons                  bool
	cert                       string
	authorize                  []string
}

// flags declares the options.
func (o *settings) flags() *flag.FlagSet {
	set := flag.NewFlagSet("zrechat", flag.ContinueOnError)
	set.SetOutput(io.Discard) // main reports errors
	set.StringVar(&o.name, "name", os.Getenv("USER"), "the `name` that others see")
	set.StringVar(&o.group, "group", "CHAT", "the `group` to join")
	set.StringVar(&o.iface, "interface", "", "the network `interface` to use (default: every usable one)")
	set.Func("port", "the UDP `port` of the beacons (default 5670); chats with another one are not met", func(s string) (err error) {
		if o.port, err = strconv.Atoi(s); err != nil || o.port < 1 || o.port > 55535 {
			return errors.New("want 1 to 55535")
		}
		return nil
	})
	set.Func("peer", "the `endpoint` of a chat on another network, such as tcp://host:5671; with --cert 'tcp://host:5671|KEY' (repeatable)", appendTo(&o.peers))
	set.StringVar(&o.listen, "listen", "", "the `endpoint` to listen at, such as tcp://*:5671, for those who give it as --peer (default: any free port)")
	set.BoolVar(&o.noBeacons, "no-beacons", false, "neither send nor hear beacons: find others only by --peer")
	set.StringVar(&o.cert, "cert", "", "the `path` of a certificate, as zre keygen makes it: the chat is encrypted, and only with others that have one")
	set.Func("authorize", "with --cert: let in only those whose certificates are at the `path`, a file or a folder (repeatable; default: all with a certificate)",
		appendTo(&o.authorize))
	return set
}

// appendTo is an option that can be repeated.
func appendTo(list *[]string) func(string) error {
	return func(s string) error {
		*list = append(*list, s)
		return nil
	}
}

// parse parses the command line. The error is flag.ErrHelp, or describes the mistake in terms of the command line.
func parse(args []string) (*settings, error) {
	o := &settings{}
	set := o.flags()
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, errors.New(inOurWords(err.Error()))
	case set.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	return o, nil
}

// inOurWords rewrites an error of package flag in terms of the command line.
func inOurWords(text string) string {
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return fmt.Sprintf("there is no option --%s", name)
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return fmt.Sprintf("--%s needs a value", name)
	}
	if found := wrongValue.FindStringSubmatch(text); found != nil {
		return fmt.Sprintf("--%s %s: %s", found[2], found[1], strings.Replace(found[3], "parse error", "want true or false", 1))
	}
	return text
}

var wrongValue = regexp.MustCompile(`(?s)^invalid (?:boolean )?value (".*") for (?:flag )?-([a-z-]+): (.*)$`)

// usage is the help.
func usage() string {
	var b strings.Builder
	b.WriteString(about)
	new(settings).flags().VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		if f.Name == "group" {
			text += " (default CHAT)"
		}
		fmt.Fprintf(&b, "  %-22s %s\n", strings.TrimSpace("--"+f.Name+" "+value), text)
	})
	b.WriteString("\nWhat you type is said to the group, but for these:\n")
	for _, line := range help {
		b.WriteString("  " + line + "\n")
	}
	b.WriteString(keys)
	return b.String()
}

// An optionError reports an unusable value of an option.
type optionError struct {
	flag string
	err  error
}

// Error names the option, not the function of package zre.
func (e *optionError) Error() string {
	text := e.err.Error()
	for _, prefix := range []string{"node: ", "not a name for a node: ", "msg: ", "join: ", "group ", "name ", "WithPeers: ", "WithListen: ", "beacon: Interfaces: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return e.flag + ": " + text
}

// options returns the node options. The error is an optionError, unless it is about a file.
func options(o *settings) ([]zre.Option, error) {
	list, err := keyfiles.Options(o.cert, o.authorize)
	if err != nil {
		return nil, err
	}
	secure := len(list)
	var wrong error
	add := func(flag string, option zre.Option) {
		if _, err := zre.NewNode(append(list[:secure:secure], option)...); err != nil && wrong == nil { // whether keys are usable depends on --cert
			wrong = &optionError{flag, err}
		}
		list = append(list, option)
	}
	add("--name", zre.WithName(o.name))
	add("--listen", zre.WithListen(o.listen))
	add("--peer", zre.WithPeers(o.peers...))
	if o.iface != "" {
		add("--interface", zre.WithInterfaces(o.iface))
	}
	if o.port != 0 {
		add("--port", zre.WithBeaconPort(o.port))
	}
	if o.noBeacons {
		add("--no-beacons", zre.WithoutBeacons())
	}
	return list, wrong
}
