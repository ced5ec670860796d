package call_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"tolem/partners/call"
)

// traced makes one call to a partner below a span and returns the call's own span, and the
// header that the partner got.
func traced(t *testing.T, answer http.HandlerFunc, ask func(context.Context, *call.Client) error) (span tracetest.SpanStub, got http.Header) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	client, err := call.New(call.Options{Partner: "abs: ClientURL", URL: server.URL + "/secret-path"})
	require.NoError(t, err)

	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	ctx, parent := provider.Tracer("test").Start(t.Context(), "parent")
	err = ask(ctx, client)
	require.Len(t, spans.GetSpans(), 1, "the call's: %v", err)
	span = spans.GetSpans()[0]
	require.Equal(t, parent.SpanContext().SpanID(), span.Parent.SpanID())
	return span, got
}

// A span says who was asked what, for the how-manieth time and with what outcome; nothing
// of the address, the query, the headers and the bodies, and the partner learns nothing.
func TestSpanOfACall(t *testing.T) {
	span, got := traced(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"fullname":"secret"}`)) },
		func(ctx context.Context, c *call.Client) error {
			_, err := c.Post(call.WithAttempt(ctx, 7), call.Request{Operation: "client", Path: "/secret", Query: url.Values{"iinbin": {"secret"}},
				Body: []byte(`"secret"`), Header: map[string]string{"X-Store": "secret"}, Limit: 1000})
			return err
		})
	require.Equal(t, "abs client", span.Name)
	require.Equal(t, trace.SpanKindClient, span.SpanKind)
	require.Equal(t, map[attribute.Key]string{
		"tolem.partner": "abs", "tolem.operation": "client", "tolem.attempt": "7", "tolem.outcome": "answered",
		"http.request.method": "POST", "http.response.status_code": "200",
	}, said(span))
	require.Equal(t, codes.Unset, span.Status.Code)
	for _, name := range []string{"Traceparent", "Tracestate", "Baggage"} {
		require.Empty(t, got.Values(name))
	}
}

func TestSpanOfAFailure(t *testing.T) {
	span, _ := traced(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret", http.StatusBadGateway) },
		func(ctx context.Context, c *call.Client) error {
			_, err := c.Get(ctx, call.Request{Operation: "client", Query: url.Values{"iinbin": {"secret"}}, Limit: 1000})
			return err
		})
	require.Equal(t, map[attribute.Key]string{
		"tolem.partner": "abs", "tolem.operation": "client", "tolem.outcome": "unknown", "error.type": "status",
		"http.request.method": "GET", "http.response.status_code": "502",
	}, said(span))
	require.Equal(t, codes.Error, span.Status.Code)
	require.Equal(t, "status", span.Status.Description)
}

// said are a span's attributes.
func said(span tracetest.SpanStub) map[attribute.Key]string {
	values := map[attribute.Key]string{}
	for _, a := range span.Attributes {
		values[a.Key] = a.Value.String()
	}
	return values
}
