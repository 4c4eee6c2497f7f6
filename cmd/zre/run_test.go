package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/zre"
)

func runBench(args []string, in io.Reader, out, errs io.Writer) int {
	return execute(append([]string{"bench"}, args...), in, out, errs)
}

func diagnose(args []string, in io.Reader, out, errs io.Writer) int {
	return execute(append([]string{"doctor"}, args...), in, out, errs)
}

func pipe(args []string, in io.Reader, out, errs io.Writer) int {
	return execute(append([]string{"pipe"}, args...), in, out, errs)
}

// pipeNode returns the options that zre pipe has for its node.
func pipeNode(args []string) ([]zre.Option, error) {
	o := new(pipeOptions)
	cmd := &cobra.Command{Use: "pipe"}
	o.declare(new(cli), cmd)
	if err := cmd.ParseFlags(args); err != nil {
		return nil, err
	}
	return append(o.options(), o.flags.options()...), nil
}
