package main

import (
	"errors"
	"os/exec"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

func (c *cli) on() *cobra.Command {
	cmd := &cobra.Command{
		Use:         "on",
		Short:       "Runs a program for each message that arrives.",
		Long:        "Runs a program for each message that arrives.",
		Annotations: map[string]string{noteExit: exitStatus},
		Args:        noSuchCommand,
		RunE:        func(*cobra.Command, []string) error { return misused("choose shout, whisper or request") },
	}
	cmd.AddCommand(c.onMessage("shout"), c.onMessage("whisper"), c.onMessage("request"))
	return cmd
}

const aboutHandler = `
The content comes on its standard input, all frames in a row. Its environment has ZRE_EVENT (shout, whisper or request), ZRE_EVENT_PEER (the sender's UUID), ZRE_EVENT_NAME (its name), ZRE_EVENT_GROUP, ZRE_EVENT_REQUEST, ZRE_EVENT_FRAMES (how many) and ZRE_EVENT_SIZES (the bytes of each, with spaces between them).
No shell is involved, so a message never becomes part of a command line. Do not make it one in your scripts either.
Messages wait while as many programs run as --jobs says; then the senders wait.`

// handlers are the kinds of zre on.
var handlers = map[string]struct {
	use, short, long, example string
	args                      cobra.PositionalArgs
}{
	"shout": {"GROUP… -- PROGRAM [ARGUMENT…]", "Runs a program for each message to a group.", "Runs a program for each message that is shouted to a group.",
		`  zre on shout LOG -- tee -a all.log                     writes what is shouted to a group into a file
  zre on shout WORK --jobs 4 -- ./convert                at most four at once`, someArguments("GROUP")},
	"whisper": {"-- PROGRAM [ARGUMENT…]", "Runs a program for each message to this node.", "Runs a program for each message that is whispered to this node.",
		`  zre on whisper --name printer -- lp                    prints what is sent to the node "printer"
  zre on whisper --name clock --reply -- date            whispers back what the program prints`, noWords},
	"request": {"NAME… -- PROGRAM [ARGUMENT…]", "Runs a program for each request to this node, and replies with what it prints.",
		"Runs a program for each request of that name to this node, and replies with what it prints, or with an error if its status is not 0. The name is in ZRE_EVENT_REQUEST, and not in the content. Requests with other names get an error.",
		`  zre on request temperature --name robot -- ./measure      zre request robot temperature asks for it`, someArguments("NAME")},
}

func (c *cli) onMessage(kind string) *cobra.Command {
	k := handlers[kind]
	h := handler{kind: kind}
	var count int
	jobs := 1
	cmd := &cobra.Command{
		Use:     kind + " " + k.use,
		Short:   k.short,
		Long:    k.long + aboutHandler,
		Example: k.example,
		Annotations: map[string]string{
			noteExit: "0 it was interrupted, or has handled as many messages as --count says; 1 it failed; 2 wrong usage. If the program fails, the command reports its status and continues",
			noteJSON: `With --json it prints a line for each program that has ended: event (handled), peer, name, group, status, elapsed_ms, and error if it could not be run; what the program prints then goes to standard error.`,
		},
		Args: k.args,
	}
	jsonFlag(cmd, &h.json, "print a line of JSON for each program that has ended")
	if kind != "request" {
		switchFlag(cmd, &h.reply, "reply", "whisper what the program prints back to the sender, if its status is 0")
	}
	numberFlag(cmd, &jobs, "jobs", "how many programs may run at once (default 1: one after the other, in order)", 1, 1000)
	numberFlag(cmd, &count, "count", "end after this many messages", 1, 1<<30)
	timeFlag(cmd, &h.timeout, "timeout", "end a program that runs for longer (default: never)", time.Millisecond)
	flags := c.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dash := cmd.ArgsLenAtDash()
		h.program, h.names = args[dash:], args[:dash]
		if _, err := exec.LookPath(h.program[0]); err != nil {
			return misused("cannot run %q: %w", h.program[0], errors.Unwrap(err))
		}
		var groups []string
		if kind == "shout" {
			groups = h.names
		}
		node, err := flags.start(cmd.Context(), cmd, groups)
		if err != nil {
			return err
		}
		h.session = &session{cli: c, cmd: cmd, node: node}
		h.free = make(chan struct{}, jobs)
		h.handle(cmd.Context(), count)
		return h.close()
	}
	return cmd
}

// noWords accepts only a program after --.
func noWords(cmd *cobra.Command, args []string) error {
	if dash := cmd.ArgsLenAtDash(); dash > 0 {
		return misused("unexpected argument %q", args[0])
	}
	return program(cmd, args)
}

// someArguments requires at least one word, and a program after --.
func someArguments(word string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if cmd.ArgsLenAtDash() == 0 || len(args) == 0 {
			return misused("%s is missing", word)
		}
		if slices.Contains(args[:max(cmd.ArgsLenAtDash(), 0)], "") {
			return misused("%s is empty", word)
		}
		return program(cmd, args)
	}
}

func program(cmd *cobra.Command, args []string) error {
	if dash := cmd.ArgsLenAtDash(); dash < 0 || dash == len(args) {
		return misused("PROGRAM is missing: write it behind --")
	}
	return nil
}
