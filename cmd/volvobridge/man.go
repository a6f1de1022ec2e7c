//go:build man

package main

import (
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// moreCommands are those of a build that makes the manual pages. They are no part of the
// program: what makes them is as large as a tenth of it.
func moreCommands() []*cobra.Command {
	return []*cobra.Command{{
		Use: "man FOLDER", Short: "Write the manual pages into a folder", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
			if err != nil {
				return err
			}
			date := time.Unix(epoch, 0).UTC()
			v, _ := buildVersion()
			root := cmd.Root()
			root.DisableAutoGenTag = true // it would name the day of the build
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Date: &date, Source: "volvobridge " + v, Manual: "User Commands"}, args[0])
		},
	}}
}
