package main

import (
	"github.com/spf13/cobra"
)

// completions adds zre completion, which prints completion scripts for shells.
func (c *cli) completions(root *cobra.Command) {
	root.CompletionOptions.DisableDefaultCmd = true
	parent := &cobra.Command{
		Use:   "completion",
		Short: "Prints a script that completes command lines in your shell.",
		Long:  "Prints a script that completes command lines in your shell.",
		Example: `  source <(zre completion bash)                                                for this shell
  zre completion zsh > "${fpath[1]}/_zre"                                      for each new one
  zre completion fish > ~/.config/fish/completions/zre.fish                    likewise
  zre completion powershell | Out-String | Invoke-Expression                   for this shell`,
		Annotations: map[string]string{noteExit: exitStatus},
		Args:        noSuchCommand,
		RunE: func(*cobra.Command, []string) error {
			return misused("choose bash, zsh, fish or powershell")
		},
	}
	for shell, write := range map[string]func(cmd *cobra.Command) error{
		"bash":       func(cmd *cobra.Command) error { return cmd.Root().GenBashCompletionV2(c.out, true) },
		"zsh":        func(cmd *cobra.Command) error { return cmd.Root().GenZshCompletion(c.out) },
		"fish":       func(cmd *cobra.Command) error { return cmd.Root().GenFishCompletion(c.out, true) },
		"powershell": func(cmd *cobra.Command) error { return cmd.Root().GenPowerShellCompletionWithDesc(c.out) },
	} {
		parent.AddCommand(&cobra.Command{
			Use: shell, Short: "The script for " + shell + ".", Annotations: map[string]string{noteExit: exitStatus}, Args: noArguments,
			ValidArgsFunction: cobra.NoFileCompletions,
			RunE:              func(cmd *cobra.Command, _ []string) error { return write(cmd) },
		})
	}
	root.AddCommand(parent)
}
