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
			slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
			o.Progress = cmd.OutOrStdout()
			if asJSON {
				o.Progress = io.Discard
			}
			result, err := bench.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(result)
			}
			return result.Print(cmd.OutOrStdout())
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print figures as JSON and no progress")
	command.Flags().IntVar(&o.Callers, "callers", 100, "callers at the same time")
	command.Flags().IntVar(&o.Rounds, "rounds", 3, "rounds of all three in turn, after one that warms up")
	command.Flags().DurationVar(&o.Round, "round", 10*time.Second, "length of one of the three in a round")
	command.Flags().StringVar(&o.ProfileDir, "profile-dir", "", "write CPU profiles of all three into this directory")
	return command
}
