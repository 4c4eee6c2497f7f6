// Zre is the tool for ZRE networks. Its commands look at a network, take part in it from the command line, and drive a node for other programs.
//
// Each command is in a file of its own. They share: root.go (the list of commands, errors, exit status), nodeoptions.go (the
// options of a node, declared once), nodeflags.go (their values), config.go (the configuration file), help.go (what internal/manual makes
// help and man pages from), session.go (a node that runs for a while), output.go (all printing).
package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

func main() {
	zerolog.TimeFieldFormat = time.RFC3339Nano // --log shows milliseconds
	// With a handler, writing to a closed pipe returns an error, and nodes can say farewell. Programs that zre on runs do not inherit a
	// handler; they would inherit Ignore.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
