package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tolem/cmd/tolem/app"
)

// verify is `tolem verify`.
func verify() *cobra.Command {
	o, asJSON := app.VerifyOptions{}, false
	command := &cobra.Command{
		Use: "verify", Short: "Check that every promise was kept: ledger, journal, Temporal, Loxon's topic, partners' books. Changes nothing.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := read()
			if err != nil {
				return err
			}
			o.Progress = func(what string) { fmt.Fprintln(cmd.ErrOrStderr(), "checking", what, "…") }
			report, err := app.Verify(cmd.Context(), config, o)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), report)
			} else {
				err = report.Print(cmd.OutOrStdout())
			}
			if err == nil && !report.OK() {
				err = fmt.Errorf("%d findings", report.Found)
			}
			return err
		},
	}
	set := command.Flags()
	set.StringVar(&o.Books, "books", "", "address of simulated partners, whose books are compared; for real ones there is the reconciliation of registers")
	set.BoolVar(&o.AllEnded, "all-ended", false, "a process that has not ended is a finding, and so is an unsent event")
	set.BoolVar(&o.WithoutTemporal, "without-temporal", false, "do not compare with Temporal's workflows")
	set.BoolVar(&o.WithoutTopic, "without-topic", false, "do not read Loxon's topic")
	set.DurationVar(&o.Grace, "grace", 3*time.Minute, "how long an open row may be without a running workflow")
	set.BoolVar(&asJSON, "json", false, "print the whole report as JSON")
	return command
}
