package main

import (
	"time"

	"github.com/spf13/cobra"

	"tolem/stack/bench"
	"tolem/stack/deployment"
)

// benchWorkersCommand is `go run ./stack bench workers`.
func benchWorkersCommand() *cobra.Command {
	o := bench.WorkersOptions{}
	asJSON := false
	command := &cobra.Command{
		Use: "workers", Short: "Measure payments with 1, 2 and 3 worker processes, and a partner that is fast or slow, on PostgreSQL, in one run.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Progress = quietly(cmd, asJSON)
			var result bench.WorkersResult
			err := withPrograms(cmd.Context(), o.Progress, func(dir string, programs deployment.Programs) (err error) {
				o.Deployment = deployment.Options{Dir: dir, Programs: programs}
				result, err = bench.RunWorkers(cmd.Context(), o)
				return err
			})
			if err != nil {
				return err
			}
			return figures(cmd, result, asJSON)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print figures as JSON and no progress")
	command.Flags().IntVar(&o.Callers, "callers", 100, "callers at the same time, where the partner answers at once")
	command.Flags().IntVar(&o.SlowCallers, "slow-callers", 650, "callers at the same time, where the partner is slow; a worker makes 200 calls at once")
	command.Flags().DurationVar(&o.Delay, "delay", 10*time.Second, "after which the slow partner answers pay")
	command.Flags().IntVar(&o.Rounds, "rounds", 3, "rounds of 1, 2 and 3 workers in turn, after one that warms up")
	command.Flags().DurationVar(&o.Round, "round", 10*time.Second, "length of one of the three in a round; where the partner is slow at least three delays")
	return command
}
