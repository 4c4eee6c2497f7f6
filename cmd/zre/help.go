package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-zre/go-zre/internal/plain"
)

// Annotations of commands, for their help.
const (
	noteExit  = "exit"  // what the exit statuses mean
	noteJSON  = "json"  // the keys of the --json output
	noteInput = "input" // what the command reads from standard input
	noteAll   = "all"   // also list the options of the node
)

// A manual describes a command. Its help, its man page and its part of docs/cli.md are made from it.
type manual struct {
	cmd      *cobra.Command
	about    string
	usage    []string
	commands []row // subcommands
	options  []row // its own
	node     []row // options of the node that it runs
}

// row is a line of a list: a term and its meaning.
type row struct{ left, right string }

func manualOf(cmd *cobra.Command) *manual {
	m := &manual{cmd: cmd, about: strings.TrimSpace(cmd.Long)}
	if m.about == "" {
		m.about = cmd.Short
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() || sub.Name() == "help" {
			m.commands = append(m.commands, row{sub.Name(), sub.Short})
		}
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		_, node := f.Annotations[noteNode]
		switch r := (row{"--" + f.Name, f.Usage}); {
		case f.Hidden:
		case f.Name == "help":
			m.options = append(m.options, row{"--help", "show this help"})
		case f.Name == "version":
			m.options = append(m.options, row{"--version", "show the version, the commit, and the Go version"})
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
		r.left += " " + word
	}
	return r
}

// inFull tells whether the help explains the options of the node; otherwise it only names them.
func (m *manual) inFull() bool {
	_, all := m.cmd.Annotations[noteAll]
	return all || len(m.node) <= 12
}

// help prints the help of a command, wrapped to the width of the terminal.
func (c *cli) help(cmd *cobra.Command, out io.Writer) {
	m := manualOf(cmd)
	p := &page{width: 100}
	if c.width > 0 {
		p.width = min(max(c.width, 30), 100)
	}
	p.text(m.about)
	if len(m.usage) > 0 {
		p.title("Usage:")
		for _, line := range m.usage {
			p.text("  " + line)
		}
	}
	if cmd.Example != "" {
		p.title("Examples:")
		p.rows(rowsOf(cmd.Example))
	}
	if len(m.commands) > 0 {
		p.title("Commands:")
		p.rows(m.commands)
	}
	if text := cmd.Annotations[noteInput]; text != "" {
		p.title("")
		p.text(text)
	}
	if text := cmd.Annotations[noteJSON]; text != "" {
		p.title("")
		p.text(text)
	}
	if len(m.options) > 0 {
		p.title("Options:")
		p.rows(m.options)
	}
	m.nodeHelp(p)
	if text := cmd.Annotations[noteExit]; text != "" {
		p.title("")
		p.text("Exit status: " + text + ".")
	}
	fmt.Fprint(out, p.String())
}

func (m *manual) nodeHelp(p *page) {
	if len(m.node) == 0 {
		return
	}
	if m.inFull() {
		p.title("Options of the node, also set by environment variables (such as ZRE_PORT) and the configuration file; see zre help options:")
		p.rows(m.node)
		return
	}
	p.title("Options of the node; see zre help options:")
	names := make([]string, len(m.node))
	for i, r := range m.node {
		names[i], _, _ = strings.Cut(r.left, " ")
	}
	p.text("  " + strings.Join(names, " "))
}

// rowsOf reads examples: a command line, some spaces, and what it does.
func rowsOf(example string) (list []row) {
	for line := range strings.SplitSeq(strings.TrimRight(example, "\n"), "\n") {
		left, right, _ := strings.Cut(strings.TrimSpace(line), "  ")
		list = append(list, row{left, strings.TrimSpace(right)})
	}
	return list
}

// page is text wrapped to a width.
type page struct {
	strings.Builder
	width int
}

func (p *page) title(s string) {
	p.WriteString("\n")
	if s != "" {
		p.text(s)
	}
}

// text writes paragraphs. A line that begins with a space keeps its indent, and its continuation lines align with it.
func (p *page) text(s string) {
	for line := range strings.SplitSeq(s, "\n") {
		body := strings.TrimLeft(line, " ")
		indent := len(line) - len(body)
		hanging := indent
		if word, rest, ok := strings.Cut(body, "  "); ok && indent > 0 { // a term and its meaning
			hanging = indent + len(word) + len(rest) - len(strings.TrimLeft(rest, " ")) + 2
		}
		if hanging > p.width/2 {
			hanging = indent + 2
		}
		p.wrap(strings.Repeat(" ", indent), body, hanging)
	}
}

// rows writes a list. The meanings get their own column if there is room.
func (p *page) rows(list []row) {
	left := 0
	for _, r := range list {
		if w := len(r.left); w > left && w <= p.width/3 {
			left = w
		}
	}
	for _, r := range list {
		switch {
		case r.right == "":
			p.wrap("  ", r.left, 4)
		case len(r.left) <= left:
			p.wrap(fmt.Sprintf("  %-*s  ", left, r.left), r.right, left+4)
		default:
			p.wrap("  ", r.left, 4)
			p.wrap(strings.Repeat(" ", min(left+4, 8)), r.right, min(left+4, 8))
		}
	}
}

// wrap writes words after a prefix, in lines of the width. Lines after the first are indented.
func (p *page) wrap(first, words string, indent int) {
	line := first
	empty := true
	for word := range strings.SplitSeq(words, " ") {
		if !empty && plain.Width(line)+1+plain.Width(word) > p.width {
			p.WriteString(strings.TrimRight(line, " ") + "\n")
			line, empty = strings.Repeat(" ", indent), true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	p.WriteString(strings.TrimRight(line, " ") + "\n")
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
