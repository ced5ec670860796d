// Package logging makes the one log of a process: what we write, and what Temporal's SDK
// writes, as lines of one shape.
package logging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/activity"
)

// The forms of a line, as LOG_FORMAT names them.
const (
	JSON = "json" // one object a line, for machines
	Text = "text" // key=value, for people
)

// Keys that lines of every origin share.
const (
	keyProcess = "process" // the workflow's id
	keyTrace   = "trace_id"
	keySpan    = "span_id"
)

// ErrSetting is wrapped by every error of New.
var ErrSetting = errors.New("configuration")

// Settings say how a process logs.
type Settings struct {
	Format string // LOG_FORMAT: JSON or Text
	Level  string // LOG_LEVEL: debug, info, warn or error; less grave lines are left out
}

// Read takes the settings from the environment; otherwise holds where it says nothing.
func Read(lookup func(string) string, otherwise Settings) Settings {
	s := otherwise
	if v := lookup("LOG_FORMAT"); v != "" {
		s.Format = v
	}
	if v := lookup("LOG_LEVEL"); v != "" {
		s.Level = v
	}
	return s
}

// New makes a logger. Each of its lines carries trace_id and span_id where its context has
// a span, and process, the workflow's id, where the line does not name it and its context
// is an activity's. Errors name the variable.
func New(out io.Writer, s Settings) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.Level)); err != nil {
		return nil, fmt.Errorf("%w: LOG_LEVEL: want debug, info, warn or error", ErrSetting)
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: oneName}
	switch s.Format {
	case JSON:
		return slog.New(handler{slog.NewJSONHandler(out, options)}), nil
	case Text:
		return slog.New(handler{slog.NewTextHandler(out, options)}), nil
	}
	return nil, fmt.Errorf("%w: LOG_FORMAT: want %s or %s", ErrSetting, JSON, Text)
}

// oneName gives what Temporal's SDK knows by names of its own those of our lines, so that
// one search finds all that was said of a process.
func oneName(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case "WorkflowID":
		a.Key = keyProcess
	case "TraceID":
		a.Key = keyTrace
	case "SpanID":
		a.Key = keySpan
	}
	return a
}

// handler adds what a line's context knows.
type handler struct{ slog.Handler }

// Handle adds the span and the process.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String(keyTrace, span.TraceID().String()), slog.String(keySpan, span.SpanID().String()))
	}
	if activity.IsActivity(ctx) && !names(r, keyProcess) {
		r.AddAttrs(slog.String(keyProcess, activity.GetInfo(ctx).WorkflowExecution.ID))
	}
	return h.Handler.Handle(ctx, r)
}

func names(r slog.Record, key string) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == key
		return !found
	})
	return found
}

// WithAttrs keeps the handler around what is made of it.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the handler around what is made of it.
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
