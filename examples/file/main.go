// File copies a file from another machine. It shows how far it is, and goes on where it stopped, also after a crash.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// The protocol is two requests, and the one that wants the file makes them, so the server keeps no state:
//
//	file.stat NAME                 replied with SIZE and the SHA-256 of all
//	file.read NAME OFFSET LENGTH   replied with LENGTH bytes
const (
	service = "file-server" // a header
	chunk   = 1 << 20       // bytes of a read, at most: beside that much a round trip takes little time
)

func main() {
	wait := flag.Duration("wait", 10*time.Second, "how long get waits for a server: at first, and when it is gone")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: file serve FOLDER\n       file [--wait TIME] get NAME FOLDER")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	var err error
	switch args := flag.Args(); {
	case len(args) == 2 && args[0] == "serve":
		err = run(ctx, args[1], func(node *zre.Node, folder *os.Root) error { return serve(ctx, node, folder) }, zre.WithHeader(service, "yes"))
	case len(args) == 3 && args[0] == "get":
		err = run(ctx, args[2], func(node *zre.Node, folder *os.Root) error {
			return (&download{node: node, folder: folder, name: args[1], wait: *wait}).run(ctx)
		}, zre.WithSendOnly()) // it asks, and wants no messages
	default:
		flag.Usage()
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "file:", err)
		os.Exit(1)
	}
}

// run starts a node and opens the folder. An os.Root lets nothing lead out of it, neither "../" nor symbolic links.
func run(ctx context.Context, path string, f func(*zre.Node, *os.Root) error, options ...zre.Option) (err error) {
	folder, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	node, err := zre.NewNode(options...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	if err := node.Start(ctx); err != nil {
		return err
	}
	return f(node, folder)
}

// check says what is wrong with the name of a file. It comes from a peer, or is sent to one.
func check(name string) error {
	if name != filepath.Base(name) || !filepath.IsLocal(name) || strings.HasPrefix(name, ".") || strings.Contains(name, `\`) {
		return fmt.Errorf("%.300q is not a plain file name", name)
	}
	return nil
}
