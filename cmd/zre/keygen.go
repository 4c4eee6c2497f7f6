package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/go-zre/go-zre/zre"
)

const keygenUsage = `Zre keygen makes a certificate of CURVE: new keys, in two files.

Usage: zre keygen [options] PATH

It writes PATH, with the public key, for the nodes that are to let this one in, and PATH_secret, with both keys, for this node alone (mode 0600). The
format is that of czmq's zmakecert. It overwrites nothing, and makes no folder. docs/security.md tells what to do with the files.
Exit status: 0 all is well; 1 it failed, and there is no new file; 2 wrong usage.

Options:
`

// keygen is the command.
func keygen(args []string, _ io.Reader, out, errs io.Writer) int {
	flags := flag.NewFlagSet("zre keygen", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var meta, paths []string
	flags.Func("meta", "a property `NAME=VALUE` that both files tell, as name=Alice (repeatable)", func(s string) error {
		meta = append(meta, s)
		return nil
	})
	for {
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				fmt.Fprint(out, keygenUsage)
				printOptions(out, flags)
			}
			return refuse("keygen", err, errs)
		}
		if args = flags.Args(); len(args) == 0 {
			break
		}
		paths, args = append(paths, args[0]), args[1:]
	}
	if len(paths) != 1 {
		return refuse("keygen", fmt.Errorf("want one PATH, not %d", len(paths)), errs)
	}
	certificate, err := certificateWith(meta)
	if err != nil {
		return refuse("keygen", err, errs)
	}
	if err := saveKeys(certificate, paths[0], out); err != nil {
		fmt.Fprintf(errs, "zre keygen: %v\n", err)
		return 1
	}
	return 0
}

// certificateWith makes a certificate with properties, each NAME=VALUE. An error is one of usage.
func certificateWith(meta []string) (*zre.Certificate, error) {
	certificate, err := zre.NewCertificate()
	if err != nil {
		return nil, err
	}
	for _, m := range meta {
		name, value, ok := strings.Cut(m, "=")
		if !ok {
			return nil, fmt.Errorf("--meta %q: want NAME=VALUE", m)
		}
		if err := certificate.SetMeta(name, value); err != nil {
			return nil, fmt.Errorf("--meta: %s", strings.TrimPrefix(err.Error(), "zre: SetMeta: "))
		}
	}
	return certificate, nil
}

// saveKeys saves a certificate, and tells what it wrote.
func saveKeys(certificate *zre.Certificate, path string, out io.Writer) error {
	if err := certificate.Save(path); err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "zre: "))
	}
	_, err := fmt.Fprintf(out, `%s: the public key; copy it to the nodes that are to let this one in
%[1]s_secret: both keys; keep it where the node runs, and give it to nobody
public key: %v
`, path, certificate.PublicKey())
	return err
}
