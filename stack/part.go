package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"tolem/stack/embedded"
	"tolem/stack/kafkabroker"
	"tolem/stack/temporalserver"
)

// partCommand is `go run ./stack part`: one part alone, so that it can be killed alone.
func partCommand() *cobra.Command {
	command := &cobra.Command{Use: "part", Short: "Run one part of the infrastructure alone.", Args: cobra.NoArgs}
	var temporal temporalserver.Options
	command.AddCommand(part("temporal", "The Temporal server, on PostgreSQL.", func(ctx context.Context) (func(), error) {
		temporal.SearchAttributes = embedded.SearchAttributes()
		server, err := temporalserver.Start(ctx, temporal)
		if err != nil {
			return nil, err
		}
		return server.Stop, nil
	}, func(c *cobra.Command) {
		c.Flags().StringVar(&temporal.FrontendAddr, "addr", "127.0.0.1:7233", "address to listen on")
		c.Flags().StringVar(&temporal.PostgresURL, "postgres", "", "postgres://… that keeps its data")
	}))
	kafka := kafkabroker.Options{Topics: []string{"loxon"}, Partitions: 4}
	command.AddCommand(part("kafka", "The Kafka broker.", func(context.Context) (func(), error) {
		broker, err := kafkabroker.Start(kafka)
		if err != nil {
			return nil, err
		}
		return broker.Stop, nil
	}, func(c *cobra.Command) {
		c.Flags().StringVar(&kafka.Addr, "addr", "127.0.0.1:9092", "address to listen on")
		c.Flags().StringVar(&kafka.DataDir, "data", "", "directory of its log")
	}))
	return command
}

// part is a command that runs until SIGTERM or Ctrl-C.
func part(name, short string, start func(context.Context) (stop func(), err error), flags func(*cobra.Command)) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
		stop, err := start(cmd.Context())
		if err != nil {
			return err
		}
		defer stop()
		fmt.Fprintln(cmd.OutOrStdout(), name, "is running")
		<-cmd.Context().Done()
		return nil
	}}
	flags(c)
	return c
}
