package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/internal/manual"
	"github.com/go-zre/go-zre/zre"
)

const about = `Zrechat is a chat without a server. All who run it on one network, in one group, see what the others type.

A line that you type goes to the group, unless it is one of the commands below. On a terminal the chat takes the whole screen; without one it reads and writes plain lines.`

// settings are the values of the command line.
type settings struct {
	name, group, iface, listen string
	port                       int // 0: the default
	peers                      []string
	noBeacons                  bool
	cert                       string
	authorize                  []string
	version, man               bool // print these, and do not chat
}

// flags declares the options.
func (o *settings) flags() *flag.FlagSet {
	set := flag.NewFlagSet("zrechat", flag.ContinueOnError)
	set.SetOutput(io.Discard) // main reports errors
	set.StringVar(&o.name, "name", os.Getenv("USER"), "the `name` that others see (default: the user)")
	set.StringVar(&o.group, "group", "CHAT", "the `group` to join (default CHAT)")
	set.StringVar(&o.iface, "interface", "", "the network `interface` to use (default: all usable ones)")
	set.Func("port", "the UDP `port` of the beacons (default 5670); only chats with the same port meet", func(s string) (err error) {
		if o.port, err = strconv.Atoi(s); err != nil || o.port < 1 || o.port > 55535 {
			return errors.New("want 1 to 55535")
		}
		return nil
	})
	set.Func("peer", "the `endpoint` of a chat on another network, such as tcp://host:5671; with --cert also its public key: 'tcp://host:5671|KEY'; repeatable", appendTo(&o.peers))
	set.StringVar(&o.listen, "listen", "", "the `endpoint` to listen at, such as tcp://*:5671, for others to use with --peer (default: a free port)")
	set.BoolVar(&o.noBeacons, "no-beacons", false, "send and receive no beacons: find others only by --peer")
	set.StringVar(&o.cert, "cert", "", "the `path` of a certificate, made by zre keygen: the chat is encrypted, and meets only chats with a certificate")
	set.Func("authorize", "with --cert: let in only those whose certificates are at this `path`, a file or a folder (default: all with a certificate); repeatable",
		appendTo(&o.authorize))
	set.BoolVar(&o.version, "version", false, "show the version, the commit, and the Go version")
	set.BoolVar(&o.man, "man", false, "show the man page, for package builders")
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
		return nil, errors.New(describeFlagError(err.Error()))
	case set.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	return o, nil
}

// describeFlagError rewrites an error of package flag in terms of the command line.
func describeFlagError(text string) string {
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

// pages returns what the help and the man page are made from.
func pages() *manual.Manual {
	var rows []manual.Row
	new(settings).flags().VisitAll(func(f *flag.Flag) {
		if f.Name == "man" {
			return
		}
		value, text := flag.UnquoteUsage(f)
		rows = append(rows, manual.Row{Term: strings.TrimSpace("--" + f.Name + " " + value), Meaning: text})
	})
	rows = append(rows, manual.Row{Term: "--help", Meaning: "show this help"})
	slices.SortFunc(rows, func(a, b manual.Row) int { return strings.Compare(a.Term, b.Term) })
	return &manual.Manual{
		Name: "zrechat", Short: "A chat without a server.", About: about, Usage: []string{"zrechat [options]"}, Exit: "0 success; 1 failure, or messages were not sent; 2 wrong usage",
		Examples: manual.Rows("zrechat --name alice\nzrechat --group ROBOTS     chats in another group"),
		Lists: []manual.List{
			{Title: "Options:", Heading: "OPTIONS", Rows: rows},
			{Title: "Commands, as lines:", Heading: "COMMANDS", Rows: manual.Rows(strings.Join(commandHelp, "\n"))},
			{Title: "Keys on a terminal:", Heading: "KEYS", Rows: manual.Rows(keyHelp)},
		},
		SeeAlso: []string{"zre(1)", "zre-options(1)"},
	}
}

// An optionError reports an unusable value of an option.
type optionError struct {
	flag string
	err  error
}

// Error names the option, not the function of package zre.
func (e *optionError) Error() string {
	text := keyfiles.PlainError(e.err).Error()
	for _, prefix := range []string{"name ", "group ", "beacon: Interfaces: "} {
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
