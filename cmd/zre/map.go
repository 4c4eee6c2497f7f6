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
	page, svg   string
	public      bool
	asJSON      bool
	wait        time.Duration
	width, tall int
}

func (c *cli) mapCommand() *cobra.Command {
	o := &mapOptions{page: "127.0.0.1:0", wait: 3 * time.Second, width: 1200, tall: 800}
	var groups []string
	cmd := &cobra.Command{
		Use:   "map [options]",
		Short: "Shows the network as a picture, live in a web browser.",
		Long: `Shows the network as a picture: nodes on their hosts, hosts in their subnets, states as colours, and how many messages go between nodes. It serves a web page on this machine, and prints its address; the page follows the network until the command is interrupted. Choose a group there to see its members, a node to see its headers.

How many messages go is known of this node, and of nodes that show it (--share-stats, in a program zre.WithSharedStats).`,
		Example: `  zre map                              then open the address that it prints
  zre map --page 127.0.0.1:8080        at a certain port
  zre map --svg network.svg            a picture in a file`,
		Annotations: map[string]string{
			noteExit: "0 it was interrupted, or the file is written; 1 it failed; 2 wrong usage",
			noteJSON: `With --json it prints one object, after the time of --wait: time, self (a UUID), nodes (uuid, name, endpoint, host, subnet, transport, state, presence, groups, headers, self, rates) and links (from, to, forward_per_second, backward_per_second, rtt_ms), as far as they are known.`,
		},
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	stringFlag(cmd, &o.page, "page", "address", "where to serve the page (default 127.0.0.1:0, any free port)")
	switchFlag(cmd, &o.public, "public", "with --page: serve it on an address that other machines reach; there is no password")
	stringFlag(cmd, &o.svg, "svg", "file", "write a picture to a file (- for standard output), and serve nothing")
	jsonFlag(cmd, &o.asJSON, "print what the picture shows as one object of JSON, and serve nothing")
	timeFlag(cmd, &o.wait, "wait", "with --svg and --json: how long to look first (default 3s)", 0)
	numberFlag(cmd, &o.width, "width", "with --svg: how wide the picture may be, at best (default 1200)", 200, 8000)
	numberFlag(cmd, &o.tall, "height", "with --svg: how high (default 800)", 200, 8000)
	listFlag(cmd, &groups, "group", "group", "a group to join, to count what is shouted there")
	flags := c.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.check(cmd); err != nil {
			return err
		}
		return c.drawMap(cmd, o, flags, groups)
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
		{"page", still, "does not go with --svg and --json, which serve nothing"}, {"public", still, "does not go with --svg and --json, which serve nothing"},
		{"wait", !still, "goes with --svg and --json"}, {"width", o.svg == "", "goes with --svg"}, {"height", o.svg == "", "goes with --svg"},
	} {
		if rule.wrong && cmd.Flags().Changed(rule.name) {
			return misused("--%s %s", rule.name, rule.text)
		}
	}
	if o.svg != "" && o.asJSON {
		return misused("--svg does not go with --json")
	}
	host, port, err := net.SplitHostPort(o.page)
	if err != nil {
		return misused("--page %q: want ADDRESS:PORT, as 127.0.0.1:8080", o.page)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return misused("--page %q: want a port from 0 to 65535", o.page)
	}
	if addr, err := netip.ParseAddr(host); !o.public && host != "localhost" && (err != nil || !addr.IsLoopback()) {
		return misused("--page %q: other machines could read it there, and there is no password; add --public if they may", o.page)
	}
	return nil
}

// drawMap runs the node and shows what it sees.
func (c *cli) drawMap(cmd *cobra.Command, o *mapOptions, flags *nodeFlags, groups []string) error {
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
		return c.stillMap(cmd, o, collector)
	}
	host, _, _ := net.SplitHostPort(o.page) // checked before
	server := &netmap.Server{Latest: collector.Latest, Hosts: []string{host}}
	c.say("The map of the network is at http://%s/ until this command is interrupted.", listener.Addr())
	return server.Serve(ctx, listener)
}

// stillMap collects for a while, then writes what it saw.
func (c *cli) stillMap(cmd *cobra.Command, o *mapOptions, collector *netmap.Collector) error {
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
	picture := netmap.Draw(snapshot, float64(o.width), float64(o.tall))
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
