// Command simulators runs the simulated partners alone, for whoever brings an
// own Temporal. It prints the environment that leads the product to them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"tolem/simulators/partners"
)

// goodbye is how long answers under way may take when the program is stopped;
// nobody is waiting on purpose by then.
const goodbye = 5 * time.Second

func main() {
	// A hang-up asks a daemon to read its files; ours are followed. Caught, not ignored: what is
	// ignored is ignored by child processes too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "simulators:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out, complaints io.Writer) error {
	flags := flag.NewFlagSet("simulators", flag.ContinueOnError)
	flags.SetOutput(complaints)
	addr := flags.String("addr", "127.0.0.1:8091", "address to listen on")
	data := flags.String("data", "", "directory where the partners' books survive; empty = memory only")
	token := flags.String("token", partners.DefaultToken, "bearer token the partners ask for; empty = none")
	verbose := flags.Bool("verbose", false, "log every request")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(complaints, &slog.HandlerOptions{Level: level}))

	listener, err := net.Listen("tcp", *addr) // first: two programs must not share the books
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use by another program; stop it, or choose another address with --addr", *addr)
	}
	if err != nil {
		return err
	}
	p, err := partners.New(partners.Options{Dir: *data, Token: *token, Log: log})
	if err != nil {
		_ = listener.Close() // the first error is the one to report
		return err
	}
	announce(out, listener.Addr().String(), *token)
	return serve(ctx, listener, p)
}

func announce(out io.Writer, addr, token string) {
	base := "http://" + addr
	_, _ = fmt.Fprintf(out, `The partners listen on %[1]s; how to direct them: GET %[1]s%[2]s/control, %[1]s%[4]s/control and %[1]s%[7]s/control

PROCESSING_URL=%[1]s%[2]s
PROCESSING_TOKEN=%[3]s
CFRONT_URL=%[1]s%[4]s
CFRONT_STORE_ID=%[5]s
CFRONT_SECRET=%[6]s
ABS_CLIENT_URL=%[1]s%[7]s/client
ABS_ACCOUNTS_URL=%[1]s%[7]s/accounts
ABS_STATEMENT_URL=%[1]s%[7]s/statement
ABS_SCAN_URL=%[1]s%[7]s/scan
`, base, partners.ProcessingPath, token, partners.CFRONTPath, partners.CFRONTStoreID, partners.CFRONTSecret, partners.ABSPath)
}

func serve(ctx context.Context, listener net.Listener, p *partners.Partners) error {
	server := &http.Server{Handler: p.Handler(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return errors.Join(err, p.Close())
	case <-ctx.Done():
	}
	closed := p.Close() // cuts the delays and hangs that Shutdown would wait for
	limit, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	return errors.Join(closed, server.Shutdown(limit))
}
