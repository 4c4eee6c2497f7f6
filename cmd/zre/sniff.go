package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/sniff"
	"github.com/go-zre/go-zre/internal/termtext"
)

func (c *cli) sniff() *cobra.Command {
	var o sniffOptions
	cmd := &cobra.Command{
		Use:   "sniff [options]",
		Short: "Shows the traffic between nodes, from an interface or a file.",
		Long: `Shows the traffic between nodes, a line for each beacon and message. It reads a network interface (Linux, as root), or a pcap or pcapng file. It sends nothing.
Of CURVE traffic it shows the handshake and the sizes. It does not see nodes of one host, which talk through unix sockets. docs/sniff.md tells more, also about the dissector for Wireshark.`,
		Example: `  zre sniff --interface eth0                       shows the traffic
  zre sniff --interface eth0 --write zre.pcap      also writes the ZRE traffic to a file
  zre sniff --read zre.pcap --json                 reads a file, and prints JSON
  zre sniff --interface eth0 --write - | wireshark -k -i -`,
		Annotations: map[string]string{
			noteExit: "0 the file ended, or it was interrupted; 1 failure, or the file is damaged; 2 wrong usage",
			noteJSON: `With --json each line is an object with time, kind (beacon, greeting, command, message, other, sealed, malformed, gap, closed, fragment), from, to, and uuid and name of the sender where they are known. Further keys: of beacons version, port, state, key; of greetings version, mechanism; of commands command, properties; of messages message, sequence, status, endpoint, group, groups, headers, node, state, frames (size, and the beginning as text or data, base64), count (of frames, where not all are listed), bytes; error.`,
		},
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	stringFlag(cmd, &o.iface, "interface", "interface", "the network interface to read")
	_ = cmd.RegisterFlagCompletionFunc("interface", completeInterfaces)
	stringFlag(cmd, &o.read, "read", "file", "a pcap or pcapng file to read, which may be gzipped; - for standard input")
	stringFlag(cmd, &o.write, "write", "file", "a pcap file to write ZRE beacons and connections to; - for standard output, then no lines are printed")
	numberFlag(cmd, &o.port, "port", "the UDP port of the beacons (default 5670); beacons with a state use this port plus 10000", 1, 55535)
	jsonFlag(cmd, &o.json, "print a JSON object for each beacon and message")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if (o.iface == "") == (o.read == "") {
			return usageErrorf("choose either --interface or --read")
		}
		return runSniff(cmd.Context(), o, c.in, c.out)
	}
	return cmd
}

// sniffOptions holds the options of zre sniff.
type sniffOptions struct {
	iface, read, write string // one of iface and read is set; write may be empty; "-" is standard input or output
	port               int    // of classic beacons; 0: the default
	json               bool
}

// runSniff shows the traffic of an interface or a file until ctx or the file ends, or out cannot be written.
func runSniff(ctx context.Context, o sniffOptions, in io.Reader, out io.Writer) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	options := sniff.Options{BeaconPort: uint16(o.port)}
	lines := out
	switch o.write {
	case "":
	case "-":
		options.Write, lines = out, io.Discard
	default:
		file, err := os.OpenFile(o.write, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("--write: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		options.Write = file
	}
	from := in
	if o.read != "" && o.read != "-" {
		file, err := os.Open(o.read)
		if err != nil {
			return fmt.Errorf("--read: %w", err)
		}
		defer file.Close()
		from = file
	}
	encoder := jsonTo(lines)
	sniffer := sniff.New(options, func(r *sniff.Record) {
		var err error
		if o.json {
			err = encoder.Encode(r)
		} else {
			_, err = fmt.Fprintln(lines, r)
		}
		if err != nil {
			cancel(err)
		}
	})
	if o.read == "" {
		return errors.Join(sniffer.Interface(ctx, o.iface), failure(ctx))
	}
	buffered := bufio.NewWriter(lines) // a file is read faster than it is shown
	if o.write != "-" {
		lines, encoder = buffered, jsonTo(buffered)
	}
	err = sniffer.File(ctx, from)
	if err != nil {
		err = fmt.Errorf("%s: %w", o.source(), err)
	}
	return errors.Join(err, buffered.Flush(), failure(ctx))
}

// failure returns the failure that cancelled a context. An interruption is none.
func failure(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, errInterrupted) {
		return cause
	}
	return nil
}

// source names the source.
func (o *sniffOptions) source() string {
	if o.read == "-" {
		return "standard input"
	}
	return termtext.Text(o.read)
}
