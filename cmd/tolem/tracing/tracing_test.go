package tracing_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"tolem/cmd/tolem/tracing"
)

// Without an address, or where the environment says so, there is no provider, so that nobody
// makes a span.
func TestNothingIsTracedUnlessAsked(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for _, env := range []map[string]string{
		{}, {"OTEL_SERVICE_NAME": "x"},
		{endpoint: "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
		{endpoint: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
	} {
		traced, err := tracing.Start(t.Context(), func(name string) string { return env[name] })
		require.NoError(t, err)
		require.Nil(t, traced.Provider)
		traced.Stop()
	}
	for name, value := range map[string]string{"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"} {
		env := map[string]string{endpoint: "http://127.0.0.1:1", name: value}
		_, err := tracing.Start(t.Context(), func(name string) string { return env[name] })
		require.ErrorIs(t, err, tracing.ErrSetting)
		require.ErrorContains(t, err, name)
	}
}

// A span reaches the collector that the environment names, under the service's name, before
// Stop returns; one that the environment's sampler leaves out does not.
func TestSpansReachTheCollector(t *testing.T) {
	for sampler, want := range map[string]int{"": 1, "always_off": 0} {
		t.Run("sampler "+sampler, func(t *testing.T) {
			requests := make(chan *collector.ExportTraceServiceRequest, 10)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				got := &collector.ExportTraceServiceRequest{}
				if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, got) != nil {
					w.WriteHeader(http.StatusBadRequest)
					return
				}
				requests <- got
			}))
			defer server.Close()
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
			t.Setenv("OTEL_SERVICE_NAME", "tolem-test")
			t.Setenv("OTEL_TRACES_SAMPLER", sampler)

			traced, err := tracing.Start(t.Context(), os.Getenv)
			require.NoError(t, err)
			_, span := traced.Provider.Tracer("test").Start(t.Context(), "one")
			span.End()
			traced.Stop()
			require.Len(t, requests, want)
			if want == 0 {
				return
			}
			spans := (<-requests).GetResourceSpans()
			require.Len(t, spans, 1)
			require.Equal(t, "one", spans[0].GetScopeSpans()[0].GetSpans()[0].GetName())
			service := ""
			for _, a := range spans[0].GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					service = a.GetValue().GetStringValue()
				}
			}
			require.Equal(t, "tolem-test", service)
		})
	}
}
