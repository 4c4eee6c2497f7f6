package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/zre"
)

func (c *cli) keygen() *cobra.Command {
	var meta []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "keygen PATH [options]",
		Short: "Makes the keys of a secure node, in two files.",
		Long: `Makes a CURVE certificate: new keys, in two files.

PATH has the public key: copy it to the nodes that this one connects to. PATH_secret has both keys: it is for this node alone (mode 0600). The format is that of czmq's zmakecert. It overwrites no files and makes no folders. docs/security.md explains how to use the files.`,
		Example: `  zre keygen alice --meta name=Alice
  zre pipe --cert alice --authorize keys/`,
		Annotations: map[string]string{
			noteExit: "0 success; 1 failure, and no file was written; 2 wrong usage",
			noteJSON: "With --json it prints one object: event (certificate), public_key, public_file and secret_file.",
		},
		Args: arguments(false, "PATH"),
	}
	jsonFlag(cmd, &asJSON, "print a JSON object")
	listFlag(cmd, &meta, "meta", "NAME=VALUE", "metadata for both files, such as name=Alice")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		certificate, err := certificateWith(meta)
		if err != nil {
			return &usageError{err: err}
		}
		return c.saveKeys(certificate, args[0], asJSON)
	}
	return cmd
}

// certificateWith makes a certificate with properties, each NAME=VALUE. Its errors are usage errors.
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

// keysResult is what zre keygen --json prints.
type keysResult struct {
	Event      string `json:"event"` // "certificate"
	PublicKey  string `json:"public_key"`
	PublicFile string `json:"public_file"`
	SecretFile string `json:"secret_file"`
}

// saveKeys saves a certificate and prints what it wrote.
func (c *cli) saveKeys(certificate *zre.Certificate, path string, asJSON bool) error {
	if err := certificate.Save(path); err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "zre: "))
	}
	if asJSON {
		c.json(keysResult{"certificate", certificate.PublicKey().String(), path, path + "_secret"})
		return nil
	}
	_, err := fmt.Fprintf(c.out, `%s: the public key; copy it to the nodes that this one connects to
%[1]s_secret: both keys; keep it where the node runs, and share it with nobody
public key: %v
`, path, certificate.PublicKey())
	return err
}
