package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"volvobridge/cmd/volvobridge/internal/config"
)

func newHealthcheck() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "healthcheck", Short: "Ask a running bridge whether it is healthy", Args: cobra.NoArgs,
		Example: "  volvobridge healthcheck -c config.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd.Context(), file)
			_, setUp := errors.AsType[*config.Incomplete](err) // then the page that sets it up answers
			given, _ := cmd.Context().Value(givenKey{}).(*config.Given)
			switch {
			case err != nil && given != nil: // a file that is being edited is no illness of the app
				cfg.HTTP.Listen = config.AppListen
			case err != nil && !setUp:
				return &exitError{exitFailure, err}
			}
			if cfg.HTTP.Listen == "" {
				fmt.Fprintln(cmd.OutOrStdout(), "off")
				return nil
			}
			if err := askHealth(cmd.Context(), cfg.HTTP.Listen); err != nil {
				return &exitError{exitFailure, err}
			}
			fmt.Fprintln(cmd.OutOrStdout(), "ok")
			return nil
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// askHealth asks the bridge that listens on an address of this machine.
func askHealth(ctx context.Context, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // not a name: an image without a resolver must do
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return errors.New("no bridge answers on " + listen)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // only to say why
		return fmt.Errorf("not healthy: %s", why)
	}
	return nil
}
