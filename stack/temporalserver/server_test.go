package temporalserver_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"tolem/stack/temporalserver"
	"tolem/storage/privatepostgres"
)

const queue = "queue"

var (
	stateKey    = temporal.NewSearchAttributeKeyKeyword("TestState")
	attemptsKey = temporal.NewSearchAttributeKeyInt64("TestAttempts")
	operatorKey = temporal.NewSearchAttributeKeyBool("TestNeedsOperator")
	nextAtKey   = temporal.NewSearchAttributeKeyTime("TestNextAttemptAt")
)

var attributes = map[string]enumspb.IndexedValueType{
	"TestState":         enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"TestAttempts":      enumspb.INDEXED_VALUE_TYPE_INT,
	"TestNeedsOperator": enumspb.INDEXED_VALUE_TYPE_BOOL,
	"TestNextAttemptAt": enumspb.INDEXED_VALUE_TYPE_DATETIME,
}

// describe upserts one attribute of each type, then waits for "done". It
// answers the update "state".
func describe(ctx workflow.Context) (string, error) {
	err := workflow.SetUpdateHandler(ctx, "state", func(workflow.Context) (string, error) { return "paying", nil })
	if err != nil {
		return "", err
	}
	err = workflow.UpsertTypedSearchAttributes(ctx, stateKey.ValueSet("paying"), attemptsKey.ValueSet(7),
		operatorKey.ValueSet(true), nextAtKey.ValueSet(workflow.Now(ctx).Add(time.Hour)))
	if err != nil {
		return "", err
	}
	var outcome string
	workflow.GetSignalChannel(ctx, "done").Receive(ctx, &outcome)
	return outcome, nil
}

// upsert adds an attribute that the namespace got at the second start.
func upsert(ctx workflow.Context) error {
	return workflow.UpsertTypedSearchAttributes(ctx, temporal.NewSearchAttributeKeyKeyword("TestAddedLater").ValueSet("later"))
}

func options(t *testing.T) temporalserver.Options {
	// A path that would break a careless SQLite URI.
	dir := filepath.Join(t.TempDir(), "a b?c#d%41")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return temporalserver.Options{
		DataDir:          dir,
		FrontendAddr:     "127.0.0.1:0",
		SearchAttributes: attributes,
		Log:              slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func start(t *testing.T, o temporalserver.Options) *temporalserver.Server {
	t.Helper()
	began := time.Now()
	s, err := temporalserver.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v", time.Since(began).Round(time.Millisecond))
	t.Cleanup(s.Stop)
	return s
}

func stop(t *testing.T, s *temporalserver.Server) {
	t.Helper()
	began := time.Now()
	s.Stop()
	t.Logf("stopped in %v", time.Since(began).Round(time.Millisecond))
}

// connect returns a client with a worker; both end before the server does.
func connect(t *testing.T, s *temporalserver.Server) (client.Client, func()) {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: s.FrontendAddr(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := worker.New(c, queue, worker.Options{})
	w.RegisterWorkflow(describe)
	w.RegisterWorkflow(upsert)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	return c, func() { w.Stop(); c.Close() }
}

// awaitCount returns when the visibility query finds that many workflows.
func awaitCount(t *testing.T, c client.Client, query string, want int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		if err == nil && found.Count == want {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: found %v, error %v, want %d", query, found.GetCount(), err, want)
		case <-tick.C:
		}
	}
}

func execute(t *testing.T, c client.Client, id string, w any) {
	t.Helper()
	_, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: queue}, w)
	if err != nil {
		t.Fatal(err)
	}
}

// result waits for the end of the workflow, 30 seconds at most.
func result(t *testing.T, c client.Client, id string, outcome any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := c.GetWorkflow(ctx, id, "").Get(ctx, outcome); err != nil {
		t.Fatalf("%s: %v", id, err)
	}
}

// survives is the promise of the package: an open workflow and its searchable
// attributes outlive a stop, and the next start may add attributes.
func survives(t *testing.T, o temporalserver.Options) {
	first := start(t, o)
	c, disconnect := connect(t, first)
	execute(t, c, "payment/1", describe)
	open := "TestState = 'paying' AND TestAttempts = 7 AND TestNeedsOperator = true AND TestNextAttemptAt > '2020-01-01T00:00:00Z'"
	awaitCount(t, c, open, 1)
	awaitCount(t, c, "TestState = 'refused'", 0)
	disconnect()
	stop(t, first)

	o.Retention = 24 * time.Hour
	o.SearchAttributes = map[string]enumspb.IndexedValueType{"TestAddedLater": enumspb.INDEXED_VALUE_TYPE_KEYWORD}
	for name, kind := range attributes {
		o.SearchAttributes[name] = kind
	}
	second := start(t, o)
	c, disconnect = connect(t, second)
	defer disconnect()
	awaitCount(t, c, open, 1)
	if err := c.SignalWorkflow(t.Context(), "payment/1", "", "done", "succeeded"); err != nil {
		t.Fatal(err)
	}
	var outcome string
	if result(t, c, "payment/1", &outcome); outcome != "succeeded" {
		t.Fatalf("outcome %q", outcome)
	}
	execute(t, c, "payment/2", upsert)
	result(t, c, "payment/2", nil)
	awaitCount(t, c, "TestAddedLater = 'later'", 1)

	namespace, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
	if err != nil {
		t.Fatal(err)
	}
	if got := namespace.Config.WorkflowExecutionRetentionTtl.AsDuration(); got != 24*time.Hour {
		t.Errorf("retention %v, want the second start's", got)
	}
}

