package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConfig() *cobra.Command {
	parent := &cobra.Command{Use: "config", Short: "Look at a configuration", Args: cobra.NoArgs, RunE: needsOne}
	var file string
	check := &cobra.Command{
		Use: "check", Short: "List every problem of a configuration at once", Args: cobra.NoArgs,
		Example: "  volvobridge config check -c config.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd.Context(), file)
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+w)
			}
			fmt.Fprintln(cmd.OutOrStdout(), file+": ok")
			return nil
		},
	}
	configFlag(check, &file)
	parent.AddCommand(check)
	return parent
}
