package call

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// The attributes of an attempt's span, beside OpenTelemetry's own of HTTP.
const (
	keyPartner   = attribute.Key("tolem.partner")
	keyOperation = attribute.Key("tolem.operation") // the partner's name of the call
	keyAttempt   = attribute.Key("tolem.attempt")   // the journal's number; absent where it gives none
	keyOutcome   = attribute.Key("tolem.outcome")   // answered, or a failure's kind
	keyReason    = attribute.Key("error.type")      // of a failure
	keyMethod    = attribute.Key("http.request.method")
	keyStatus    = attribute.Key("http.response.status_code")
)

// outcomeAnswered is the outcome of an attempt that an answer came to; what it says is
// the caller's to read.
const outcomeAnswered = "answered"

// outcomeNotKept is the outcome of an answer that we could not store.
const outcomeNotKept = "not_kept"

type attemptKey struct{}

// WithAttempt numbers the attempt that the next call makes, for its span.
func WithAttempt(ctx context.Context, number int) context.Context {
	if number == 0 || !trace.SpanFromContext(ctx).IsRecording() {
		return ctx
	}
	return context.WithValue(ctx, attemptKey{}, number)
}

// Span is the span of one attempt: partner, operation, number and outcome, and never an
// address, a query, a header or a body. Nothing of it is sent to the partner.
type Span struct{ trace.Span }

// Begin opens the span of one attempt below the one in ctx, with that one's provider.
// Where nobody traces, it records nothing. End it.
func Begin(ctx context.Context, partner, operation string, o ...trace.SpanStartOption) Span {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return Span{trace.SpanFromContext(context.Background())} // one that does nothing
	}
	_, span := parent.TracerProvider().Tracer("tolem/partners").Start(ctx, partner+" "+operation, o...)
	span.SetAttributes(keyPartner.String(partner), keyOperation.String(operation))
	if number, ok := ctx.Value(attemptKey{}).(int); ok {
		span.SetAttributes(keyAttempt.Int(number))
	}
	return Span{span}
}

// Answered ends the span of an attempt that was answered.
func (s Span) Answered() { s.end(outcomeAnswered) }

// Failed ends the span of one that was not: its kind, and the stable word for the reason.
func (s Span) Failed(kind, reason string) {
	s.SetStatus(codes.Error, reason)
	s.SetAttributes(keyReason.String(reason))
	s.end(kind)
}

func (s Span) end(outcome string) {
	s.SetAttributes(keyOutcome.String(outcome))
	s.End()
}

// ended closes the span of an HTTP call.
func (s Span) ended(a Answer, err error) {
	if !s.IsRecording() {
		return
	}
	if a.Status != 0 {
		s.SetAttributes(keyStatus.Int(a.Status))
	}
	var f *Failure
	switch {
	case err == nil:
		s.Answered()
	case errors.As(err, &f):
		s.Failed(string(f.Kind), f.Reason)
	default:
		s.Failed(outcomeNotKept, outcomeNotKept)
	}
}
