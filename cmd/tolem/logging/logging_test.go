package logging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"tolem/cmd/tolem/logging"
)

// written is what one line says.
func written(t *testing.T, out *bytes.Buffer) (line map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(out.Bytes(), &line), out.String())
	delete(line, "time")
	out.Reset()
	return line
}

func logger(t *testing.T) (*slog.Logger, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	l, err := logging.New(&out, logging.Settings{Format: logging.JSON, Level: "info"})
	require.NoError(t, err)
	return l, &out
}

func traced(ctx context.Context) context.Context {
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{15: 10}, SpanID: trace.SpanID{7: 11}}))
}

const (
	traceID = "0000000000000000000000000000000a"
	spanID  = "000000000000000b"
)

func TestLineNamesItsSpan(t *testing.T) {
	l, out := logger(t)
	l.InfoContext(traced(t.Context()), "a", "process", "payment/1")
	require.Equal(t, map[string]any{"level": "INFO", "msg": "a", "process": "payment/1", "trace_id": traceID, "span_id": spanID}, written(t, out))
	l.With("b", 2).InfoContext(traced(t.Context()), "a")
	require.Equal(t, map[string]any{"level": "INFO", "msg": "a", "b": 2.0, "trace_id": traceID, "span_id": spanID}, written(t, out))
	l.InfoContext(t.Context(), "a")
	require.Equal(t, map[string]any{"level": "INFO", "msg": "a"}, written(t, out))
}

// A line of an activity that does not name its process gets it; one that does keeps its own.
func TestLineNamesItsProcess(t *testing.T) {
	l, out := logger(t)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	say := func(ctx context.Context, process string) error {
		if process == "" {
			l.InfoContext(ctx, "a")
		} else {
			l.InfoContext(ctx, "a", "process", process)
		}
		return nil
	}
	env.RegisterActivity(say)
	for given, want := range map[string]string{"": "default-test-workflow-id", "payment/1": "payment/1"} {
		_, err := env.ExecuteActivity(say, given)
		require.NoError(t, err)
		require.Equal(t, map[string]any{"level": "INFO", "msg": "a", "process": want}, written(t, out))
	}
}

// The SDK's own names of workflow, trace and span become ours.
func TestTemporalsLinesAreAsOurs(t *testing.T) {
	l, out := logger(t)
	log.With(log.NewStructuredLogger(l), "WorkflowID", "payment/1", "TraceID", trace.TraceID{15: 10}, "SpanID", trace.SpanID{7: 11}).Warn("a")
	require.Equal(t, map[string]any{"level": "WARN", "msg": "a", "process": "payment/1", "trace_id": traceID, "span_id": spanID}, written(t, out))
}

func TestSettings(t *testing.T) {
	env := map[string]string{"LOG_LEVEL": "warn"}
	s := logging.Read(func(name string) string { return env[name] }, logging.Settings{Format: logging.Text, Level: "info"})
	require.Equal(t, logging.Settings{Format: logging.Text, Level: "warn"}, s)
	var out bytes.Buffer
	l, err := logging.New(&out, s)
	require.NoError(t, err)
	l.Info("left out")
	l.Warn("said")
	require.Contains(t, out.String(), "level=WARN msg=said\n")
	require.NotContains(t, out.String(), "left out")

	for name, wrong := range map[string]logging.Settings{"LOG_FORMAT": {Format: "xml", Level: "info"}, "LOG_LEVEL": {Format: logging.JSON, Level: "loud"}} {
		_, err := logging.New(&out, wrong)
		require.ErrorIs(t, err, logging.ErrSetting)
		require.ErrorContains(t, err, name)
	}
}
