// Command stack runs everything in one process, with nothing installed but Go:
// Temporal and its web UI, a Kafka broker, the simulated partners, and Tolem's
// API and worker.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"tolem/cmd/tolem/app"
	"tolem/cmd/tolem/logging"
	"tolem/cmd/tolem/tracing"
	"tolem/simulators/partners"
	"tolem/stack/datadir"
	"tolem/stack/embedded"
)

func main() {
	// A hang-up asks a daemon to read its files; ours are followed. Caught, not ignored: what is
	// ignored is ignored by child processes too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "stack:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

// flags of the stack.
type flags struct {
	embedded.Options
	data      string
	ephemeral bool
	verbose   bool
	apiAddr   string
}

func command() *cobra.Command {
	var f flags
	root := &cobra.Command{
		Use: "stack", Short: "Runs everything in one process: Temporal, Kafka, simulated partners, API and worker.",
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f, cmd.OutOrStdout()) },
	}
	set := root.Flags()
	set.StringVar(&f.data, "data", ".tolem", "directory that keeps everything; a restart continues where it was")
	set.BoolVar(&f.ephemeral, "ephemeral", false, "keep nothing: a temporary directory, removed at the end")
	set.BoolVar(&f.InfraOnly, "infra-only", false, "leave API and worker to other processes")
	set.BoolVar(&f.verbose, "verbose", false, "log every attempt and request")
	set.StringVar(&f.TemporalDB, "temporal-db", "", "postgres://… keeps Temporal's own data there instead of in a SQLite file")
	set.StringVar(&f.apiAddr, "api-addr", "", "address of the API (default API_ADDR, or 127.0.0.1:8080)")
	set.StringVar(&f.TemporalAddr, "temporal-addr", "127.0.0.1:7233", "address of the embedded Temporal server")
	set.StringVar(&f.UIAddr, "ui-addr", "127.0.0.1:8233", "address of Temporal's web UI; empty for none")
	set.BoolVar(&f.UIWriteActions, "ui-write-actions", false, "let people start, signal, reset, cancel and terminate workflows in Temporal's web UI, which only shows otherwise")
	set.StringVar(&f.KafkaAddr, "kafka-addr", "127.0.0.1:9092", "address of the embedded Kafka broker")
	set.StringVar(&f.SimulatorsAddr, "simulators-addr", "127.0.0.1:8091", "address of the simulated partners")
	root.AddCommand(benchCommand(), stormCommand(), partCommand())
	return root
}

func run(ctx context.Context, f flags, out io.Writer) error {
	settings := logging.Settings{Format: logging.Text, Level: "warn"}
	if f.verbose {
		settings.Level = "info"
	}
	log, err := logging.New(os.Stderr, logging.Read(os.Getenv, settings))
	if err != nil {
		return err
	}
	slog.SetDefault(log)
	dir, err := openDir(f)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }() // the process ends here, and with it the lock

	temporal, err := app.TemporalFromEnv()
	if err != nil {
		return err
	}
	traced, err := tracing.Start(ctx, os.Getenv)
	if err != nil {
		return err
	}
	defer traced.Stop() // after the drain
	f.Dir, f.Temporal, f.Tracing, f.Progress = dir, temporal, traced.Provider, out
	f.Getenv = func(name string) string {
		if name == "API_ADDR" && f.apiAddr != "" {
			return f.apiAddr
		}
		return os.Getenv(name)
	}
	stack, err := embedded.Start(ctx, f.Options)
	if err != nil {
		return err
	}
	defer stack.Stop()
	announce(out, stack, dir.Path())
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "stopping: finishing what is under way …")
		return nil
	case err := <-stack.Failed:
		return err
	}
}

func openDir(f flags) (*datadir.Dir, error) {
	if f.ephemeral {
		return datadir.Ephemeral()
	}
	return datadir.Open(f.data)
}

// announce prints where everything is, and a line that works as pasted.
func announce(out io.Writer, s *embedded.Stack, dir string) {
	line := func(name, value string) { fmt.Fprintf(out, "  %-12s %s\n", name, value) }
	fmt.Fprintln(out, "\nTolem is running.")
	if s.APIAddr != "" {
		line("API", s.APIURL)
		line("docs", s.APIURL+"/docs")
	}
	if s.UIAddr != "" {
		line("Temporal UI", "http://"+s.UIAddr)
	}
	line("Temporal", s.Env["TEMPORAL_ADDRESS"])
	line("Kafka", s.Env["KAFKA_BROKERS"])
	line("partners", strings.TrimSuffix(s.Env["PROCESSING_URL"], partners.ProcessingPath))
	line("data", dir)
	if s.APIAddr == "" {
		fmt.Fprintln(out, "\nFor API and worker in other processes (`tolem api`, `tolem worker`):")
		for _, l := range s.EnvLines() {
			fmt.Fprintln(out, "  export "+l)
		}
		return
	}
	if s.Token != "" {
		line("token", s.Token)
		line("operator 2", s.SecondToken)
		fmt.Fprintf(out, `
Try it:

curl -s %s/v1/payments -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' -H 'Idempotency-Key: first' -H 'Prefer: wait=10' -d '{"serviceId":"P1011","account":"7770017711","amountTo":200.00}'
`, s.APIURL, s.Token)
	}
}
