package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/internal/manual"
	"github.com/go-zre/go-zre/internal/termtext"
	"github.com/go-zre/go-zre/zre"
)

// The exit statuses of all commands.
const (
	exitFailed = 1 // something failed, or a peer did not get a message
	exitUsage  = 2 // a wrong option, argument, environment variable or configuration file
)

const exitStatus = "0 success; 1 failure; 2 wrong usage"

// cli is one run of the tool.
type cli struct {
	in          io.Reader
	out         *output
	errs        io.Writer
	testOptions []zre.Option // for nodes in tests
	colour      bool         // out is a terminal that shows colours
	width       int          // columns of out; 0 if it is not a terminal
}

// execute runs the command line and returns the exit status.
func execute(args []string, in io.Reader, out, errs io.Writer) int {
	c := &cli{in: in, errs: errs}
	return c.execute(args, out)
}

func (c *cli) execute(args []string, out io.Writer) int {
	ctx, stop := signals()
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.out = &output{writer: out, broken: cancel}
	c.width, c.colour = columns(out), hasColour(out)
	watchReader(ctx, out, func() { c.out.fail(syscall.EPIPE) })

	root := c.root()
	root.SetArgs(append([]string{}, args...))
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.errs)
	cmd, err := root.ExecuteContextC(ctx)
	return c.status(cmd, err)
}

// errInterrupted is the cause of the end of a command's context when a signal ended it.
var errInterrupted = errors.New("interrupted")

// signals returns a context that ends with the first signal. The next signal ends the process at once.
func signals() (context.Context, context.CancelFunc) {
	var ends []os.Signal
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) { // nohup ignores SIGHUP
			ends = append(ends, s)
		}
	}
	if len(ends) == 0 {
		return context.WithCancel(context.Background())
	}
	signalled, stop := signal.NotifyContext(context.Background(), ends...)
	ctx, interrupt := context.WithCancelCause(context.Background())
	context.AfterFunc(signalled, func() {
		stop()
		interrupt(errInterrupted)
	})
	return ctx, stop
}

// status reports an error and returns its exit status.
func (c *cli) status(cmd *cobra.Command, err error) int {
	var wrong *usageError
	var quiet exitError
	switch failure := c.out.failure(); {
	case failure != nil && isClosed(failure): // the reader is gone, which is a normal end
	case failure != nil:
		c.printError(cmd, fmt.Errorf("cannot write the output: %w", failure))
		return exitFailed
	case errors.As(err, &quiet):
		return int(quiet)
	case errors.As(err, &wrong):
		text := fmt.Sprintf("%s: %v", cmd.CommandPath(), wrong.err)
		if wrong.namesCommand {
			text = wrong.err.Error()
		}
		see := "; see"
		if strings.HasSuffix(text, "?") {
			see = " See"
		}
		if cmd.Name() == "help" { // its own help does not list the commands
			cmd = cmd.Parent()
		}
		fmt.Fprintf(c.errs, "%s%s %s --help\n", termtext.Text(text), see, cmd.CommandPath())
		return exitUsage
	case err != nil:
		c.printError(cmd, err)
		return exitFailed
	}
	return 0
}

// printError prints an error, whether it ends the command or not.
func (c *cli) printError(cmd *cobra.Command, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") { // errors.Join gives several lines
		fmt.Fprintf(c.errs, "%s: %s\n", cmd.CommandPath(), termtext.Text(line))
	}
}

