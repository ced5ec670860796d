package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"tolem/partners/loxon"
	"tolem/storage"
)

// traceHeaders reads the caller's traceparent.
var traceHeaders = propagation.TraceContext{}

// beginSpan opens the request's span below that of the caller, if it sent one, and puts it
// into the request's context. The span names method and route template and nothing else of
// the request: otelecho, the usual middleware, also writes down the path and the caller's
// address. The caller's tracestate is dropped: it is free text, and would go on into
// Temporal's histories.
func (s *Server) beginSpan(c echo.Context) trace.Span {
	r, route := c.Request(), routeOf(c)
	if s.tracer == nil || isProbe(route) {
		return trace.SpanFromContext(context.Background()) // one that does nothing
	}
	ctx := r.Context()
	if caller := trace.SpanContextFromContext(traceHeaders.Extract(ctx, propagation.HeaderCarrier(r.Header))); caller.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, caller.WithTraceState(trace.TraceState{}))
	}
	method := knownMethod(r.Method)
	ctx, span := s.tracer.Start(ctx, method+" "+route, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route)))
	c.SetRequest(r.WithContext(ctx))
	return span
}

// endSpan says how the request was answered: status, problem and process.
func endSpan(c echo.Context, span trace.Span, err error) {
	if !span.IsRecording() {
		return
	}
	status := c.Response().Status
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	if process := processOf(c); process != "" {
		span.SetAttributes(attribute.String("tolem.process", process))
	}
	if err != nil {
		span.SetAttributes(attribute.String("error.type", string(problemOf(err).code)))
	}
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// eventsTrace has what is stored under ctx and told to Loxon name the request's trace.
func eventsTrace(ctx context.Context) context.Context {
	return storage.WithTraceparent(ctx, loxon.Traceparent(ctx))
}

// concerns notes the process that a request is about, for its log line and its span.
func concerns(c echo.Context, process string) { c.Set(keyProcess, process) }

// processOf is the process that the request turned out to be about; "" for none.
func processOf(c echo.Context) string {
	process, _ := c.Get(keyProcess).(string)
	return process
}
