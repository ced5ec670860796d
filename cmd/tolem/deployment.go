package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tolem/cmd/tolem/app"
	"tolem/workers"
)

// deployment is `tolem deployment`: how new code takes over without fear.
func deployment() *cobra.Command {
	group := &cobra.Command{Use: "deployment", Short: "Versions of the workers' code (Temporal's Worker Deployments):", Args: cobra.NoArgs}
	group.AddCommand(listVersions(), replay(), promote())
	return group
}

func listVersions() *cobra.Command {
	asJSON := false
	command := &cobra.Command{
		Use: "list", Short: "List the versions: which gets tasks, which has workers.", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := read()
			if err != nil {
				return err
			}
			versions, err := app.Versions(cmd.Context(), config)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), versions)
			}
			return printVersions(cmd.OutOrStdout(), config.Deployment.Name, versions)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func printVersions(out io.Writer, name string, versions []workers.Version) error {
	if len(versions) == 0 {
		_, err := fmt.Fprintf(out, "no worker of deployment %s has polled; workers without TEMPORAL_WORKER_BUILD_ID have no version and get all tasks\n", name)
		return err
	}
	current := false
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BUILD\tTASKS\tWORKERS\tSINCE\tNOT POLLED")
	for _, v := range versions {
		current = current || v.Current
		fmt.Fprintf(table, "%s\t%g %%\t%d\t%s\t%s\n", v.BuildID, v.Percent, v.Workers, v.Created.UTC().Format(time.RFC3339), cmp.Or(strings.Join(v.Missing, ", "), "-"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if !current {
		fmt.Fprintln(out, "No version is current: tasks go to workers without a version. `tolem deployment promote` changes that.")
	}
	return nil
}

// replayLimit is how many open and how many closed histories of each workflow are replayed.
const replayLimit = 200

func replay() *cobra.Command {
	limit, asJSON := replayLimit, false
	command := &cobra.Command{
		Use: "replay", Short: "Replay the cluster's histories under this binary's code, before it takes over. Changes nothing.", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit <= 0 {
				return fmt.Errorf("--limit %d: nothing would be replayed; want at least 1", limit)
			}
			config, err := read()
			if err != nil {
				return err
			}
			replayed, err := app.Replay(cmd.Context(), config, limit)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), replayed)
			} else {
				err = printReplayed(cmd.OutOrStdout(), replayed)
			}
			failed := 0
			for _, of := range replayed {
				failed += len(of.Failed)
			}
			if err == nil && failed > 0 {
				err = fmt.Errorf("%d histories do not go on under this code: their processes would stand still. Do not promote it; see docs/development/changing-a-workflow.md", failed)
			}
			return err
		},
	}
	command.Flags().IntVar(&limit, "limit", replayLimit, "open and closed histories of each workflow, the newest first")
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func printReplayed(out io.Writer, replayed []workers.Replayed) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WORKFLOW\tOPEN\tCLOSED\tFAILED")
	for _, of := range replayed {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", of.Workflow, of.Open, of.Closed, len(of.Failed))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, of := range replayed {
		for _, failed := range of.Failed {
			fmt.Fprintf(out, "%s, run %s: %s\n", failed.WorkflowID, failed.RunID, failed.Error)
		}
	}
	return nil
}

func promote() *cobra.Command {
	percent := float32(100)
	command := &cobra.Command{
		Use: "promote [build]", Short: "Give a version all tasks, or those of a share of the processes.",
		Long: "Gives the version of a build, or of TEMPORAL_WORKER_BUILD_ID, all tasks from now on; open processes go on under it too.\n" +
			"Waits a minute at most until its workers poll every queue, and changes nothing if they do not. An older build is rolled back to in the same way.",
		Example: "  tolem deployment promote 2026-12-01.1 --percent 5", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := read()
			if err != nil {
				return err
			}
			promoted, err := app.Promote(cmd.Context(), config, strings.Join(args, ""), percent)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "build %s of deployment %s gets the tasks of %g %% of all processes\n", promoted.BuildID, promoted.Name, percent)
			return nil
		},
	}
	command.Flags().Float32Var(&percent, "percent", percent, "share of the processes; below 100 the current version keeps the others")
	return command
}

func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
