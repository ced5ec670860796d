package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tolem/stack/bench"
)

// benchCommand is `go run ./stack bench`.
func benchCommand() *cobra.Command {
	o := bench.Options{}
	asJSON := false
	command := &cobra.Command{
		Use: "bench", Short: "Measure a payment against an empty workflow and the textbook way, on PostgreSQL, in one run.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Progress = quietly(cmd, asJSON)
			result, err := bench.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return figures(cmd, result, asJSON)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print figures as JSON and no progress")
	command.Flags().IntVar(&o.Callers, "callers", 100, "callers at the same time")
	command.Flags().IntVar(&o.Rounds, "rounds", 3, "rounds of all three in turn, after one that warms up")
	command.Flags().DurationVar(&o.Round, "round", 10*time.Second, "length of one of the three in a round")
	command.Flags().StringVar(&o.ProfileDir, "profile-dir", "", "write CPU profiles of all three into this directory")
	command.AddCommand(benchLoansCommand(), benchWorkersCommand(), benchWaitingCommand())
	return command
}

// benchLoansCommand is `go run ./stack bench loans`.
func benchLoansCommand() *cobra.Command {
	o := bench.LoansOptions{}
	asJSON := false
	command := &cobra.Command{
		Use: "loans", Short: "Measure a batch of loans, to Loxon's events, against as many empty workflows, on PostgreSQL, in one run.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Progress = quietly(cmd, asJSON)
			result, err := bench.RunLoans(cmd.Context(), o)
			if err != nil {
				return err
			}
			return figures(cmd, result, asJSON)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print figures as JSON and no progress")
	command.Flags().IntVar(&o.Loans, "loans", 1000, "loans in a batch, and empty workflows beside it")
	command.Flags().IntVar(&o.Callers, "callers", 100, "who start empty workflows at the same time")
	command.Flags().IntVar(&o.Rounds, "rounds", 3, "rounds of both in turn, after one that warms up")
	command.Flags().StringVar(&o.ProfileDir, "profile-dir", "", "write a CPU profile of each batch into this directory")
	return command
}

// quietly logs errors alone and says where progress goes: nowhere beside JSON.
func quietly(cmd *cobra.Command, asJSON bool) io.Writer {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	if asJSON {
		return io.Discard
	}
	return cmd.OutOrStdout()
}

// figures prints a result in one of its two forms.
func figures(cmd *cobra.Command, result interface{ Print(io.Writer) error }, asJSON bool) error {
	if !asJSON {
		return result.Print(cmd.OutOrStdout())
	}
	encoder := json.NewEncoder(cmd.OutOrStdout())
	encoder.SetIndent("", "  ")
	return encoder.Encode(result)
}