// usageError is a wrong use of a command.
type usageError struct {
	err          error
	namesCommand bool // it names the command itself
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usageErrorf(format string, values ...any) error {
	return &usageError{err: fmt.Errorf(format, values...)}
}

// exitError ends a command whose failure was already reported.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// root builds the tree of commands.
func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "zre",
		Short: "The tool for ZRE networks (ZeroMQ Realtime Exchange, RFC 36).",
		Long:  "The tool for ZRE networks (ZeroMQ Realtime Exchange, RFC 36): programs that find each other, join groups and send messages, without a server.",
		Example: `  zre ls                       lists the nodes
  zre watch --group CHAT       shows what happens, and the messages of a group
  zre shout CHAT hello         sends a message to a group
  zre whisper alice hello      sends a message to one node
  zre doctor                   says why nodes do not find each other`,
		Annotations:   map[string]string{noteExit: exitStatus},
		Version:       manual.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          onlySubcommands,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.help(cmd, c.errs)
			return exitError(exitUsage)
		},
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { c.help(cmd, c.out) })
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(&cobra.Command{Use: "help [command]", Short: "Shows the help of a command.", Annotations: map[string]string{noteExit: exitStatus},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			found, _, err := root.Find(args)
			if err == nil {
				for _, cmd := range found.Commands() {
					if !cmd.Hidden {
						names = append(names, cmd.Name()+"\t"+cmd.Short)
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = onlySubcommands(cmd, rest)
			}
			if err == nil {
				cmd.InitDefaultHelpFlag()
				c.help(cmd, c.out)
			}
			return err
		}})
	root.AddCommand(c.ls(), c.watch(), c.top(), c.mapCommand(), c.shout(), c.whisper(), c.request(), c.ping(), c.on(), c.pipe(), c.doctor(), c.sniff(), c.bench(), c.keygen(), c.man(), c.topic())
	root.InitDefaultHelpCmd()
	c.completions(root)
	return root
}

// onlySubcommands is for commands that only have subcommands.
func onlySubcommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if like := closest(args[0], commandNames(cmd)); like != "" {
		text += fmt.Sprintf("; did you mean %s?", like)
	} else if cmd.HasParent() {
		text += ": choose " + oneOf(commandNames(cmd))
	}
	return usageErrorf("%s", text)
}

// oneOf lists choices, like "a, b or c".
func oneOf(list []string) string {
	last := len(list) - 1
	if last < 1 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

func commandNames(cmd *cobra.Command) (names []string) {
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	return names
}

// noArguments is for commands that take only options.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageErrorf("unexpected argument %q", args[0])
	}
	return nil
}

// arguments requires one argument for each word; with more the last one may be repeated.
func arguments(more bool, words ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(words):
			return usageErrorf("%s is missing", words[len(args)])
		case len(args) > len(words) && !more:
			return usageErrorf("unexpected argument %q", args[len(words)])
		}
		for i, word := range words {
			if args[i] == "" && word != "TEXT" {
				return usageErrorf("%s is empty", word)
			}
		}
		return nil
	}
}

// flagError describes a wrong option in terms of the command line.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		err = fmt.Errorf("%s has no option -%s: options begin with two dashes", cmd.CommandPath(), unknown.GetSpecifiedShortnames())
		return &usageError{err: err, namesCommand: true}
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		text := fmt.Sprintf("%s has no option --%s", cmd.CommandPath(), name)
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if like := closest(name, names); like != "" {
			text += fmt.Sprintf("; did you mean --%s?", like)
		} else if !cmd.HasParent() && isCommandOption(cmd, name) {
			text = fmt.Sprintf("--%s goes after the command, for example zre ls --%[1]s", name)
		}
		return &usageError{err: errors.New(text), namesCommand: true}
	case errors.As(err, &missing):
		return usageErrorf("--%s needs a value", missing.GetFlag().Name)
	case errors.As(err, &invalid):
		return usageErrorf("--%s %q: %w", invalid.GetFlag().Name, shortened(invalid.GetValue()), keyfiles.PlainError(invalid.Unwrap()))
	}
	return &usageError{err: err}
}

// shortened shortens a long value for an error.
func shortened(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}

// isCommandOption tells whether zre ls, and so most commands, has an option.
func isCommandOption(root *cobra.Command, name string) bool {
	ls, _, err := root.Find([]string{"ls"})
	return err == nil && ls.Flags().Lookup(name) != nil
}

// closest returns the name that was probably meant, or "" if none is similar.
func closest(name string, names []string) string {
	best, least := "", 3 // at most two letters may differ, fewer in a short name
	if len(name) < 5 {
		least = 2
	}
	for _, candidate := range names {
		d := distance(strings.ToLower(name), candidate)
		if d < least && d < len(candidate) || d == least && len(name) > 2 && strings.HasPrefix(candidate, name) {
			best, least = candidate, d
		}
	}
	if best == "" && len(name) > 1 {
		for _, candidate := range names {
			if strings.HasPrefix(candidate, name) {
				return candidate
			}
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with the next one to turn a into b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := range len(a) {
		for j := range len(b) {
			change := rows[i][j]
			if a[i] != b[j] {
				change++
			}
			d := min(change, rows[i][j+1]+1, rows[i+1][j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				d = min(d, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = d
		}
	}
	return rows[len(a)][len(b)]
}
