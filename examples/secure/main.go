// Secure meets only programs that have the same certificate. What they send each other is encrypted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-zre/go-zre/zre"
)

func main() {
	name := flag.String("name", "", "the `name` that others see")
	create := flag.Bool("new", false, "make a new certificate, and end")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: secure --new CERTIFICATE\n       secure [--name NAME] CERTIFICATE")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	var err error
	if path := flag.Arg(0); *create {
		err = save(path)
	} else {
		err = greet(ctx, path, *name)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "secure:", err)
	}
	switch {
	case errors.Is(err, zre.ErrInvalidOption): // --name
		os.Exit(2)
	case err != nil:
		os.Exit(1)
	}
}

// save makes a certificate. It overwrites none.
func save(path string) error {
	certificate, err := zre.NewCertificate()
	if err != nil {
		return err
	}
	if err := certificate.Save(path); err != nil {
		return err
	}
	fmt.Printf("%s_secret is the secret: copy it to each machine, and show it to nobody\n", path)
	return nil
}

// greet greets all that enter, until ctx ends.
func greet(ctx context.Context, path, name string) (err error) {
	certificate, err := zre.LoadCertificate(path)
	if err != nil {
		return err
	}
	node, err := zre.NewNode(zre.WithName(name), zre.WithSharedCertificate(certificate))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	if err := node.Start(ctx); err != nil {
		return err
	}
	fmt.Println("the key of this group is", certificate)
	for event := range node.AllEvents(ctx) {
		switch e := event.(type) {
		case zre.Enter:
			fmt.Printf("%q is here\n", e.Peer.Name)
			err := node.Whisper(ctx, e.Peer.UUID, []byte("hello, this is secret"))
			if err != nil && ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "secure:", err)
			}
		case zre.Whisper:
			fmt.Printf("%q whispers %.200q\n", e.Peer.Name, e.Frames[0])
		case zre.Exit:
			fmt.Printf("%q is gone: %v\n", e.Peer.Name, e.Reason)
		case zre.Problem: // one that has another key is ProblemRefused, or ProblemRefusedBy on its side
			fmt.Fprintln(os.Stderr, "secure:", e)
		}
	}
	return nil
}
