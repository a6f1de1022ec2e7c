package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"volvobridge/bridge"
	"volvobridge/bridge/doctor"
	"volvobridge/bridge/store"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/control"
	"volvobridge/cmd/volvobridge/internal/redact"
	"volvobridge/cmd/volvobridge/internal/report"
)

const (
	doctorPatience = 4 * time.Minute
	doctorHint     = 5 * time.Second
)

func newDoctor() *cobra.Command {
	var file, bundle string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Find out what is wrong", Args: cobra.NoArgs,
		Long: `Tries everything that the bridge needs: the network, the clock, the broker and its
rights, the login and its scopes, every resource of every car, the quota, the store.
It uses one call for each resource of each car. Beside a running bridge it asks that
one. The bundle holds no secret, VIN, name or position: it can go into a public issue.`,
		Example: "  volvobridge doctor -c config.yaml\n  volvobridge doctor --json\n  volvobridge doctor --bundle report.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd.Context(), file)
			if err != nil {
				return err
			}
			into, err := openBundle(bundle)
			if err = errors.Join(err, likeOwner(&cfg)); err != nil {
				return &exitError{exitFailure, err}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), doctorPatience)
			defer cancel()
			d := newExaminer(cfg, file)
			slow := time.AfterFunc(doctorHint, func() {
				fmt.Fprintln(cmd.ErrOrStderr(), "still looking: each resource of each car is one call, and Volvo allows 100 a minute")
			})
			d.round(ctx)
			slow.Stop()
			if err := d.report(cmd.OutOrStdout(), asJSON, bundle, into); err != nil {
				return &exitError{exitFailure, err}
			}
			if d.problems() > 0 {
				return &exitError{exitFailure, errors.New("")} // all is said
			}
			return nil
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	cmd.Flags().StringVar(&bundle, "bundle", "", "write a report without secrets to a `file`, or with - alone to the standard output")
	return cmd
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// examiner goes through everything and keeps what it found.
type examiner struct {
	cfg      config.Config
	file     string
	redact   *redact.Redactor
	findings []doctor.Finding
	marker   []byte // of the bridge that owns the base topic
}

func newExaminer(cfg config.Config, file string) *examiner {
	d := &examiner{cfg: cfg, file: file, redact: redact.New(io.Discard)}
	tellSecrets(cfg, d.redact)
	return d
}

func (d *examiner) add(f doctor.Finding) { d.findings = append(d.findings, f) }

func (d *examiner) problems() int {
	n := 0
	for _, f := range d.findings {
		if f.Result == doctor.ResultProblem {
			n++
		}
	}
	return n
}

func (d *examiner) round(ctx context.Context) {
	d.add(doctor.Finding{Area: "config", What: d.file, Result: doctor.ResultOK, Found: "no problem"})
	d.network(ctx)
	d.broker(ctx)
	d.bridge(ctx)
}

// bridge asks the running bridge for its findings; only when none runs it opens
// the store and looks itself.
func (d *examiner) bridge(ctx context.Context) {
	var findings []doctor.Finding
	err := control.Ask(ctx, d.cfg.Store, "/doctor", &findings)
	if !errors.Is(err, control.ErrNoBridge) {
		d.add(doctor.Finding{Area: "bridge", What: "process", Result: doctor.ResultOK, Found: "running"})
		if err != nil {
			f := doctor.Finding{Area: "bridge", What: "answer", Result: doctor.ResultProblem, Found: err.Error(), Advice: "Try again; if that does not help, restart the bridge."}
			if ctx.Err() != nil {
				f.Found, f.Advice = "the round was interrupted", "Try again."
			}
			d.add(f)
		}
		d.findings = append(d.findings, findings...)
		return
	}
	d.add(doctor.Finding{Area: "bridge", What: "process", Result: doctor.ResultOK, Found: "not running"})
	st, err := store.Open(d.cfg.Store)
	if err != nil {
		d.add(doctor.Finding{Area: "store", What: d.cfg.Store, Result: doctor.ResultProblem, Found: strings.TrimPrefix(err.Error(), "store: "), Advice: "Do as it says, or choose another folder with the key store if it is another bridge's."})
		return
	}
	d.add(storeFinding(st, d.cfg))
	d.findings = append(d.findings, bridge.Occupied(st, d.marker, time.Now())...)
	chains, err := openChains(d.cfg, st, d.redact.Token)
	if err != nil {
		d.add(doctor.Finding{Area: "store", What: "login", Result: doctor.ResultProblem, Found: strings.TrimPrefix(err.Error(), "store: "), Advice: "The bridge does not start like this."})
		_ = st.Close() // nothing was written
		return
	}
	opts := bridgeOptions(d.cfg, st, zerolog.Nop(), d.redact, nil, chains)
	for _, c := range chains {
		if c == nil {
			continue
		}
		for _, name := range c.Notes() {
			d.add(doctor.Finding{Area: "store", What: name, Result: doctor.ResultWarning, Found: "a broken file was set aside", Advice: "Check the disk; the copy of the login is used if it is whole, else log in again."})
		}
	}
	findings, err = bridge.ExamineAlone(ctx, opts)
	if err != nil {
		d.add(doctor.Finding{Area: "doctor", What: "round", Result: doctor.ResultProblem, Found: err.Error(), Advice: "Try again when the network is faster."})
	}
	d.findings = append(d.findings, findings...)
	_ = st.Close() // what it could not write is a problem of the store, found above
}

