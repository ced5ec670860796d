package temporalserver

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// stopping is true from the first moment of Stop: from then on services meet
// closed connections of their neighbours, and their complaints mean nothing.
type stopping struct{ atomic.Bool }

// serverLog gives the server's warnings and errors to slog and drops the rest.
type serverLog struct {
	log      *slog.Logger
	stopping *stopping
}

var _ log.Logger = (*serverLog)(nil)
var _ log.WithLogger = (*serverLog)(nil)

// fatalError is what the server said before it gave up.
type fatalError string

func (f fatalError) Error() string { return string(f) }

func (l *serverLog) Debug(string, ...tag.Tag) {}
func (l *serverLog) Info(string, ...tag.Tag)  {}

func (l *serverLog) Warn(msg string, tags ...tag.Tag)  { l.write(slog.LevelWarn, msg, tags) }
func (l *serverLog) Error(msg string, tags ...tag.Tag) { l.write(slog.LevelError, msg, tags) }

// DPanic marks what must not happen; like the server's own logger outside of
// development it logs and goes on.
func (l *serverLog) DPanic(msg string, tags ...tag.Tag) { l.write(slog.LevelError, msg, tags) }

func (l *serverLog) Panic(msg string, tags ...tag.Tag) {
	l.write(slog.LevelError, msg, tags)
	panic(msg)
}

// Fatal panics: its callers do not expect it to return. An error while the
// server is being built becomes Start's error, a later one ends the process,
// which is right, because a server in an unknown state must not go on. During
// Stop only the caller ends: a service stopped before it began to serve says
// that it cannot.
func (l *serverLog) Fatal(msg string, tags ...tag.Tag) {
	if l.stopping.Load() {
		runtime.Goexit()
	}
	var b strings.Builder
	b.WriteString(msg)
	for _, t := range tags {
		fmt.Fprintf(&b, ", %s: %v", t.Key(), t.Value())
	}
	panic(fatalError(b.String()))
}

func (l *serverLog) With(tags ...tag.Tag) log.Logger {
	return &serverLog{log: slog.New(l.log.Handler().WithAttrs(attrs(tags))), stopping: l.stopping}
}

func (l *serverLog) write(level slog.Level, msg string, tags []tag.Tag) {
	if l.stopping.Load() || unimportant(msg, tags) {
		return
	}
	l.log.LogAttrs(context.Background(), level, "temporal server: "+msg, attrs(tags)...)
}

// unimportant are complaints that mean nothing here: a caller that went away
// while it was being served (every worker that stops does), and the lack of the
// HTTP API, which is off because a page in any browser could reach it; and the web UI's
// habit of asking for a whole history at once.
func unimportant(msg string, tags []tag.Tag) bool {
	for _, t := range tags {
		if t.Key() == "error" && strings.Contains(fmt.Sprint(t.Value()), context.Canceled.Error()) {
			return true
		}
	}
	return strings.HasPrefix(msg, "HTTP API port has not been set") ||
		strings.HasPrefix(msg, "GetHistory page size is larger than threshold")
}

func attrs(tags []tag.Tag) []slog.Attr {
	a := make([]slog.Attr, len(tags))
	for i, t := range tags {
		a[i] = slog.Any(t.Key(), t.Value())
	}
	return a
}
