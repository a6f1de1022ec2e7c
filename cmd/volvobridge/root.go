package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/rights"
)

// The exit codes of the contract.
const (
	exitOK      = 0
	exitFailure = 1
	exitConfig  = 2
)

// exitError ends the program with a code; the text is for a person.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// run is the program: it returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, text)
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	return exitConfig // cobra's own: a wrong command line
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "volvobridge",
		Short: "Brings Volvos into Home Assistant over MQTT",
		Long: `volvobridge reads your Volvo from Volvo's cloud, publishes it to MQTT with Home
Assistant discovery, and runs commands that come over MQTT.`,
		SilenceUsage: true, SilenceErrors: true, Version: versionLine() + "\n", // its own line end is missing
	}
	root.AddCommand(moreCommands()...)
	root.AddCommand(newDemo(), newRun(), newLogin(), newDoctor(), newConfig(), newCommands(), newForget(), newDashboard(), newVoice(), newSimulate(), newHealthcheck(), newVersion())
	return root
}

// oneCar checks the arguments of a command for one car.
func oneCar(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("name one car: %s", cmd.UseLine())
	}
	return nil
}

// needsOne is for a command that is only a name for those below it.
func needsOne(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, cmd.CommandPath()+" "+c.Name())
	}
	return fmt.Errorf("say which: %s", strings.Join(names, ", "))
}

// givenKey is the key of what Home Assistant gives its app, in the context of a command.
type givenKey struct{}

// load reads the configuration that a command is for.
func load(ctx context.Context, file string) (config.Config, error) {
	given, _ := ctx.Value(givenKey{}).(*config.Given)
	return config.Load(file, given)
}

// loadForStore is load for a command that uses the store, beside the bridge or alone: root,
// who may read the configuration, goes on as the user whom the store belongs to.
func loadForStore(ctx context.Context, file string) (config.Config, error) {
	cfg, err := load(ctx, file)
	if err != nil {
		return cfg, err
	}
	return cfg, likeOwner(&cfg)
}

func likeOwner(cfg *config.Config) error {
	moved, err := rights.LikeOwner(cfg.Store)
	if moved {
		cfg.Store = "."
	}
	if err != nil {
		return &exitError{exitFailure, err}
	}
	return nil
}

// configFlag adds -c to a command.
func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", config.DefaultFile, "the configuration `file`")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // for the shell's completion only
}
