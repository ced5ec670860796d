package loxon

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"tolem/domain"
	"tolem/partners/call"
)

// opSend is the name of sending, which the document does not name.
const opSend = "send"

// traceHeader is W3C Trace Context's.
const traceHeader = "traceparent"

// Traceparent is the span of ctx as W3C Trace Context writes it, for events that it brings;
// "" without one.
func Traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceHeader]
}

// beginSpan opens the span of one attempt to send below the activity that makes it, and links
// it to where the event came from: that may be another request than the one which started the
// process, and is what the message names.
func (p *Producer) beginSpan(ctx context.Context, m Message) call.Span {
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", p.topic))}
	if m.Traceparent != "" {
		from := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceHeader: m.Traceparent})
		options = append(options, trace.WithLinks(trace.LinkFromContext(from)))
	}
	return call.Begin(ctx, Partner, opSend, options...)
}

// endSpan says where the message is, or why it may not be there.
func endSpan(span call.Span, r Receipt, err error) {
	var f *Failure
	switch {
	case err == nil:
		span.SetAttributes(attribute.Int("messaging.kafka.destination.partition", r.Partition), attribute.Int64("messaging.kafka.message.offset", r.Offset))
		span.Answered()
	case errors.As(err, &f) && f.Final:
		span.Failed(string(domain.Invalid), f.Reason)
	case errors.As(err, &f):
		span.Failed(string(domain.Unknown), f.Reason)
	default:
		span.Failed(string(domain.Unknown), "unclassified")
	}
}
