// Package delivery tests what is delivered beside the code: that Temporal's cluster can be
// set up by the binary alone, and that temporal-config/ and docker/ say only what the
// programs they configure understand.
package delivery

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"tolem/activities"
	"tolem/cmd/tolem/app"
	"tolem/stack/temporalserver"
	"tolem/workers"
	"tolem/workflows"
)

// patience bounds waits for what must happen; it measures nothing.
const patience = 2 * time.Minute

// ground is a bare Temporal server and a migrated ledger.
type ground struct {
	t        *testing.T
	temporal client.Client
	env      map[string]string
}

func newGround(t *testing.T, namespace string) *ground {
	t.Helper()
	server, err := temporalserver.Start(t.Context(), temporalserver.Options{
		DataDir: t.TempDir(), FrontendAddr: "127.0.0.1:0", Bare: true, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	temporal, err := client.Dial(client.Options{HostPort: server.FrontendAddr(), Namespace: namespace, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	g := &ground{t: t, temporal: temporal, env: map[string]string{
		"TEMPORAL_ADDRESS": server.FrontendAddr(), "TEMPORAL_NAMESPACE": namespace,
		"DATABASE_URL": "sqlite://" + filepath.Join(t.TempDir(), "ledger.db"), "DOCUMENTS_DIR": t.TempDir(),
		"API_ADDR": "127.0.0.1:0", "METRICS_ADDR": "127.0.0.1:0", "API_TOKENS": "a:agent:secret", "KAFKA_BROKERS": "127.0.0.1:1",
	}}
	_, err = app.Migrate(t.Context(), g.config())
	require.NoError(t, err)
	return g
}

func (g *ground) config() app.Config {
	g.t.Helper()
	c, err := app.Read(func(name string) string { return g.env[name] },
		client.Options{HostPort: g.env["TEMPORAL_ADDRESS"], Namespace: g.env["TEMPORAL_NAMESPACE"]})
	require.NoError(g.t, err)
	return c
}

// setup applies everything and returns what was done, a line for each thing.
func (g *ground) setup() []string {
	g.t.Helper()
	done, err := app.Setup(g.t.Context(), g.config())
	require.NoError(g.t, err)
	var lines []string
	for _, d := range done {
		lines = append(lines, d.String())
	}
	return lines
}

// start runs parts until the end of the test. A worker's does not return before somebody has
// set the cluster up.
func (g *ground) start(parts app.Parts) *app.Running {
	g.t.Helper()
	running, err := app.Start(g.t.Context(), g.config(), parts)
	require.NoError(g.t, err)
	g.t.Cleanup(running.Stop)
	return running
}

func readyz(t *testing.T, addr string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/readyz", nil)
	require.NoError(t, err)
	response, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { require.NoError(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

// statusFor is what a page of this host is answered at /metrics.
func statusFor(t *testing.T, addr, host string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/metrics", nil)
	require.NoError(t, err)
	request.Host = host
	response, err := (&http.Client{Timeout: patience}).Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// A cluster that was just installed serves nobody; one command changes that, and done again
// it changes nothing.
func TestSetupTurnsReadinessAndRunsTwice(t *testing.T) {
	g := newGround(t, "tolem")
	api := g.start(app.Parts{API: true})
	status, text := readyz(t, api.Addr)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "ledger: ok\nschema: ok\ntemporal: ok\ncluster: namespace tolem does not exist: run tolem setup\nserving: ok\n", text)

	g.env["METRICS_ADDR"] = freeAddress(t)
	started := make(chan *app.Running, 1)
	go func() { started <- g.start(app.Parts{Worker: true}) }()
	require.Eventually(t, func() bool { status, text = readyz(t, g.env["METRICS_ADDR"]); return status != 0 }, patience, 50*time.Millisecond)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, text, "cluster: namespace tolem does not exist: run tolem setup\n")
	require.Contains(t, text, "polling: not yet, or no longer\n")

	first := g.setup()
	require.Equal(t, "namespace tolem: created, closed workflows are kept for 72h0m0s", first[0])
	for _, key := range workflows.SearchAttributes() {
		require.Contains(t, first, "search attribute "+key.GetName()+": added, "+key.GetValueType().String())
	}
	require.Contains(t, first, "schedule "+activities.ScheduleCatalogue+": created, every 5m0s")
	require.Len(t, first, 1+len(workflows.SearchAttributes())+3)
	for _, line := range g.setup() {
		require.True(t, strings.HasSuffix(line, ": unchanged"), line)
	}

	worker := <-started
	for _, addr := range []string{api.Addr, worker.ProbesAddr} {
		status, text = readyz(t, addr)
		require.Equal(t, http.StatusOK, status, text)
		require.Contains(t, text, "cluster: ok\n")
		require.Equal(t, http.StatusMisdirectedRequest, statusFor(t, addr, "rebound.example"))
	}
	namespace, err := g.temporal.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "tolem"})
	require.NoError(t, err)
	require.Equal(t, workers.Retention, namespace.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration())
	require.Eventually(t, func() bool { // the worker finishes what the schedules start
		found, err := g.temporal.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Query: "WorkflowType = '" + activities.WorkflowSweep + "' AND ExecutionStatus = 'Completed'",
		})
		return err == nil && found.Count > 0
	}, patience, 100*time.Millisecond)
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// What somebody decided stays; what we define is brought to our definition.
func TestSetupMindsWhatIsThere(t *testing.T) {
	g := newGround(t, "mine")
	register(t, g, 24*time.Hour)
	g.setup()
	sweep := g.temporal.ScheduleClient().GetHandle(t.Context(), activities.ScheduleSweep)
	require.NoError(t, sweep.Pause(t.Context(), client.SchedulePauseOptions{Note: "maintenance"}))

	c := g.config()
	c.SweepOlderThan = 10 * time.Second
	done, err := app.Setup(t.Context(), c)
	require.NoError(t, err)
	var changed []string
	for _, d := range done {
		if d.Did != "unchanged" {
			changed = append(changed, d.String())
		}
	}
	require.Equal(t, []string{"schedule " + activities.ScheduleSweep + ": changed, every 10s"}, changed)
	found, err := sweep.Describe(t.Context())
	require.NoError(t, err)
	require.True(t, found.Schedule.State.Paused)
	require.Equal(t, "maintenance", found.Schedule.State.Note)
	require.Equal(t, 10*time.Second, found.Schedule.Spec.Intervals[0].Every)
}

// Whoever keeps histories for longer keeps them; for less is raised.
func TestSetupNeverShortensRetention(t *testing.T) {
	for kept, want := range map[time.Duration]string{
		24 * time.Hour:  "namespace mine: closed workflows are kept for 72h0m0s, no longer 24h0m0s",
		240 * time.Hour: "namespace mine: unchanged",
	} {
		g := newGround(t, "mine")
		register(t, g, kept)
		require.Equal(t, want, g.setup()[0])
	}
}

// An attribute of another type cannot be ours; nothing else is added beside it.
func TestSetupRefusesAnAttributeOfAnotherType(t *testing.T) {
	g := newGround(t, "mine")
	register(t, g, 72*time.Hour)
	_, err := g.temporal.OperatorService().AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{
		Namespace: "mine", SearchAttributes: map[string]enumspb.IndexedValueType{"Attempts": enumspb.INDEXED_VALUE_TYPE_KEYWORD},
	})
	require.NoError(t, err)
	_, err = app.Setup(t.Context(), g.config())
	require.ErrorContains(t, err, "search attribute Attempts is Keyword in namespace mine, not Int")
	require.ErrorContains(t, err, "TEMPORAL_NAMESPACE")
	known, err := g.temporal.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: "mine"})
	require.NoError(t, err)
	require.Len(t, known.GetCustomAttributes(), 1)

	_, text := readyz(t, g.start(app.Parts{API: true}).Addr)
	require.Contains(t, text, "cluster: search attribute Attempts is Keyword in namespace mine, not Int: ")
}

// A worker that is stopped while it waits ends.
func TestWaitingWorkerStops(t *testing.T) {
	g := newGround(t, "nowhere")
	ctx, stop := context.WithCancel(t.Context())
	g.env["METRICS_ADDR"] = freeAddress(t)
	ended := make(chan error, 1)
	go func() {
		_, err := app.Start(ctx, g.config(), app.Parts{Worker: true})
		ended <- err
	}()
	require.Eventually(t, func() bool { status, _ := readyz(t, g.env["METRICS_ADDR"]); return status != 0 }, patience, 50*time.Millisecond)
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
	status, _ := readyz(t, g.env["METRICS_ADDR"])
	require.Zero(t, status, "the probes end with it")
}

func register(t *testing.T, g *ground, kept time.Duration) {
	t.Helper()
	_, err := g.temporal.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: g.env["TEMPORAL_NAMESPACE"], WorkflowExecutionRetentionPeriod: durationpb.New(kept),
	})
	require.NoError(t, err)
}
