// Package keyfiles turns the options --cert and --authorize, which several commands have, into options of a node, and errors of options into the
// words of the command line.
package keyfiles

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"

	"github.com/go-zre/go-zre/zre"
)

// Options returns the options of a secure node: with the certificate that --cert names (the secret file or the name without its ending),
// and, if --authorize is given, only with peers whose certificates are at one of its paths, files or folders. Without either option it
// returns nothing.
//
// An error begins with the option, says which file is wrong and why, and what to do. The command then fails with exit status 1: it must not
// run without what the user asked for.
func Options(cert string, authorize []string) ([]zre.Option, error) {
	if cert == "" {
		if len(authorize) > 0 {
			return nil, errors.New(`--authorize needs --cert: a node without a certificate sees no keys; "zre keygen PATH" makes one`)
		}
		return nil, nil
	}
	certificate, err := zre.LoadCertificate(cert)
	if err != nil {
		return nil, wrapOption("--cert", err)
	}
	options := []zre.Option{zre.WithCertificate(certificate)}
	if _, err := zre.NewNode(options...); err != nil { // the keys may be unusable
		return nil, wrapOption("--cert "+cert, err)
	}
	if len(authorize) > 0 {
		allow, err := zre.AllowCertificates(authorize...)
		if err != nil {
			return nil, wrapOption("--authorize", err)
		}
		options = append(options, zre.WithAuthorizer(allow))
	}
	return options, nil
}

// Exposed warns of a secret file that other users may read, or write: "" if there is nothing to warn of. It is no error, since some tools write
// such files, and some systems mount them so.
func Exposed(cert string) string {
	if cert == "" || runtime.GOOS == "windows" {
		return ""
	}
	for _, path := range []string{cert + "_secret", cert} {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			return fmt.Sprintf("warning: --cert: other users may read the secret key in %s (mode %04o): chmod 600 %[1]s", path, mode)
		}
		break
	}
	return ""
}

// wrapOption makes an error of the library speak of an option.
func wrapOption(option string, err error) error {
	return &optionError{option, err}
}

type optionError struct {
	option string
	err    error
}

func (e *optionError) Unwrap() error { return e.err }

func (e *optionError) Error() string {
	text := PlainError(e.err).Error()
	for _, of := range []string{"cannot load the certificate: ", "AllowCertificates: ", "certificate: "} {
		text = strings.TrimPrefix(text, of)
	}
	return fmt.Sprintf("%s: %s", e.option, text)
}

// optionName is how an error of an option begins, such as "WithPeers(localhost): ".
var optionName = regexp.MustCompile(`^With\w+(\(.*?\))?: `)

// PlainError strips the names of Go packages and functions from an error of package zre, since the command names the option and its value. The
// result wraps nothing; nil stays nil.
func PlainError(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, prefix := range []string{"zre: ", "node: ", "join: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return errors.New(optionName.ReplaceAllString(text, ""))
}
