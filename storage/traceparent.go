package storage

import (
	"context"

	"gorm.io/gorm"
)

type traceparentKey struct{}

// WithTraceparent has the events that are stored under ctx keep this W3C traceparent, which
// their messages carry at each repetition. It names a trace and a span, and nobody.
func WithTraceparent(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return context.WithValue(ctx, traceparentKey{}, traceparent)
}

// traceparent is that of a transaction's context; "" where nobody traces.
func traceparent(tx *gorm.DB) string {
	text, _ := tx.Statement.Context.Value(traceparentKey{}).(string)
	return text
}
