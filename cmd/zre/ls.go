package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/internal/termtext"
	"github.com/go-zre/go-zre/zre"
)

// selfLine is this node in JSON.
type selfLine struct {
	UUID      string        `json:"uuid"`
	Name      string        `json:"name"`
	Endpoint  string        `json:"endpoint"`
	PublicKey zre.PublicKey `json:"public_key,omitzero"`
}

// lsResult is what zre ls --json prints.
type lsResult struct {
	Self  selfLine   `json:"self"`
	Peers []peerLine `json:"peers"`
}

func (c *cli) ls() *cobra.Command {
	var asJSON bool
	var group string
	var w waiting
	cmd := &cobra.Command{
		Use:   "ls [options]",
		Short: "Lists the nodes of the network.",
		Long:  "Lists the nodes of the network. It runs a node for two seconds, and prints the peers that this node met.",
		Example: `  zre ls                         lists all nodes
  zre ls --group CHAT            lists the members of a group
  zre ls --wait-for 3 --json     waits until three nodes are present, and prints JSON`,
		Annotations: map[string]string{
			noteExit: "0 the list was printed, even if it is empty; 1 fewer nodes are present than --wait-for says; 2 wrong usage",
			noteJSON: `With --json it prints one object: self (uuid, name, endpoint, public_key) and peers, a list with peer (the UUID), name, endpoint, public_key, transport, headers, groups, state, queued_messages and queued_bytes of each. Keys without a value are left out.`,
		},
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	jsonFlag(cmd, &asJSON, "print a JSON object")
	stringFlag(cmd, &group, "group", "group", "list only the members of this group")
	w.addFlags(cmd, "nodes")
	flags := c.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkGroup(group); group != "" && err != nil {
			return err
		}
		s, err := flags.session(cmd)
		if err != nil {
			return err
		}
		defer s.node.Close()
		list := s.node.Peers
		whom := "nodes"
		if group != "" {
			list = func() []*zre.Peer { return s.node.PeersIn(group) }
			whom = "members of " + quoted(group)
		}
		peers, err := s.members(cmd.Context(), w, whom, list)
		if err != nil {
			return err
		}
		c.printPeers(s.node, peers, asJSON)
		if len(peers) == 0 && !asJSON {
			fmt.Fprintf(c.errs, "%s: there are no %s; zre doctor says why nodes do not find each other\n", cmd.CommandPath(), whom)
		}
		return nil
	}
	return cmd
}

// checkGroup reports what is wrong with a group name.
func checkGroup(group string) error {
	node, err := zre.NewNode()
	if err == nil {
		err = node.Join(group)
	}
	if err != nil {
		return usageErrorf("%w", keyfiles.PlainError(err))
	}
	return nil
}

// printPeers prints peers.
func (c *cli) printPeers(node *zre.Node, peers []*zre.Peer, asJSON bool) {
	if asJSON {
		result := lsResult{Self: selfLine{node.UUID().String(), node.Name(), node.Endpoints()[0], node.PublicKey()}, Peers: []peerLine{}}
		for _, p := range peers {
			result.Peers = append(result.Peers, peerLineOf(p))
		}
		c.json(result)
		return
	}
	if len(peers) == 0 {
		return
	}
	rows := [][]string{{"NAME", "UUID", "STATE", "BY", "ENDPOINT", "GROUPS"}}
	for _, p := range peers {
		state := stateName(p.State)
		if state == "" {
			state = "-"
		}
		rows = append(rows, []string{termtext.Text(p.Name), shortID(p), state, p.Transport, termtext.Text(p.Endpoint), termtext.Text(strings.Join(p.Groups, ", "))})
	}
	c.table(dropColumns(rows, c.width, nil, 4, 3, 2)) // drop the endpoint first, then the transport, then the state
}

// shortID is the beginning of a UUID, enough to identify a peer unless there are very many.
func shortID(p *zre.Peer) string { return p.UUID.String()[:8] }

// maxName is the maximum width of the name column.
const maxName = 32

// table prints rows below a header, within the width of the terminal.
func (c *cli) table(rows [][]string) {
	for n, text := range formatTable(rows, c.width) {
		if n == 0 {
			text = c.paint(faint, text)
		}
		c.printf("%s", text)
	}
}

// formatTable formats rows as lines. If width is not 0, it cuts off longer lines.
func formatTable(rows [][]string, width int) (lines []string) {
	widths := widthsOf(rows, width)
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			if i == len(r)-1 {
				line.WriteString(cell)
				break
			}
			line.WriteString(termtext.Pad(cell, widths[i]) + "  ")
		}
		text := strings.TrimRight(line.String(), " ")
		if width > 0 {
			text = termtext.Truncate(text, width)
		}
		lines = append(lines, text)
	}
	return lines
}

// widthsOf returns the widths of the columns. The first column takes at most a third of the width.
func widthsOf(rows [][]string, width int) []int {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], termtext.Width(cell))
		}
	}
	widths[0] = min(widths[0], maxName)
	if width > 0 {
		widths[0] = min(widths[0], max(8, width/3))
	}
	return widths
}

// minLastColumn is the minimum room for the last column.
const minLastColumn = 12

// dropColumns drops the hidden columns, then columns in the order of droppable until the rest fits. Both are indexes into the full rows.
func dropColumns(rows [][]string, width int, hidden []int, droppable ...int) [][]string {
	var kept []int
	for i := range rows[0] {
		if !slices.Contains(hidden, i) {
			kept = append(kept, i)
		}
	}
	widths := widthsOf(rows, width)
	widths[len(widths)-1] = min(widths[len(widths)-1], minLastColumn)
	for _, column := range droppable {
		total := 2 * (len(kept) - 1)
		for _, i := range kept {
			total += widths[i]
		}
		if width == 0 || total <= width {
			break
		}
		kept = slices.DeleteFunc(kept, func(i int) bool { return i == column })
	}
	fitting := make([][]string, len(rows))
	for n, r := range rows {
		for _, i := range kept {
			fitting[n] = append(fitting[n], r[i])
		}
	}
	return fitting
}
