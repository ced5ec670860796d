package tracing_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"tolem/cmd/tolem/tracing"
	"tolem/workflows"
)

// What began before anybody traced goes on under a worker that does, and a replay makes no
// span of what happened before.
func TestRecordedHistoriesReplayWhenTraced(t *testing.T) {
	files, err := filepath.Glob("../../../workflows/testdata/histories/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			spans := tracetest.NewInMemoryExporter()
			traced, err := tracing.Temporal(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))
			require.NoError(t, err)
			replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{Interceptors: []interceptor.WorkerInterceptor{traced}})
			require.NoError(t, err)
			for name, w := range workflows.All() {
				replayer.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{Name: name})
			}
			require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), file))
			require.Empty(t, spans.GetSpans())
		})
	}
}
