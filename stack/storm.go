package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"tolem/stack/deployment"
	"tolem/stack/storm"
)

// stormCommand is `go run ./stack storm`.
func stormCommand() *cobra.Command {
	o, asJSON := storm.Options{}, false
	command := &cobra.Command{
		Use: "storm", Short: "Run thousands of processes under kills and faults on real processes, and verify that every promise was kept.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Progress = cmd.ErrOrStderr()
			var result *storm.Result
			err := withPrograms(cmd.Context(), o.Progress, func(dir string, programs deployment.Programs) (err error) {
				o.Dir, o.Programs = dir, programs
				result, err = storm.Run(cmd.Context(), o)
				return err
			})
			if err != nil {
				return err
			}
			if err := figures(cmd, result, asJSON); err != nil {
				return err
			}
			if !result.Report.OK() {
				return errors.New("not every promise was kept")
			}
			return nil
		},
	}
	set := command.Flags()
	set.Uint64Var(&o.Seed, "seed", 1, "what is done to whom in which order; the same seed does the same again")
	set.IntVar(&o.Processes, "processes", 2000, "payments, instalment orders and payment orders, mixed")
	set.IntVar(&o.Kills, "kills", 100, "kill -9 of workers and APIs")
	set.IntVar(&o.TemporalKills, "temporal-kills", 5, "kill -9 of the Temporal server")
	set.IntVar(&o.PostgresStops, "postgres-stops", 5, "how often PostgreSQL is away for 5 to 30 s")
	set.DurationVar(&o.KafkaAway, "kafka-away", 2*time.Minute, "how long the broker is away")
	set.IntVar(&o.Strangers, "strangers", 20, "how often somebody who reaches Temporal sends running processes hostile messages, and terminates some")
	set.DurationVar(&o.Patience, "patience", 30*time.Minute, "how long everything may take to end after the last fault")
	set.BoolVar(&asJSON, "json", false, "print the result as JSON")
	return command
}
