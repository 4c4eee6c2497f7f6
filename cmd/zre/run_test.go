package main

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

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

// pipeNode returns the options that zre pipe uses for its node.
func pipeNode(args []string) ([]zre.Option, error) {
	o := new(pipeOptions)
	cmd := &cobra.Command{Use: "pipe"}
	o.addFlags(new(cli), cmd)
	if err := cmd.ParseFlags(args); err != nil {
		return nil, err
	}
	list, err := o.flags.options(cmd)
	return append(o.options(), list...), err
}

// runZre runs a command to its end within the test, with empty standard input.
func runZre(args ...string) (status int, out, errs string) {
	var stdout, stderr bytes.Buffer
	status = execute(args, strings.NewReader(""), &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

// process prepares a command in a process of its own.
func process(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env, cmd.Stderr = append(os.Environ(), asZre+"=1"), os.Stderr
	return cmd
}

// freePort returns a UDP port for the nodes of a test. It returns no port twice: tests that run at the same time would meet each other's nodes there.
func freePort() int { return 12_000 + int(portsTaken.Add(1))%10_000 }

var portsTaken atomic.Uint32 // begins anywhere, since another process may run the same tests

func init() { portsTaken.Store(rand.Uint32N(10_000)) }
