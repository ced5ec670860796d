package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tolem/cmd/tolem/app"
)

// afterRestore is `tolem after-restore`.
func afterRestore() *cobra.Command {
	var o app.AfterRestoreOptions
	var from, to, reason string
	reconciled := false
	command := &cobra.Command{
		Use: "after-restore", Short: "Make a ledger that lost commits fit to go on: hold what was open, skip numbers, find what is missing.",
		Long: "Run it after every restore of a backup, and after every fail-over to a standby that may not have received every commit, also\n" +
			"where no process noticed. --from is the last commit that the ledger still has, or earlier; --to is when the lost ledger took its\n" +
			"last commit, or later. Until people have compared, callers get 503 ledger_reconciling; then run it with --reconciled.\n" +
			"Run twice for one window it changes nothing.",
		Example: "  tolem after-restore --from 2026-02-17T11:58:00Z --to 2026-02-17T12:03:00Z --register day.csv\n" +
			"  tolem after-restore --reconciled --reason 'compared with the register of 17 February'",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := read()
			if err != nil {
				return err
			}
			if reconciled {
				if reason == "" {
					return errors.New("--reconciled needs --reason")
				}
				if err := app.Reconciled(cmd.Context(), config, reason); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), "The gate is open: requests are taken.")
				return nil
			}
			if o.From, o.To, err = window(from, to, time.Now()); err != nil {
				return err
			}
			report, err := app.AfterRestore(cmd.Context(), config, o)
			if err != nil {
				return err
			}
			return report.Print(cmd.OutOrStdout())
		},
	}
	set := command.Flags()
	set.StringVar(&from, "from", "", "begin of the window of lost commits, as 2006-01-02T15:04:05Z")
	set.StringVar(&to, "to", "", "its end")
	set.BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and change nothing")
	set.StringArrayVar(&o.Registers, "register", nil, "file with a register of the processing centre, as for the reconciliation; may be given more than once")
	set.BoolVar(&o.WithoutTemporal, "without-temporal", false, "do not compare with Temporal's workflows, and stop none")
	set.BoolVar(&o.WithoutTopic, "without-topic", false, "do not read Loxon's topic")
	set.BoolVar(&reconciled, "reconciled", false, "open the gate: people have compared the ledger with the partners")
	set.StringVar(&reason, "reason", "", "why the gate is opened; kept in the ledger")
	return command
}

// window reads the flags of a window of lost commits.
func window(from, to string, now time.Time) (begin, end time.Time, err error) {
	if begin, err = time.Parse(time.RFC3339Nano, from); err != nil {
		return begin, end, errors.New("--from must be an instant such as 2026-02-17T11:58:00Z")
	}
	if end, err = time.Parse(time.RFC3339Nano, to); err != nil {
		return begin, end, errors.New("--to must be an instant such as 2026-02-17T12:03:00Z")
	}
	if end.Before(begin) || end.After(now) {
		return begin, end, errors.New("--to must not be before --from, nor in the future")
	}
	return begin, end, nil
}
