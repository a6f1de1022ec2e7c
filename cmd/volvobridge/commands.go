package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"volvobridge/bridge"
	"volvobridge/bridge/store"
	"volvobridge/bridge/web"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/control"
)

func newCommands() *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "commands", Short: "Show the last 200 commands that were sent to cars", Args: cobra.NoArgs,
		Long:    "Shows the last 200 commands that were sent to cars, with what became of them and when.",
		Example: "  volvobridge commands -c config.yaml\n  volvobridge commands --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadForStore(cmd.Context(), file)
			if err != nil {
				return err
			}
			ledger, err := readLedger(cmd.Context(), cfg)
			if err != nil {
				return &exitError{exitFailure, err}
			}
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(ledger)
			}
			return printLedger(cmd.OutOrStdout(), ledger)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

// readLedger asks the running bridge; only when none runs it opens the store.
func readLedger(ctx context.Context, cfg config.Config) ([]web.LedgerEntry, error) {
	var ledger []web.LedgerEntry
	err := control.Ask(ctx, cfg.Store, "/commands", &ledger)
	if !errors.Is(err, control.ErrNoBridge) {
		return ledger, err
	}
	if _, err := os.Stat(filepath.Join(cfg.Store, "commands.jsonl")); errors.Is(err, os.ErrNotExist) {
		return []web.LedgerEntry{}, nil // never run: nothing was sent, and nothing is made
	}
	st, err := store.Open(cfg.Store)
	if err != nil {
		return nil, err
	}
	ledger = bridge.Ledger(st.Commands(), names(cfg))
	return ledger, st.Close()
}

func printLedger(out io.Writer, ledger []web.LedgerEntry) error {
	if len(ledger) == 0 {
		_, err := fmt.Fprintln(out, "No command was sent yet.")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REQUESTED\tCAR\tCOMMAND\tSTATUS\tVOLVO SAID\tTOOK\tCONFIRMED")
	for _, e := range ledger {
		took := ""
		if e.SentAt != nil && e.AnsweredAt != nil {
			took = e.AnsweredAt.Sub(*e.SentAt).Round(100 * time.Millisecond).String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.RequestedAt.Local().Format(time.DateTime), e.Car, e.Command, e.Status.Status,
			said(e), took, confirmation(e))
	}
	return w.Flush()
}

func confirmation(e web.LedgerEntry) string {
	switch {
	case e.Confirmed == nil:
		return ""
	case !*e.Confirmed:
		return "no"
	case e.ConfirmedAt != nil && e.AnsweredAt != nil:
		return "after " + e.ConfirmedAt.Sub(*e.AnsweredAt).Round(100*time.Millisecond).String()
	}
	return "yes"
}

// said is Volvo's word, or its text where there was none.
func said(e web.LedgerEntry) string {
	switch {
	case e.InvokeStatus != nil:
		return *e.InvokeStatus
	case e.Message != nil:
		return strings.Join(strings.Fields(*e.Message), " ")
	}
	return ""
}
