package main

import (
	"github.com/spf13/cobra"
)

// completions adds zre completion, which prints completion scripts for shells.
func (c *cli) completions(root *cobra.Command) {
	root.CompletionOptions.DisableDefaultCmd = true
	parent := &cobra.Command{
		Use:   "completion",
		Short: "Prints a completion script for your shell.",
		Long:  "Prints a completion script for your shell.",
		Example: `  source <(zre completion bash)                                                completes in this shell
  zre completion zsh > "${fpath[1]}/_zre"                                      completes in every new shell
  zre completion fish > ~/.config/fish/completions/zre.fish                    completes in every new shell
  zre completion powershell | Out-String | Invoke-Expression                   completes in this shell`,
		Annotations: map[string]string{noteExit: exitStatus},
		Args:        onlySubcommands,
		RunE: func(*cobra.Command, []string) error {
			return usageErrorf("choose bash, zsh, fish or powershell")
		},
	}
	for shell, write := range map[string]func(cmd *cobra.Command) error{
		"bash":       func(cmd *cobra.Command) error { return cmd.Root().GenBashCompletionV2(c.out, true) },
		"zsh":        func(cmd *cobra.Command) error { return cmd.Root().GenZshCompletion(c.out) },
		"fish":       func(cmd *cobra.Command) error { return cmd.Root().GenFishCompletion(c.out, true) },
		"powershell": func(cmd *cobra.Command) error { return cmd.Root().GenPowerShellCompletionWithDesc(c.out) },
	} {
		parent.AddCommand(&cobra.Command{
			Use: shell, Short: "Prints the script for " + shell + ".", Annotations: map[string]string{noteExit: exitStatus}, Args: noArguments,
			ValidArgsFunction: cobra.NoFileCompletions,
			RunE:              func(cmd *cobra.Command, _ []string) error { return write(cmd) },
		})
	}
	root.AddCommand(parent)
}