// openBundle opens the file that the report goes to, before root's rights may be given up;
// nil: there is none.
func openBundle(name string) (*os.File, error) {
	if name == "" || name == "-" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--bundle: %w", err)
	}
	return f, nil
}

// bundle is the report for a public issue.
func (d *examiner) bundle() ([]byte, error) {
	v, commit := buildVersion()
	return report.Report{Version: v, Commit: commit, Config: d.cfg, File: d.file, Redact: d.redact, Findings: d.findings}.JSON()
}

// storeFinding tries to write.
func storeFinding(st *store.Store, cfg config.Config) doctor.Finding {
	f := doctor.Finding{Area: "store", What: cfg.Store, Result: doctor.ResultOK, Found: "ours alone, and writable"}
	if err := st.Put("doctor", []byte("ok\n")); err != nil {
		f.Result, f.Found, f.Advice = doctor.ResultProblem, "can't be written: "+err.Error(), "Free some space on that disk, or mount it writable; a login that can't be kept is lost at a restart."
	}
	return f
}

// report prints the findings, and writes the bundle.
func (d *examiner) report(out io.Writer, asJSON bool, bundle string, into *os.File) error {
	if bundle == "-" {
		data, err := d.bundle()
		if err == nil {
			_, err = out.Write(data)
		}
		return err
	}
	var text bytes.Buffer
	if asJSON {
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(d.redact.Findings(d.findings)); err != nil {
			return err
		}
	} else {
		d.table(&text)
	}
	said := text.Bytes()
	if !asJSON {
		said = d.redact.Line(said)
	}
	if _, err := out.Write(said); err != nil {
		return err
	}
	if into == nil {
		return nil
	}
	data, err := d.bundle()
	if err != nil {
		return err
	}
	_, err = into.Write(data)
	if err := errors.Join(err, into.Close()); err != nil {
		return fmt.Errorf("--bundle: %w", err)
	}
	if !asJSON {
		fmt.Fprintf(out, "\n%s holds this report without secrets, VINs, names and positions: it can go into a public issue.\n", bundle)
	}
	return nil
}

// signs lead the lines of the table.
var signs = map[string]string{doctor.ResultOK: "ok", doctor.ResultWarning: "!", doctor.ResultProblem: "X", doctor.ResultSkipped: "-"}

// table prints a line for each finding; what is well of a car's resources shares
// one.
func (d *examiner) table(out io.Writer) {
	area := ""
	for i := 0; i < len(d.findings); i++ {
		f := d.findings[i]
		if f.Area != area {
			area = f.Area
			fmt.Fprintf(out, "\n%s\n", area)
		}
		last := i
		names := []string{f.What}
		for plain(f) && last+1 < len(d.findings) && plain(d.findings[last+1]) && d.findings[last+1].Area == f.Area {
			last++
			names = append(names, d.findings[last].What)
		}
		if last > i {
			f.What, f.Found = strings.Join(names, ", "), count(len(names), "resource")+" answer"
			if slices.ContainsFunc(d.findings[i:last+1], func(f doctor.Finding) bool { return len(f.Fields) == 0 }) {
				f.Found += ", or are not offered for this car"
			}
		}
		i = last
		fmt.Fprintf(out, "  %-2s %s: %s\n", signs[f.Result], f.What, f.Found)
		if f.Advice != "" {
			fmt.Fprintf(out, "     > %s\n", f.Advice)
		}
	}
	warnings := 0
	for _, f := range d.findings {
		if f.Result == doctor.ResultWarning {
			warnings++
		}
	}
	fmt.Fprintf(out, "\n%s, %s.\n", count(d.problems(), "problem"), count(warnings, "warning"))
}

// plain: a resource that is well.
func plain(f doctor.Finding) bool {
	return f.Result == doctor.ResultOK && f.Advice == "" && (f.Fields != nil || f.Found == "not offered for this car")
}
