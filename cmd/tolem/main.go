// Command tolem runs a bank's long processes with its partners: the API, the
// worker, or both; brings the ledger's schema up to date; and is what operators look
// after the processes with.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tolem/api"
	"tolem/cmd/tolem/app"
	"tolem/cmd/tolem/build"
	"tolem/cmd/tolem/logging"
	"tolem/cmd/tolem/operator"
	"tolem/cmd/tolem/tracing"
)

func main() {
	// A hang-up asks a daemon to read its files; ours are followed. Caught, not ignored: what is
	// ignored is ignored by child processes too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "tolem:", err)
		stop()
		os.Exit(operator.ExitCode(err)) //nolint:gocritic // stop has run
	}
}

func command() *cobra.Command {
	cobra.EnableCommandSorting = false // help tells the commands in the order of their use
	root := &cobra.Command{
		Use: "tolem", Short: "Runs a bank's long processes with its partners.",
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return startLog() },
	}
	root.AddCommand(
		callsTemporal(run("api", "Serve the HTTP API.", app.Parts{API: true})),
		callsTemporal(run("worker", "Run workflows and their calls to partners.", app.Parts{Worker: true})),
		callsTemporal(run("serve", "API and worker in one process, over one Temporal client; migrates the ledger first.",
			app.Parts{API: true, Worker: true, Migrate: true})),
		migrate(),
		callsTemporal(setup()),
		callsTemporal(verify()),
		callsTemporal(afterRestore()),
		token(),
		healthcheck(),
		version(),
		callsTemporal(deployment()),
	)
	root.AddCommand(operator.Commands(operator.Options{Getenv: os.Getenv, Now: time.Now, Zone: time.Local})...)
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd != root {
			help(cmd, args)
			return
		}
		overview(root)
	})
	return root
}

// callsTemporal has the help of a command, and of those under it, name what Temporal's
// connection takes.
func callsTemporal(cmd *cobra.Command) *cobra.Command {
	if cmd.Long == "" {
		cmd.Long = cmd.Short
	}
	cmd.Long += "\n\nTemporal on another machine (TEMPORAL_ADDRESS) is reached over TLS (TEMPORAL_TLS and TEMPORAL_TLS_…) or not at all,\n" +
		"unless ALLOW_PLAINTEXT=temporal says that the network between is trusted. docs/operating/configuration.md lists all settings."
	for _, verb := range cmd.Commands() {
		callsTemporal(verb)
	}
	return cmd
}

// startLog sends every line of this process to stderr.
func startLog() error {
	log, err := logging.New(os.Stderr, logging.Read(os.Getenv, logging.Settings{Format: logging.JSON, Level: "info"}))
	if err != nil {
		return err
	}
	slog.SetDefault(log)
	return nil
}

// overview lists every command, those of a group too, with one line each.
func overview(root *cobra.Command) {
	out := root.OutOrStdout()
	fmt.Fprintf(out, "%s\n\n", root.Short)
	line := func(cmd *cobra.Command) {
		use := cmd.Use
		if cmd.Parent() != root {
			use = cmd.Parent().Name() + " " + use
		}
		fmt.Fprintf(out, "  %-36s %s\n", use, cmd.Short)
	}
	for _, cmd := range root.Commands() {
		verbs := cmd.Commands()
		switch {
		case cmd.Name() == "help" || cmd.Name() == "completion": // cobra's own
		case len(verbs) == 0:
			line(cmd)
		default:
			fmt.Fprintf(out, "\n%s\n", cmd.Short)
			for _, verb := range verbs {
				line(verb)
			}
		}
	}
	fmt.Fprintln(out, "\n`tolem COMMAND --help` says more. Settings of those that run something come from the environment (docs/operating/configuration.md).")
}

