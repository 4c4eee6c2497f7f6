package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/go-zre/go-zre/internal/doctor"
)

const doctorUsage = `Tells why the ZRE nodes of this network do not find or reach each other: first a verdict and what to try, then all that was found.

It runs a node, named "zre doctor", for some seconds, listens to the beacons of this machine and of others, tests whether the TCP port
of each node answers, and sees which nodes connect back. So it tells what each network interface is used for and why not, whether
this machine's own beacons are heard, who else is here, and where a firewall seems to be. Run it on both machines of a pair that do
not find each other, and, with --peer, from one to the endpoint of the other (zre pipe prints that when it starts): the node connects
there, as one that is told of a peer does, and sees whether the peer comes back.

Exit status: 0 all is well, also if nobody else is here; 1 something is wrong; 2 wrong usage.

With --json it prints one object; keys and kinds stay, new ones may come:
  well, verdict     whether anything is wrong, and the verdict in words
  problems, notes   lists of kind (a word for programs), text, try, and the interface, node or endpoint that it concerns
  self              uuid and port of the node that was run, or the error why it could not; chosen: interfaces were named;
                    advertised: the endpoint of --advertise
  listened_ms       how long it listened
  udp_ports         port, kind (classic or state), family (IPv4 or IPv6, of those that the machine has), taken by another program
                    alone, error
  interfaces        name, use (used, or why not), up, carrier, loopback, containers, addresses, used_addresses, endpoints that
                    peers are told, beacons: kind, octets, from, to, heard_back
  nodes             uuid, name, local, left, entered (it connected), entered_ms, endpoint (where it was reached then), known_ms,
                    beacons: interface, address, octets, multicast, port, state, count, every_ms,
                    mailboxes: endpoint, answer, uuid of who answers, from (the address here by which it is reached), error, here (it is this machine's own)
  srv               of each --srv: name, endpoints, nobody (the DNS says that there are none), partial (why some records give none), error
  peers             those of --peer and of SRV records: endpoint, error (of its name), mailboxes as above, with large_packets: pass, and mtu of the path;
                    else passed and lost, the octets of the longest packet that came through and of the shortest that did not;
                    entered (it connected, too), uuid of who did, known_ms (since it answered)
  failures          what beacons fail in: call, interface, to, error, since
  complaints        what the node logged as warnings
  unrecorded        beacons beyond what is kept
An answer is zre (go-zre), zmtp (any other node), refused, silent, unreachable, mute, closed, other or untested.

Usage: zre doctor [options]

`

// doctorOptions is what the options of zre doctor ask for.
type doctorOptions struct {
	doctor.Config
	json bool
}

// newDoctorOptions reads the options. Asked for help it prints that on out and returns flag.ErrHelp.
func newDoctorOptions(args []string, out io.Writer) (*doctorOptions, error) {
	c := &doctorOptions{}
	flags := flag.NewFlagSet("zre doctor", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are printed once, by the caller
	flags.BoolVar(&c.json, "json", false, "print one JSON object")
	flags.Func("time", "`time` to listen, as 5s; a bare number counts milliseconds; at least 1s (default 3s)", func(s string) (err error) {
		if c.Time, err = parseDuration(s); err == nil && (c.Time < time.Second || c.Time > time.Hour) {
			err = errors.New("want 1s to 1h")
		}
		return err
	})
	flags.Func("interface", "a network `interface` to use: a name, a glob, an address or a CIDR, or after ! what to leave out (repeatable; default: every"+
		" usable one)", func(s string) error {
		c.Interfaces = append(c.Interfaces, s)
		return nil
	})
	flags.Func("port", "the UDP `port` of the beacons (default 5670)", func(s string) (err error) {
		if c.Port, err = strconv.Atoi(s); err == nil && (c.Port < 1 || c.Port > 55535) {
			err = errors.New("want 1 to 55535")
		}
		return err
	})
	flags.Func("peer", "an `endpoint` to test there and back, whether it beacons or not: tcp://192.168.1.7:5671, tcp://host.example:5671, or"+
		" tcp://[fe80::7%eth0]:5671, a link-local address with the interface here (repeatable)", func(s string) error {
		e, err := doctor.ParseEndpoint(s)
		c.Peers = append(c.Peers, e)
		return err
	})
	flags.Func("srv", "a `domain` whose SRV records (_zre._tcp) name peers, which are tested as those of --peer (repeatable)", func(s string) error {
		c.SRV = append(c.SRV, s)
		return nil
	})
	flags.StringVar(&c.Resolver, "resolver", "", "the DNS `server` that --srv asks (default: the system's)")
	flags.StringVar(&c.Listen, "listen", "", "the `endpoint` that the node listens at, as tcp://*:5671, to test whether peers reach that port (default: a"+
		" free port from 49152 up)")
	flags.StringVar(&c.Advertise, "advertise", "", "the `endpoint` that peers are told, where a NAT leads from it to the port of --listen: tcp://203.0.113.7:5671")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, doctorUsage)
		printOptions(out, flags)
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return c, err
}

// diagnose is the subcommand doctor.
func diagnose(args []string, _ io.Reader, out, errs io.Writer) int {
	options, err := newDoctorOptions(args, out)
	if err != nil {
		return refuse("doctor", err, errs)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	facts, err := doctor.Collect(ctx, options.Config)
	if err != nil {
		fmt.Fprintln(errs, "zre doctor:", err)
		return 2
	}
	report := doctor.Diagnose(facts)
	write := func(w io.Writer) error { return report.Print(w, columns(w)) }
	if options.json {
		write = report.JSON
	}
	if err := write(out); err != nil {
		fmt.Fprintln(errs, "zre doctor:", err)
		return 1
	}
	if !report.Well {
		return 1
	}
	return 0
}

// columns returns the width of a terminal, 0 for what is none.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}
