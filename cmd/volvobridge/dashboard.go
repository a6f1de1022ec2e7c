package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"volvobridge/bridge"
	"volvobridge/bridge/dashboard"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/store"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/control"
	"volvobridge/cmd/volvobridge/internal/redact"
)

func newDashboard() *cobra.Command {
	var file, language string
	cmd := &cobra.Command{
		Use: "dashboard [CAR]", Short: "Print a Home Assistant dashboard of what the cars have", Args: cobra.MaximumNArgs(1),
		Long: `Prints a Home Assistant dashboard as YAML: a view for each car, of built-in cards, with
just the entities that the car has. Home Assistant: Settings, Dashboards, Add dashboard,
New dashboard from scratch; open it, Edit, the three dots, Raw configuration editor;
paste.`,
		Example: "  volvobridge dashboard -c config.yaml\n  volvobridge dashboard xc40 --lang de",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadForStore(cmd.Context(), file)
			if err != nil {
				return err
			}
			if language == "" {
				language = cfg.HomeAssistant.Language
			}
			if !slices.Contains(entity.Languages(), language) {
				return &exitError{exitConfig, fmt.Errorf("--lang: %q is not valid; use one of %s", language, strings.Join(entity.Languages(), ", "))}
			}
			views, err := carViews(cmd.Context(), cfg, args)
			if err != nil {
				return &exitError{exitFailure, err}
			}
			encoder := yaml.NewEncoder(cmd.OutOrStdout())
			encoder.SetIndent(2)
			return encoder.Encode(dashboard.Build(views, language))
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&language, "lang", "", "the `language`: en, de, sv, nl or no (home_assistant.language)")
	return cmd
}

// carViews asks the running bridge; only when none runs it opens the store.
func carViews(ctx context.Context, cfg config.Config, args []string) ([]dashboard.View, error) {
	var views []dashboard.View
	err := control.Ask(ctx, cfg.Store, "/cars", &views)
	if errors.Is(err, control.ErrNoBridge) {
		st, openErr := store.Open(cfg.Store)
		if openErr != nil {
			return nil, openErr
		}
		chains, openErr := openChains(cfg, st, nil)
		if openErr != nil {
			return nil, errors.Join(openErr, st.Close())
		}
		views = bridge.ViewsAlone(bridgeOptions(cfg, st, zerolog.Nop(), redact.New(nil), nil, chains))
		err = st.Close()
	}
	if err != nil {
		return nil, err
	}
	if len(views) == 0 {
		return nil, errors.New("no car is known yet; wait until the bridge has read one")
	}
	return dashboard.FindView(views, strings.Join(args, " "))
}
