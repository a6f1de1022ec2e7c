package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"volvobridge/bridge"
	"volvobridge/bridge/store"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/control"
	"volvobridge/cmd/volvobridge/internal/redact"
)

func newForget() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "forget CAR", Short: "Remove a car from the broker, Home Assistant and the store", Args: oneCar,
		Long: `Removes a car's retained topics, its device in Home Assistant and what the store knows
of it, but for the ledger of commands. CAR is its level in topics, its name or its VIN. A car that is still in the
configuration or in the account comes back; take it out first.`,
		Example: "  volvobridge forget -c config.yaml xc40",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadForStore(cmd.Context(), file)
			if err != nil {
				return err
			}
			forgotten, err := forget(cmd.Context(), cfg, args[0])
			if err != nil {
				return &exitError{exitFailure, err}
			}
			fmt.Fprintln(cmd.OutOrStdout(), "Forgotten:", forgotten.Car)
			fmt.Fprintln(cmd.OutOrStdout(), "A running bridge empties its topics within ten seconds.")
			if forgotten.Back {
				fmt.Fprintln(cmd.OutOrStdout(), "It is still in the configuration or in the account: it comes back at the next start.")
			}
			return nil
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// forget asks the running bridge; only when none runs it opens the store.
func forget(ctx context.Context, cfg config.Config, car string) (bridge.Forgotten, error) {
	var forgotten bridge.Forgotten
	err := control.Call(ctx, cfg.Store, http.MethodPost, "/forget", url.Values{"car": {car}}, &forgotten)
	if !errors.Is(err, control.ErrNoBridge) {
		return forgotten, err
	}
	if cfg.MQTT.URL == config.Embedded {
		return forgotten, errors.New("the embedded broker runs with the bridge; start volvobridge run first")
	}
	tlsCfg, err := tlsConfig(cfg.MQTT)
	if err != nil {
		return forgotten, err
	}
	st, err := store.Open(cfg.Store)
	if err != nil {
		return forgotten, err
	}
	redact := redact.New(nil)
	chains, err := openChains(cfg, st, nil)
	if err != nil {
		return forgotten, errors.Join(err, st.Close())
	}
	opts := bridgeOptions(cfg, st, zerolog.Nop(), redact, tlsCfg, chains)
	forgotten, err = bridge.ForgetAlone(ctx, opts, car)
	return forgotten, errors.Join(err, st.Close())
}
