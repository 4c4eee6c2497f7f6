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
		Short:       "Runs a program for each message.",
		Long:        "Runs a program for each message.",
		Annotations: map[string]string{noteExit: exitStatus},
		Args:        onlySubcommands,
		RunE:        func(*cobra.Command, []string) error { return usageErrorf("choose shout, whisper or request") },
	}
	cmd.AddCommand(c.onMessage("shout"), c.onMessage("whisper"), c.onMessage("request"))
	return cmd
}

const aboutHandler = `
The program reads the message from its standard input, all frames joined. Environment variables describe the message: ZRE_EVENT (shout, whisper or request), ZRE_EVENT_PEER (the sender's UUID), ZRE_EVENT_NAME (its name), ZRE_EVENT_GROUP, ZRE_EVENT_REQUEST, ZRE_EVENT_FRAMES (the number of frames) and ZRE_EVENT_SIZES (their sizes in bytes, separated by spaces).
The program runs without a shell, so that nothing that a stranger sends becomes part of a command line. Keep it that way in your own scripts.
While as many programs run as --jobs says, further messages wait, and then their senders.`

// handlers are the kinds of zre on.
var handlers = map[string]struct {
	use, short, long, example string
	args                      cobra.PositionalArgs
}{
	"shout": {"GROUP… -- PROGRAM [ARGUMENT…]", "Runs a program for each message to a group.", "Runs a program for each message to the groups.",
		`  zre on shout LOG -- tee -a all.log                     appends the messages of a group to a file
  zre on shout WORK --jobs 4 -- ./convert                runs at most four programs at once`, argumentsAndProgram("GROUP")},
	"whisper": {"-- PROGRAM [ARGUMENT…]", "Runs a program for each message to this node.", "Runs a program for each message to this node alone.",
		`  zre on whisper --name printer -- lp                    prints what is sent to the node "printer"
  zre on whisper --name clock --reply -- date            whispers the output of the program back`, onlyProgram},
	"request": {"NAME… -- PROGRAM [ARGUMENT…]", "Runs a program for each request to this node, and replies with its output.",
		"Runs a program for each request to this node that has one of the names, and replies with the output of the program. If its exit status is not 0, the reply is an error. The name is in ZRE_EVENT_REQUEST, and not part of the message. Requests with other names get an error.",
		`  zre on request temperature --name robot -- ./measure      answers zre request robot temperature`, argumentsAndProgram("NAME")},
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
			noteExit: "0 it was interrupted, or handled as many messages as --count says; 1 failure; 2 wrong usage. A program that fails is reported, and zre on continues",
			noteJSON: `With --json it prints an object for each program that ended: event (handled), peer, name, group, status, elapsed_ms, and error if the program could not run or took too long. The output of the program then goes to standard error.`,
		},
		Args: k.args,
	}
	jsonFlag(cmd, &h.json, "print a JSON object for each program that ended")
	if kind != "request" {
		switchFlag(cmd, &h.reply, "reply", "whisper the output of the program back to the sender, if its exit status is 0")
	}
	numberFlag(cmd, &jobs, "jobs", "how many programs may run at once; with 1 they run in the order of the messages", 1, 1000)
	numberFlag(cmd, &count, "count", "stop after this many messages", 1, 1<<30)
	timeFlag(cmd, &h.timeout, "timeout", "end a program that runs longer (default: never)", time.Millisecond)
	flags := c.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dash := cmd.ArgsLenAtDash()
		h.program, h.names = args[dash:], args[:dash]
		if _, err := exec.LookPath(h.program[0]); err != nil {
			return usageErrorf("cannot run %q: %w", h.program[0], errors.Unwrap(err))
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
		h.slots = make(chan struct{}, jobs)
		h.handle(cmd.Context(), count)
		return h.close()
	}
	return cmd
}

// onlyProgram accepts only a program after --.
func onlyProgram(cmd *cobra.Command, args []string) error {
	if dash := cmd.ArgsLenAtDash(); dash > 0 {
		return usageErrorf("unexpected argument %q", args[0])
	}
	return requireProgram(cmd, args)
}

// argumentsAndProgram requires at least one word, and a program after --.
func argumentsAndProgram(word string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if cmd.ArgsLenAtDash() == 0 || len(args) == 0 {
			return usageErrorf("%s is missing", word)
		}
		if slices.Contains(args[:max(cmd.ArgsLenAtDash(), 0)], "") {
			return usageErrorf("%s is empty", word)
		}
		return requireProgram(cmd, args)
	}
}

func requireProgram(cmd *cobra.Command, args []string) error {
	if dash := cmd.ArgsLenAtDash(); dash < 0 || dash == len(args) {
		return usageErrorf("PROGRAM is missing: write it after --")
	}
	return nil
}