// run is a command that works until SIGTERM or Ctrl-C, then drains; SIGHUP changes nothing.
func run(name, short string, parts app.Parts) *cobra.Command {
	return &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		slog.Info("starting", "command", name, "build", build.Read().String())
		config, err := read()
		if err != nil {
			return err
		}
		if parts.API && parts.Worker && config.Tokens == "" {
			config.Tokens = developmentTokens(cmd.OutOrStdout())
		}
		traced, err := tracing.Start(cmd.Context(), os.Getenv)
		if err != nil {
			return err
		}
		defer traced.Stop() // after the drain
		config.Tracing = traced.Provider
		running, err := app.Start(cmd.Context(), config, parts)
		if err != nil && cmd.Context().Err() != nil {
			return nil // stopped while it waited for Temporal, which is no failure
		}
		if err != nil {
			return err
		}
		defer running.Stop()
		slog.Info("running", "command", name, "api", running.URL, "temporal", config.Temporal.HostPort)
		select {
		case <-cmd.Context().Done():
			slog.Info("stopping: finishing what is under way")
			now, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			running.Drain(now) // a second signal ends the wait
			return nil
		case err := <-running.Failed:
			return fmt.Errorf("the API's server ended: %w", err)
		}
	}}
}

// developmentTokens makes a secret for this run of `tolem serve`, which is how a
// developer begins, and tells it to the terminal and nobody else.
func developmentTokens(out io.Writer) string {
	secret, second := rand.Text(), rand.Text()
	fmt.Fprintf(out, "API_TOKENS is not set: for this run the token is %s (agent, store and operator), a second operator's is %s\n", secret, second)
	return app.DevelopmentTokens(secret, second)
}

func migrate() *cobra.Command {
	zone := false
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the ledger's schema up to this program's version.", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := read()
			if err != nil {
				return err
			}
			applied, err := app.Migrate(cmd.Context(), config)
			if err != nil {
				return err
			}
			for _, name := range applied {
				fmt.Fprintln(cmd.OutOrStdout(), "applied", name)
			}
			if len(applied) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing to do")
			}
			if !zone {
				return nil
			}
			before, err := app.ChangeTimezone(cmd.Context(), config)
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "days are kept in %s from now on; before: %s\n", config.Location, cmp.Or(before, "not recorded"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&zone, "timezone", false, "also keep the ledger's days in TIMEZONE from now on, whatever it was; stop every process first")
	return cmd
}

func setup() *cobra.Command {
	return &cobra.Command{
		Use: "setup", Short: "Give Temporal's cluster the namespace, search attributes and schedules that are missing.", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := read()
			if err != nil {
				return err
			}
			done, err := app.Setup(cmd.Context(), config)
			for _, d := range done {
				fmt.Fprintln(cmd.OutOrStdout(), d)
			}
			return err
		},
	}
}

func healthcheck() *cobra.Command {
	return &cobra.Command{
		Use: "healthcheck", Short: "Ask the API, or the worker at METRICS_ADDR, whether it is ready; for containers.", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return app.Healthcheck(cmd.Context(), os.Getenv) },
	}
}

func version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Say which build this is: commit, its date, and the version of Go.", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "tolem,", build.Read()) },
	}
}

// token makes a caller's secret and what lets it in. It reads no environment and keeps
// nothing.
func token() *cobra.Command {
	return &cobra.Command{
		Use: "token <name> <role>…", Short: "Make a random secret for a caller of the API, and its entry of API_TOKENS.",
		Long: "Prints a new secret, which goes to the caller and is kept nowhere, and its entry of API_TOKENS, which holds its SHA-256 only.\n" +
			"Roles are agent, store, k2, viewer and operator. Entries of several callers are joined by commas.",
		Example: "  tolem token till-7 agent store", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			secret, entries, err := api.NewToken(args[0], args[1:]...)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "secret      %s\nAPI_TOKENS  %s\n", secret, entries)
			return nil
		},
	}
}

// read is the one place that reads the environment.
func read() (app.Config, error) {
	temporal, err := app.TemporalFromEnv()
	if err != nil {
		return app.Config{}, err
	}
	return app.Read(os.Getenv, temporal)
}
