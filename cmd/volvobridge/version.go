package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version and commit are set by a release build; other builds know themselves.
var version, commit string

func buildVersion() (string, string) {
	v, c := version, commit
	if info, ok := debug.ReadBuildInfo(); ok {
		v = cmp.Or(v, info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				c = cmp.Or(c, s.Value)
			}
		}
	}
	if v == "" || v == "(devel)" {
		v = "dev"
	}
	return v, cmp.Or(c, "unknown")
}

func versionLine() string {
	v, c := buildVersion()
	return fmt.Sprintf("%s, commit %s, %s", v, c, runtime.Version())
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print version, commit and Go", Args: cobra.NoArgs, Example: "  volvobridge version",
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), "volvobridge "+versionLine())
		},
	}
}
