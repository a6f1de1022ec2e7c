package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"volvobridge/bridge/dashboard"
)

func newVoice() *cobra.Command {
	var file, word string
	cmd := &cobra.Command{
		Use: "voice [CAR]", Short: "Print the automations that let you talk to the cars", Args: cobra.MaximumNArgs(1),
		Long: `Prints a Home Assistant automation for each car, made of the blueprint
docs/blueprints/talk_to_my_car.yaml, with the car's name in every sentence. Import the
blueprint first; then Settings, Automations, Create automation, the three dots, Edit in
YAML; paste.`,
		Example: "  volvobridge voice -c config.yaml xc40\n  volvobridge voice xc40 --word tango",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadForStore(cmd.Context(), file)
			if err != nil {
				return err
			}
			views, err := carViews(cmd.Context(), cfg, args)
			if err != nil {
				return &exitError{exitFailure, err}
			}
			fmt.Fprint(cmd.OutOrStdout(), "# For the blueprint docs/blueprints/talk_to_my_car.yaml: copy it into Home Assistant's folder\n"+
				"# blueprints/automation/volvobridge, reload automations, create one, Edit in YAML, paste.\n")
			encoder := yaml.NewEncoder(cmd.OutOrStdout())
			encoder.SetIndent(2)
			for _, v := range views {
				if err := encoder.Encode(voice(v, word)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&word, "word", "", "the confirmation `word` for unlocking; without one, nothing said opens the car")
	return cmd
}

// voice is the automation of a car.
func voice(v dashboard.View, word string) map[string]any {
	input := map[string]any{"entity": cmp.Or(v.Entities["lock"], v.Entities["event"])}
	for what, list := range dashboard.Sentences(v.Name) {
		input[what] = list
	}
	if word != "" {
		input["word"] = word
	}
	return map[string]any{"alias": "Talk to " + v.Name, "description": "",
		"use_blueprint": map[string]any{"path": "volvobridge/talk_to_my_car.yaml", "input": input}}
}
