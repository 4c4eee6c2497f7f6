package main

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/termtext"
	"github.com/go-zre/go-zre/zre"
)

func (c *cli) watch() *cobra.Command {
	var asJSON bool
	var groups []string
	var count int
	cmd := &cobra.Command{
		Use:   "watch [options]",
		Short: "Shows the events of the network, one per line.",
		Long: `Shows the events of the network, one per line, until it is interrupted: nodes that enter and exit, join and leave groups or change their states, and messages to this node.
To see the messages of a group, join it with --group.`,
		Example: `  zre watch                        shows nodes that enter and exit
  zre watch --group CHAT           also shows the messages of a group
  zre watch --json | jq .name      prints JSON for other programs`,
		Annotations: map[string]string{
			noteExit: "0 it was interrupted, or showed as many events as --count says; 1 failure; 2 wrong usage",
			noteJSON: `With --json each line is an object as zre pipe prints it. zre pipe --help lists the events and their keys.`,
		},
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	jsonFlag(cmd, &asJSON, "print a JSON object for each event")
	listFlag(cmd, &groups, "group", "group", "a group to join, to see its messages")
	numberFlag(cmd, &count, "count", "stop after this many events", 1, 1<<30)
	flags := c.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		node, err := flags.start(cmd.Context(), cmd, groups)
		if err != nil {
			return err
		}
		defer node.Close()
		if asJSON {
			c.json(readyLine(node))
		}
		shown := 0
		for event := range node.AllEvents(cmd.Context()) {
			if asJSON {
				c.json(lineFor(node, event))
			} else {
				c.printf("%s %s", c.paint(faint, time.Now().Format(time.TimeOnly)), c.eventText(node, event))
			}
			if r, ok := event.(zre.Request); ok {
				_ = r.ReplyError(cmd.Context(), "zre watch answers no requests") // the peer may be gone
			}
			if shown++; shown == count {
				break
			}
		}
		return nil
	}
	return cmd
}

// eventText describes an event in one line, for people.
func (c *cli) eventText(node *zre.Node, event zre.Event) string {
	peer := event.From()
	word, colour, text := "", "", ""
	switch e := event.(type) {
	case zre.Enter:
		word, colour, text = "enter", green, fmt.Sprintf("%s at %s by %s", peer.UUID, termtext.Text(peer.Endpoint), peer.Transport)
		if state := stateName(peer.State); state != "" {
			text += ", " + state
		}
		if headers := headersText(peer.Headers); headers != "" {
			text += ", " + headers
		}
	case zre.Exit:
		word, colour, text = "exit", red, e.Reason.String()
		if e.Err != nil {
			text += ": " + termtext.Text(e.Err.Error())
		}
	case zre.Join:
		word, text = "join", quoted(e.Group)
	case zre.Leave:
		word, text = "leave", quoted(e.Group)
	case zre.Whisper:
		word, colour, text = "whisper", blue, contentText(e.Frames)
	case zre.Shout:
		word, colour, text = "shout", blue, "to "+quoted(e.Group)+": "+contentText(e.Frames)
	case zre.Request:
		word, colour, text = "request", blue, contentText(e.Frames)
	case zre.StateChange:
		word, text = "state", e.State.String()
	case zre.HeaderChange:
		word, text = "headers", cmp.Or(headersText(peer.Headers), "none")
	case zre.EndpointChange:
		word, text = "endpoint", "of this node: "+termtext.Text(strings.Join(e.Endpoints, ", "))
	case zre.Leader:
		word, text = "leader", "of "+quoted(e.Group)
		if peer.UUID == node.UUID() {
			text += " (this node)"
		}
	case zre.Evasive:
		word, colour, text = "evasive", yellow, "is silent"
	case zre.Silent:
		word, colour, text = "silent", yellow, "is still silent after a PING"
	case zre.Problem:
		if e.Solved {
			return c.paint(yellow, "solved  ") + " " + termtext.Text(problemText(e))
		}
		return c.paint(yellow, "problem ") + " " + termtext.Text(problemText(e))
	}
	return fmt.Sprintf("%s %s  %s", c.paint(colour, fmt.Sprintf("%-8s", word)), quoted(peer.Name), text)
}

// problemText describes a problem in one line, for people. It names its subject once and no Go package.
func problemText(p zre.Problem) string {
	text := strings.Replace(p.String(), fmt.Sprintf("beacon: Interfaces: %q: ", p.About), "", 1)
	return strings.ReplaceAll(text, "beacon: ", "")
}

// headersText formats the headers of a peer in one line.
func headersText(headers map[string]string) string {
	var list []string
	for name, value := range sortedByKey(headers) {
		list = append(list, termtext.Text(name)+"="+termtext.Text(value))
	}
	return strings.Join(list, ", ")
}

// sortedByKey yields the entries of a map in the order of their keys.
func sortedByKey(m map[string]string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

// contentText formats a message in one line, for people: text without its final newline, and the size of frames that are not text.
func contentText(frames [][]byte) string {
	parts := make([]string, len(frames))
	for i, frame := range frames {
		if utf8.Valid(frame) {
			parts[i] = termtext.Text(strings.TrimSuffix(string(frame), "\n"))
		} else {
			parts[i] = "(" + plural(len(frame), "byte") + ")"
		}
	}
	return strings.Join(parts, " | ")
}
