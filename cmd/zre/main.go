// Zre is the tool for ZRE networks: its commands look at a network, take part in it from the command line, and drive a node for other programs.
//
// Each command is in a file of its own. What they share: root.go (the list of commands, errors, exit status), nodeflags.go (the options of a
// node, declared once), config.go (the configuration file), help.go and man.go (one style of help), session.go (a node for a while),
// output.go (where all is printed).
package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

func main() {
	zerolog.TimeFieldFormat = time.RFC3339Nano // which --log shows to the millisecond
	// A reader that goes away is an error of a write, so that nodes say farewell. A handler, unlike Ignore, is not inherited by programs
	// that zre on runs.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
