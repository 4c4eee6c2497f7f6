package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// man writes the man pages, for package builders.
func (c *cli) man() *cobra.Command {
	return &cobra.Command{
		Use:         "man DIRECTORY",
		Short:       "Writes the man pages of all commands into a directory.",
		Hidden:      true,
		Annotations: map[string]string{noteExit: exitStatus},
		Args:        arguments(false, "DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			return writePages(cmd.Root(), args[0])
		},
	}
}

// writePages writes the pages of a command and of its subcommands.
func writePages(cmd *cobra.Command, dir string) error {
	if cmd.Hidden {
		return nil
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(helpOf(cmd).pages().Roff()), 0o644); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if err := writePages(sub, dir); err != nil {
			return err
		}
	}
	return nil
}
