// Package tracing follows requests through the whole of Tolem, by the spans that it makes.
package tracing

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"tolem/stack/datadir"
	"tolem/stack/embedded"
)

// patience bounds every wait for something that must happen; it is no measurement.
const patience = 3 * time.Minute

// patienceStep is how often such a wait looks.
const patienceStep = 50 * time.Millisecond

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	os.Exit(m.Run())
}

// traced is everything in one process, with its spans in memory.
type traced struct {
	t     *testing.T
	stack *embedded.Stack
	spans *tracetest.InMemoryExporter
}

func start(t *testing.T) *traced {
	t.Helper()
	dir, err := datadir.Open(filepath.Join(t.TempDir(), "data"))
	require.NoError(t, err)
	spans := tracetest.NewInMemoryExporter()
	env := map[string]string{"API_ADDR": "127.0.0.1:0", "RETRY_INITIAL": "10ms", "CFRONT_CALLBACK_URL": "http://127.0.0.1:1"}
	stack, err := embedded.Start(t.Context(), embedded.Options{
		Dir: dir, TemporalAddr: "127.0.0.1:0", KafkaAddr: "127.0.0.1:0", SimulatorsAddr: "127.0.0.1:0",
		Getenv: func(name string) string { return env[name] }, Progress: io.Discard,
		Tracing: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)),
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		stack.Stop()
		require.NoError(t, dir.Close())
	})
	return &traced{t: t, stack: stack, spans: spans}
}

// traceID is that of the n-th trace of a test, which its caller began.
func traceID(n int) string { return fmt.Sprintf("4bf92f3577b34da6a3ce929d0e0e%04x", n) }

// callersSpan is the caller's own span in each of its traces.
const callersSpan = "00f067aa0ba902b7"

// asks makes one request in the caller's n-th trace.
func (s *traced) asks(n int, method, path, body string) (status int, answer string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.stack.APIAddr+path, strings.NewReader(body))
	require.NoError(s.t, err)
	for name, value := range map[string]string{
		"Authorization": "Bearer " + s.stack.Token, "Content-Type": "application/json", "Prefer": "wait=60", "Idempotency-Key": fmt.Sprint("trace-", n),
		"Traceparent": "00-" + traceID(n) + "-" + callersSpan + "-01", "Tracestate": "vendor=secret-state", "Baggage": "user=secret-baggage",
	} {
		request.Header.Set(name, value)
	}
	response, err := (&http.Client{Timeout: patience}).Do(request)
	require.NoError(s.t, err)
	defer func() { _ = response.Body.Close() }() // read to its end below
	raw, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return response.StatusCode, string(raw)
}

// trace waits until the n-th trace has spans of all these names, and returns its spans.
func (s *traced) trace(n int, names ...string) (spans tracetest.SpanStubs) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		spans = slices.DeleteFunc(s.spans.GetSpans(), func(span tracetest.SpanStub) bool { return span.SpanContext.TraceID().String() != traceID(n) })
		for _, name := range names {
			if !slices.ContainsFunc(spans, func(span tracetest.SpanStub) bool { return span.Name == name }) {
				return false
			}
		}
		return true
	}, patience, patienceStep, "spans %q", names)
	return spans
}

// above are the names from a span up to the request that it follows from; they end in
// "caller" if no link is missing.
func above(spans tracetest.SpanStubs, name string) (names []string) {
	at := slices.IndexFunc(spans, func(span tracetest.SpanStub) bool { return span.Name == name })
	for at >= 0 {
		names = append(names, spans[at].Name)
		parent := spans[at].Parent.SpanID()
		if parent.String() == callersSpan {
			return append(names, "caller")
		}
		at = slices.IndexFunc(spans, func(span tracetest.SpanStub) bool { return span.SpanContext.SpanID() == parent })
	}
	return names
}

// idOf is the id of the first span of a name.
func idOf(spans tracetest.SpanStubs, name string) string {
	for _, span := range spans {
		if span.Name == name {
			return span.SpanContext.SpanID().String()
		}
	}
	return "no span " + name
}

// requireNobody asserts that no span of the process says anything of these.
func (s *traced) requireNobody(private ...string) {
	s.t.Helper()
	raw, err := json.Marshal(s.spans.GetSpans())
	require.NoError(s.t, err)
	require.True(s.t, strings.Contains(string(raw), "processing check"), "spans can be read")
	for _, text := range append(private, "secret-state", "secret-baggage", s.stack.Token, "127.0.0.1", "http://") {
		require.False(s.t, strings.Contains(string(raw), text), text)
	}
}