func TestSQLiteSurvivesRestart(t *testing.T) {
	survives(t, options(t))
}

func TestPostgresSurvivesRestart(t *testing.T) {
	server, err := privatepostgres.Start(t.Context(), privatepostgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	o := options(t)
	o.PostgresURL = server.URL()
	survives(t, o)
	if files, err := os.ReadDir(o.DataDir); err != nil || len(files) != 0 {
		t.Errorf("on PostgreSQL the data directory should stay empty, has %v, error %v", files, err)
	}
}

// A lost file costs the workflows, nothing else: the ledger starts them again.
func TestLostFileIsSetUpAnew(t *testing.T) {
	o := options(t)
	first := start(t, o)
	c, disconnect := connect(t, first)
	execute(t, c, "payment/1", describe)
	disconnect()
	stop(t, first)
	// Only the file itself: its write-ahead log must not be replayed.
	if err := os.Remove(filepath.Join(o.DataDir, "temporal.db")); err != nil {
		t.Fatal(err)
	}

	c, disconnect = connect(t, start(t, o))
	defer disconnect()
	execute(t, c, "payment/2", describe)
	awaitCount(t, c, "TestState = 'paying'", 1)
	if _, err := c.DescribeWorkflowExecution(t.Context(), "payment/1", ""); err == nil {
		t.Error("the new file knows a workflow of the deleted one")
	}
}

func TestScheduleStartsWorkflow(t *testing.T) {
	c, disconnect := connect(t, start(t, options(t)))
	defer disconnect()
	_, err := c.ScheduleClient().Create(t.Context(), client.ScheduleOptions{
		ID:                 "sweep",
		Spec:               client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: time.Hour}}},
		TriggerImmediately: true,
		Action:             &client.ScheduleWorkflowAction{ID: "sweep", Workflow: describe, TaskQueue: queue},
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitCount(t, c, "TestState = 'paying'", 1)
}

func TestUpdateWithStart(t *testing.T) {
	c, disconnect := connect(t, start(t, options(t)))
	defer disconnect()
	run := c.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: "payment/1", TaskQueue: queue, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, describe)
	update, err := c.UpdateWithStartWorkflow(t.Context(), client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: run,
		UpdateOptions:          client.UpdateWorkflowOptions{UpdateName: "state", WaitForStage: client.WorkflowUpdateStageCompleted},
	})
	if err != nil {
		t.Fatal(err)
	}
	var state string
	if err := update.Get(t.Context(), &state); err != nil || state != "paying" {
		t.Fatalf("state %q, error %v", state, err)
	}
}

func TestRefusals(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	file := func(o temporalserver.Options) string { return filepath.Join(o.DataDir, "temporal.db") }
	write := func(t *testing.T, name, content string) {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	for name, c := range map[string]struct {
		arrange func(*testing.T, *temporalserver.Options)
		want    []string
	}{
		"frontend port in use": {
			func(_ *testing.T, o *temporalserver.Options) { o.FrontendAddr = busy.Addr().String() },
			[]string{"frontend", busy.Addr().String(), "in use"},
		},
		"UI port in use": {
			func(_ *testing.T, o *temporalserver.Options) { o.UIAddr = busy.Addr().String() },
			[]string{"UI", busy.Addr().String(), "in use"},
		},
		"open to the network": {
			func(_ *testing.T, o *temporalserver.Options) { o.FrontendAddr = "0.0.0.0:0" },
			[]string{"0.0.0.0:0", "not a loopback address"},
		},
		"file of another version": {
			func(t *testing.T, o *temporalserver.Options) {
				write(t, file(*o), "whatever")
				write(t, file(*o)+".version", "temporal server 1.0.0\n")
			},
			[]string{"temporal.db was written by temporal server 1.0.0", "no payment is lost", "delete"},
		},
		"file without marker": {
			func(t *testing.T, o *temporalserver.Options) { write(t, file(*o), "whatever") },
			[]string{"unknown server version", "delete"},
		},
		"no such directory": {
			func(_ *testing.T, o *temporalserver.Options) { o.DataDir += "/missing" },
			[]string{"missing/temporal.db"},
		},
		"too many attributes of a type": {
			func(_ *testing.T, o *temporalserver.Options) {
				o.SearchAttributes = map[string]enumspb.IndexedValueType{}
				for i := range 4 {
					o.SearchAttributes[fmt.Sprint("TestInt", i)] = enumspb.INDEXED_VALUE_TYPE_INT
				}
			},
			[]string{"TestInt3", "no column of type Int is free"},
		},
		"no database server": {
			func(_ *testing.T, o *temporalserver.Options) {
				o.PostgresURL = "postgres://bank:hunter2@127.0.0.1:1/bank"
			},
			[]string{"127.0.0.1:1", "refused"},
		},
		"not a database URL": {
			func(_ *testing.T, o *temporalserver.Options) { o.PostgresURL = "bank:hunter2@localhost" },
			[]string{"not of the form postgres://"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			c.arrange(t, &o)
			s, err := temporalserver.Start(t.Context(), o)
			if err == nil {
				s.Stop()
				t.Fatal("it started")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not contain %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %q shows the password", err)
			}
		})
	}
}
