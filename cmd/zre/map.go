package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/netmap"
)

// mapOptions are the options of zre map.
type mapOptions struct {
	page, svg     string
	public        bool
	asJSON        bool
	wait          time.Duration
	width, height int
}

func (c *cli) mapCommand() *cobra.Command {
	o := &mapOptions{page: "127.0.0.1:0", wait: 3 * time.Second, width: 1200, height: 800}
	var groups []string
	cmd := &cobra.Command{
		Use:   "map [options]",
		Short: "Draws the network, live in a web browser or to a file.",
		Long: `Draws the network: nodes on their hosts, hosts in their subnets, states as colours, and message rates between nodes. It serves a web page on this machine, prints its address, and keeps the page up to date until it is interrupted. On the page, select a group to see its members, or a node to see its headers.

Message rates are known for this node, and for nodes that share their statistics (--share-stats, or zre.WithSharedStats in a program).`,
		Example: `  zre map                              prints the address of the page
  zre map --page 127.0.0.1:8080        serves the page at a fixed port
  zre map --svg network.svg            writes a picture to a file`,
		Annotations: map[string]string{
			noteExit: "0 it was interrupted, or the picture was written; 1 failure; 2 wrong usage",
			noteJSON: `With --json it prints one object, after the time of --wait: time, self (a UUID), nodes (uuid, name, endpoint, host, subnet, transport, state, presence, groups, headers, self, rates) and links (from, to, forward_per_second, backward_per_second, rtt_ms). Unknown values are left out.`,
		},
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	stringFlag(cmd, &o.page, "page", "address", "where to serve the page (default: any free port of 127.0.0.1)")
	switchFlag(cmd, &o.public, "public", "with --page: allow an address that other machines reach; the page has no password")
	stringFlag(cmd, &o.svg, "svg", "file", "write a picture to a file (- for standard output), and serve no page")
	jsonFlag(cmd, &o.asJSON, "print the data of the picture as a JSON object, and serve no page")
	timeFlag(cmd, &o.wait, "wait", "with --svg or --json: how long to look first", 0)
	numberFlag(cmd, &o.width, "width", "with --svg: the width that the picture may have", 200, 8000)
	numberFlag(cmd, &o.height, "height", "with --svg: the height that it may have", 200, 8000)
	listFlag(cmd, &groups, "group", "group", "a group to join, to count its messages")
	flags := c.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.check(cmd); err != nil {
			return err
		}
		return c.runMap(cmd, o, flags, groups)
	}
	return cmd
}

// check rejects options that do not go together.
func (o *mapOptions) check(cmd *cobra.Command) error {
	still := o.svg != "" || o.asJSON
	for _, rule := range []struct {
		name  string
		wrong bool
		text  string
	}{
		{"page", still, "does not go with --svg or --json, which serve no page"}, {"public", still, "does not go with --svg or --json, which serve no page"},
		{"wait", !still, "goes with --svg or --json"}, {"width", o.svg == "", "goes with --svg"}, {"height", o.svg == "", "goes with --svg"},
	} {
		if rule.wrong && cmd.Flags().Changed(rule.name) {
			return usageErrorf("--%s %s", rule.name, rule.text)
		}
	}
	if o.svg != "" && o.asJSON {
		return usageErrorf("--svg does not go with --json")
	}
	host, port, err := net.SplitHostPort(o.page)
	if err != nil {
		return usageErrorf("--page %q: want ADDRESS:PORT, as 127.0.0.1:8080", o.page)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return usageErrorf("--page %q: want a port from 0 to 65535", o.page)
	}
	if addr, err := netip.ParseAddr(host); !o.public && host != "localhost" && (err != nil || !addr.IsLoopback()) {
		return usageErrorf("--page %q: other machines could read the page, and it has no password; add --public to allow this", o.page)
	}
	return nil
}

// runMap runs the node and shows what it sees.
func (c *cli) runMap(cmd *cobra.Command, o *mapOptions, flags *nodeFlags, groups []string) error {
	var listener net.Listener
	if o.svg == "" && !o.asJSON {
		var err error
		if listener, err = net.Listen("tcp", o.page); err != nil {
			return fmt.Errorf("--page %q: %w", o.page, err)
		}
		defer listener.Close()
	}
	node, err := flags.start(cmd.Context(), cmd, groups)
	if err != nil {
		return err
	}
	defer node.Close()
	ctx, stop := context.WithCancel(cmd.Context())
	collector := netmap.NewCollector(node)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		collector.Run(ctx)
	}()
	defer func() { stop(); <-ended }()
	if listener == nil {
		return c.printMap(cmd, o, collector)
	}
	host, _, _ := net.SplitHostPort(o.page) // checked before
	server := &netmap.Server{Latest: collector.Latest, Hosts: []string{host}}
	c.printf("The map of the network is at http://%s/ (Ctrl-C ends it).", listener.Addr())
	return server.Serve(ctx, listener)
}

// printMap collects for a while, then writes what it saw.
func (c *cli) printMap(cmd *cobra.Command, o *mapOptions, collector *netmap.Collector) error {
	select {
	case <-time.After(o.wait):
	case <-cmd.Context().Done():
		return context.Cause(cmd.Context())
	}
	snapshot := collector.Latest()
	if o.asJSON {
		c.json(snapshot)
		return nil
	}
	picture := netmap.Draw(snapshot, float64(o.width), float64(o.height))
	if o.svg == "-" {
		return netmap.WriteSVG(c.out, picture)
	}
	return writeFile(o.svg, func(f *os.File) error { return netmap.WriteSVG(f, picture) })
}

// writeFile writes a file atomically: a reader sees the old file or the complete new one.
func writeFile(path string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".zre-map-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = errors.Join(write(f), f.Chmod(0o644), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
