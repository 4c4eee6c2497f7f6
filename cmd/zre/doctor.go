package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/doctor"
	"github.com/go-zre/go-zre/internal/keyfiles"
)

const aboutDoctor = `Tells why the ZRE nodes of this network do not find or reach each other. It prints a verdict and what to try, and then everything that it found.

It runs a node named "zre doctor" for a few seconds, listens to the beacons of this machine and of others, tests the TCP port of each node, and checks which nodes connect back. The report tells how each network interface is used, or why not, whether this machine's own beacons are heard, which other nodes there are, and where a firewall seems to be. If two machines do not find each other, run it on both. Use --peer to test the endpoint of a node on the other machine (zre pipe prints its endpoint when it starts): doctor connects to that node, and checks whether the node connects back.`

const doctorKeys = `With --json it prints one object; keys and kinds stay the same, and new ones may be added:
  well, verdict     whether anything is wrong, and the verdict in words
  problems, notes   lists of kind (a word for programs), text, try, and the interface, node or endpoint that it concerns
  self              uuid, port and public_key of the node that was run, or the error why it could not; chosen: interfaces were named;
                    advertised: the endpoint of --advertise
  listened_ms       how long it listened
  udp_ports         port, kind (classic or state), family (IPv4 or IPv6, of those that the machine has), taken by another program
                    alone, error
  interfaces        name, use (used, or why not), up, carrier, loopback, containers, addresses, used_addresses, endpoints that
                    peers are told, beacons: kind, bytes, from, to, heard_back
  refusals          keys that are not let in: by (us, or them), public_key, uuid, endpoint, error
  nodes             uuid, name, public_key, local, left, entered (it connected), entered_ms, endpoint (where it was reached then), known_ms,
                    beacons: interface, address, bytes, multicast, port, state, count, every_ms,
                    mailboxes: endpoint, answer, uuid of the node that answers, from (the address here by which it is reached), error, here (it is this machine's own)
  srv               of each --srv: name, endpoints, nobody (the DNS says that there are none), partial (why some records give none), error
  peers             those of --peer and of SRV records: endpoint, error (of its name), mailboxes as above, with large_packets: pass, and mtu of the path;
                    else passed and lost, the bytes of the longest packet that came through and of the shortest that did not;
                    entered (it connected, too), uuid of the node that did, known_ms (since it answered)
  failures          what beacons fail in: call, interface, to, error, since
  complaints        what the node logged as warnings
  unrecorded        beacons beyond what is kept
An answer is zre (go-zre), zmtp (any other node), refused, silent, unreachable, mute, closed, other, untested, or of secure nodes curve, plain, no-key or wrong-key.`

func (c *cli) doctor() *cobra.Command {
	config := doctor.Config{Time: doctor.DefaultTime}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [options]",
		Short: "Says why nodes do not find or reach each other.",
		Long:  aboutDoctor,
		Example: `  zre doctor
  zre doctor --peer tcp://192.168.1.7:5671     also tests the connection to a node`,
		Annotations: map[string]string{
			noteExit: "0 nothing is wrong, even if there are no other nodes; 1 something is wrong; 2 wrong usage",
			noteJSON: doctorKeys,
		},
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	jsonFlag(cmd, &asJSON, "print a JSON object")
	timeFlag(cmd, &config.Time, "time", "how long to listen, such as 5s; a bare number counts milliseconds", time.Second)
	flags := c.nodeFlags(cmd, "interface", "port", "peer", "srv", "resolver", "listen", "advertise", "cert", "authorize")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := flags.resolve(cmd); err != nil {
			return err
		}
		if err := configure(&config, flags); err != nil {
			return err
		}
		facts, err := doctor.Collect(cmd.Context(), config)
		if err != nil {
			return &usageError{err: keyfiles.PlainError(err)}
		}
		report := doctor.Diagnose(facts)
		var text bytes.Buffer
		if asJSON {
			err = report.JSON(plainJSON{&text})
		} else {
			err = report.Print(&text, c.width)
		}
		if err != nil {
			return err
		}
		if _, err := c.out.Write(text.Bytes()); err == nil && !report.Well {
			return exitError(exitFailed)
		}
		return nil
	}
	return cmd
}

// configure fills in the configuration from the node options.
func configure(config *doctor.Config, flags *nodeFlags) error {
	config.Interfaces, config.SRV = flags.get("interface"), flags.get("srv")
	config.Listen, config.Advertise, config.Resolver = flags.last("listen"), flags.last("advertise"), flags.last("resolver")
	if s := flags.last("port"); s != "" {
		port, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("--port %q: %w", s, err)
		}
		config.Port = port
	}
	var err error
	if config.Security, err = flags.security(); err != nil {
		return err
	}
	for _, s := range flags.get("peer") {
		e, err := doctor.ParseEndpoint(s)
		if err != nil {
			return usageErrorf("--peer %q: %w", s, err)
		}
		config.Peers = append(config.Peers, e)
	}
	return nil
}
