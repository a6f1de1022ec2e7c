//go:build !man

package main

import "github.com/spf13/cobra"

// moreCommands: there are none.
func moreCommands() []*cobra.Command { return nil }
