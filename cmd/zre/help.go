package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-zre/go-zre/internal/manual"
)

// Annotations of commands, for their help.
const (
	noteExit  = "exit"  // what the exit statuses mean
	noteJSON  = "json"  // the keys of the --json output
	noteInput = "input" // what the command reads from standard input
	noteAll   = "all"   // also list the options of the node
)

// A commandHelp describes a command. Its help, its man page and its part of docs/cli.md are made from it.
type commandHelp struct {
	cmd      *cobra.Command
	about    string
	usage    []string
	commands []row // subcommands
	options  []row // its own
	node     []row // options of the node that it runs
}

type row = manual.Row

func helpOf(cmd *cobra.Command) *commandHelp {
	m := &commandHelp{cmd: cmd, about: strings.TrimSpace(cmd.Long)}
	if m.about == "" {
		m.about = cmd.Short
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() || sub.Name() == "help" {
			m.commands = append(m.commands, row{Term: sub.Name(), Meaning: sub.Short})
		}
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		_, node := f.Annotations[noteNode]
		switch r := (row{Term: "--" + f.Name, Meaning: f.Usage}); {
		case f.Hidden:
		case f.Name == "help":
			m.options = append(m.options, row{Term: "--help", Meaning: "show this help"})
		case f.Name == "version":
			m.options = append(m.options, row{Term: "--version", Meaning: "show the version, the commit, and the Go version"})
		case node:
			m.node = append(m.node, withValue(f, r))
		default:
			m.options = append(m.options, withValue(f, r))
		}
	})
	if cmd.Runnable() {
		m.usage = append(m.usage, useLine(cmd))
	}
	if len(m.commands) > 0 {
		m.usage = append(m.usage, cmd.CommandPath()+" COMMAND [options]")
	}
	if cmd.HasParent() && len(m.commands) == 0 || len(m.usage) < 2 {
		return m
	}
	m.usage = m.usage[1:] // without a subcommand it only prints this help
	return m
}

func useLine(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return cmd.Use
	}
	return cmd.Parent().CommandPath() + " " + cmd.Use
}

func withValue(f *pflag.Flag, r row) row {
	if word := f.Value.Type(); word != "" && word != "bool" {
		r.Term += " " + word
	}
	return r
}

// pages returns what the help and the man page are made from.
func (m *commandHelp) pages() *manual.Manual {
	_, all := m.cmd.Annotations[noteAll]
	all = all || len(m.node) <= 12
	node := manual.List{Heading: "OPTIONS OF THE NODE", Rows: m.node, Brief: !all, Title: "Options of the node; see zre help options:"}
	if all {
		node.Title = "Options of the node, also set by environment variables (such as ZRE_PORT) and the configuration file; see zre help options:"
	}
	p := &manual.Manual{
		Name: m.cmd.CommandPath(), Short: m.cmd.Short, About: m.about, Usage: m.usage, Exit: m.cmd.Annotations[noteExit],
		Lists:   []manual.List{{Title: "Commands:", Heading: "COMMANDS", Rows: m.commands}, {Title: "Options:", Heading: "OPTIONS", Rows: m.options}, node},
		SeeAlso: []string{"zre-options(1)"},
	}
	if m.cmd.Example != "" {
		p.Examples = manual.Rows(m.cmd.Example)
	}
	for _, note := range []string{noteInput, noteJSON} {
		if s := m.cmd.Annotations[note]; s != "" {
			p.Notes = append(p.Notes, s)
		}
	}
	if m.cmd.HasParent() {
		p.SeeAlso = []string{"zre(1)", "zre-options(1)"}
	}
	if m.cmd.HasParent() && m.cmd.Parent().HasParent() {
		p.SeeAlso = append(p.SeeAlso, strings.ReplaceAll(m.cmd.Parent().CommandPath(), " ", "-")+"(1)")
	}
	return p
}

// help prints the help of a command, wrapped to the width of the terminal.
func (c *cli) help(cmd *cobra.Command, out io.Writer) {
	fmt.Fprint(out, helpOf(cmd).pages().Help(c.width))
}

// topic is the help topic about node options and the other places where they can be set.
func (c *cli) topic() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "options",
		Short: "Explains the options of nodes, in all three places where they can be set.",
		Long: `The options of nodes, for all commands that run one.

An option can be set in three places. The first place that has it counts, with all values of a repeatable option:
  the command line      --port 5671 --interface eth0 --interface 'en*'
  the environment       ZRE_PORT=5671 ZRE_INTERFACE='eth0,en*' (_ replaces -; commas separate several values)
  the configuration file, in the network that --network, ZRE_NETWORK or the file itself names:

    network = "lab"                    # the network to use if none is named

    [networks.lab]
    port = 5671
    interface = ["eth0", "en*"]
    peer = "tcp://robot.example:5671"

The file is zre/config.toml in the user's configuration directory ($XDG_CONFIG_HOME or ~/.config; ~/Library/Application Support on macOS, %AppData% on Windows), or the file that --config or ZRE_CONFIG names. Unknown keys are errors.

NO_COLOR=1 turns colours off.`,
		Annotations: map[string]string{noteAll: ""},
	}
	c.nodeFlags(cmd)
	cmd.Flags().BoolP("help", "h", false, "")
	cmd.Flags().Lookup("help").Hidden = true
	return cmd
}
