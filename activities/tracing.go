package activities

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"tolem/partners/call"
	"tolem/storage"
)

// numbered gives a call's span the attempt's number in the journal.
func numbered(ctx context.Context, made storage.Call) context.Context {
	return call.WithAttempt(ctx, made.Attempt)
}

// note writes a call's outcome, as the journal has it, into the activity's span: the call's
// own span knows what came over the wire, not yet what it meant. One activity may make
// several calls, so each is an event of its own. It holds codes and stable words, never the
// partner's text.
func note(ctx context.Context, made storage.Call, o storage.Outcome) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	said := []attribute.KeyValue{
		attribute.String("tolem.call", made.Name), attribute.String("tolem.cause", string(made.Cause)), attribute.String("tolem.outcome", o.Kind),
	}
	if made.Attempt != 0 {
		said = append(said, attribute.Int("tolem.attempt", made.Attempt))
	}
	if o.Failure != "" {
		said = append(said, attribute.String("error.type", o.Failure))
	}
	if o.Code != nil {
		said = append(said, attribute.Int64("tolem.result_code", int64(*o.Code)))
	}
	span.AddEvent("outcome", trace.WithAttributes(said...))
}
