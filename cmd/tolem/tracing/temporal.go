package tracing

import (
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
)

// propagator carries no baggage and no tracestate of others: what callers put there would
// stay in Temporal's histories.
var propagator = propagation.TraceContext{}

// Temporal is an interceptor of a client and of the workers that use it. A start, an update
// or a signal carries its trace in a Temporal header, and so do the activities that follow;
// histories stay valid with and without it, because headers decide nothing.
//
// Spans are short: of a call to Temporal, of an activity's scheduling and of its run. What a
// workflow itself does has none, see shortSpans.
func Temporal(provider trace.TracerProvider) (interceptor.Interceptor, error) {
	options := opentelemetry.TracerOptions{
		TextMapPropagator: propagator, DisableBaggage: true,
		DisableQueryTracing:     true, // nobody but Temporal's UI asks
		AllowInvalidParentSpans: true, // a header that cannot be read must not stop a payment
	}
	options.Tracer = noop.NewTracerProvider().Tracer("")
	silent, err := opentelemetry.NewTracer(options)
	if err != nil {
		return nil, err
	}
	options.Tracer = provider.Tracer("go.temporal.io/sdk")
	speaking, err := opentelemetry.NewTracer(options)
	if err != nil {
		return nil, err
	}
	return interceptor.NewTracingInterceptor(shortSpans{speaking, silent}), nil
}

// shortSpans leaves out the spans of what a worker replays: a workflow's run and an update's
// handler. The SDK would open them anew at each replay, under a new id, and hold that of a run
// until the workflow ends, which for a payment may be weeks; what follows in between would
// hang below a span that nobody has seen. So the activities of a run hang below the call that
// started it, and those of an update's handler below the call that sent it
// (go.temporal.io/sdk v1.50.0, interceptor.tracingWorkflowInboundInterceptor).
type shortSpans struct {
	interceptor.Tracer
	silent interceptor.Tracer // its spans hand on their parent
}

// StartSpan starts a span, or hands on its parent where a replay would start it again. A
// schedule is given no trace: it would hand it to every run for ever, and each run is a trace
// of its own.
func (t shortSpans) StartSpan(o *interceptor.TracerStartSpanOptions) (interceptor.TracerSpan, error) {
	switch o.Operation {
	case "RunWorkflow", "HandleUpdate":
		return t.silent.StartSpan(o)
	case "CreateSchedule":
		o.Parent = nil
		return t.silent.StartSpan(o)
	}
	return t.Tracer.StartSpan(o)
}

// GetLogger names a trace that there is.
func (t shortSpans) GetLogger(logger log.Logger, ref interceptor.TracerSpanRef) log.Logger {
	if span, ok := ref.(trace.Span); ok && !span.SpanContext().IsValid() {
		return logger
	}
	return t.Tracer.GetLogger(logger, ref)
}
