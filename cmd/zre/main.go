// Zre is the tool for ZRE networks: its subcommands drive a node from the command line and from other programs.
package main

import (
	"fmt"
	"io"
	"os"
)

const usage = `Zre is the tool for ZRE networks (ZeroMQ Realtime Exchange, RFC 36).

Usage: zre COMMAND [options]

Commands:
  bench   measures a network: messages a second, how long one takes, how soon nodes meet
  doctor  tells why nodes do not find or reach each other
  keygen  makes the keys of a secure node, in files
  pipe    a node driven by JSON: commands on standard input, events on standard output
  help    this text

"zre COMMAND --help" tells the options of a command.
`

// commands are the subcommands. Each returns its exit status: 0, 1 for a failure, 2 for wrong usage.
var commands = map[string]func(args []string, in io.Reader, out, errs io.Writer) int{
	"bench":  runBench,
	"doctor": diagnose,
	"keygen": keygen,
	"pipe":   pipe,
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	switch name := os.Args[1]; name {
	case "help", "-h", "-help", "--help":
		fmt.Print(usage)
	default:
		command, ok := commands[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "zre: there is no command %q; see zre help\n", name)
			os.Exit(2)
		}
		os.Exit(command(os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
}
