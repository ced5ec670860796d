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
	// 7 s: a workflow task under way for 8 s is reported to Temporal once more, and that work would be measured too
	command.Flags().DurationVar(&o.Delay, "delay", 7*time.Second, "after which the slow partner answers pay")
	command.Flags().IntVar(&o.Rounds, "rounds", 3, "rounds of 1, 2 and 3 workers in turn, after one that warms up")
	command.Flags().DurationVar(&o.Round, "round", 10*time.Second, "length of one of the three in a round; where the partner is slow at least three delays")
	return command
}

// benchWaitingCommand is `go run ./stack bench waiting`.
func benchWaitingCommand() *cobra.Command {
	o := bench.WaitingOptions{}
	asJSON := false
	command := &cobra.Command{
		Use: "waiting", Short: "Measure what payments cost that wait for their next attempt: memory, and the length of histories (Linux only).",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Progress = quietly(cmd, asJSON)
			var result bench.WaitingResult
			err := withPrograms(cmd.Context(), o.Progress, func(dir string, programs deployment.Programs) (err error) {
				o.Deployment = deployment.Options{Dir: dir, Programs: programs}
				result, err = bench.RunWaiting(cmd.Context(), o)
				return err
			})
			if err != nil {
				return err
			}
			return figures(cmd, result, asJSON)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print figures as JSON and no progress")
	command.Flags().IntSliceVar(&o.Payments, "payments", []int{5_000, 50_000}, "how many wait when the memory is measured, each more than the one before")
	command.Flags().DurationVar(&o.Settle, "settle", 150*time.Second, "how long memory may take to come to rest; above two minutes Go has collected by then")
	return command
}
