package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"tolem/api/hosts"
	"tolem/storage"
)

// Keys of Echo's context.
const (
	keyCaller     = "tolem.caller"
	keyParameters = "tolem.parameters"
	keyRequestID  = "tolem.request_id"
	keyProcess    = "tolem.process"
)

// saneRequestID is what an incoming X-Request-Id may be: it goes into our log.
var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// identify gives every request an id, the caller's if it is sane, and answers
// with it.
func identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !saneRequestID.MatchString(id) {
			id = uuid.NewString()
		}
		c.Set(keyRequestID, id)
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		return next(c)
	}
}

func requestID(c echo.Context) string {
	id, _ := c.Get(keyRequestID).(string)
	return id
}

// observe answers errors and writes one log line, the metrics and the span of a request.
// Paths appear as route templates; queries, bodies and headers do not appear.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began, span := time.Now(), s.beginSpan(c)
		err := next(c)
		brokeOff := err != nil && c.Response().Committed
		if err != nil {
			s.writeProblem(err, c)
		}
		taken := time.Since(began)
		status, method, route := c.Response().Status, knownMethod(c.Request().Method), routeOf(c)
		s.metrics.request(route, method, status, taken)

		who, _ := c.Get(keyCaller).(caller)
		line := []any{
			"method", method, "route", route, "status", status, "duration", taken,
			"request_id", requestID(c), "caller", who.name,
		}
		if brokeOff {
			line = append(line, "answer", "broke off")
		}
		if process := processOf(c); process != "" {
			line = append(line, "process", process)
		}
		if err != nil {
			p := problemOf(err)
			line = append(line, "problem", p.code)
			if p.cause != nil {
				line = append(line, "error", p.cause)
			}
		}
		slog.Log(c.Request().Context(), levelOf(route, status), "request", line...)
		endSpan(c, span, err)
		if brokeOff {
			panic(http.ErrAbortHandler) // net/http cuts the connection: nobody takes half an answer for a whole one
		}
		return nil
	}
}

func levelOf(route string, status int) slog.Level {
	switch {
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	case isProbe(route):
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// isProbe says whether programs ask this every few seconds, for ever.
func isProbe(route string) bool {
	return route == "/livez" || route == "/readyz" || route == "/metrics"
}

// routeOf is the route's template, or "unmatched".
func routeOf(c echo.Context) string {
	if c.Path() == "" {
		return "unmatched"
	}
	return template(c.Path())
}

// template writes Echo's /a/:b as OpenAPI's /a/{b}.
func template(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if name, ok := strings.CutPrefix(segment, ":"); ok {
			segments[i] = "{" + name + "}"
		}
	}
	return strings.Join(segments, "/")
}

// knownMethod keeps invented methods from making metrics without end.
func knownMethod(method string) string {
	known := []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace,
	}
	if slices.Contains(known, method) {
		return method
	}
	return "other"
}

// rescue turns a panic into an error. The panic's text may quote data, so only
// runtime errors keep theirs; the stack holds addresses.
func rescue(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch v := recover().(type) {
			case nil:
			case runtime.Error:
				err = fmt.Errorf("panic: %w\n%s", v, debug.Stack())
			default:
				if v == http.ErrAbortHandler { //nolint:errorlint // a sentinel that is panicked as it is
					panic(v) // net/http's own way to cut a connection
				}
				err = fmt.Errorf("panic with a %T\n%s", v, debug.Stack())
			}
		}()
		return next(c)
	}
}

// secure sets the headers that keep browsers from guessing, framing and keeping.
func secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		return next(c)
	}
}

// storable refuses a path or a query with text that not every ledger could look up, on every
// route: PostgreSQL takes neither NUL nor what is not UTF-8, and SQLite takes both.
func storable(next echo.HandlerFunc) echo.HandlerFunc {
	const rule = "must be UTF-8 without NUL"
	return func(c echo.Context) error {
		for _, name := range c.ParamNames() {
			if !storage.Storable(pathParameter(c, name)) {
				return badParameter(name, ruleText, rule)
			}
		}
		if !storage.Storable(c.Request().URL.Path) { // of no route
			return badParameter("path", ruleText, rule)
		}
		given, _ := url.ParseQuery(c.Request().URL.RawQuery) // what it cannot read is onlyParameters' business
		for name, values := range given {
			for _, text := range append(values, name) {
				if !storage.Storable(text) {
					return badParameter(safeName(name), ruleText, rule)
				}
			}
		}
		return next(c)
	}
}

// underOwnName refuses requests that came by another server's name, which is how those of a
// page whose name resolves to our address are recognised; see package hosts.
func (s *Server) underOwnName(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !s.hosts.Answers(c.Request()) {
			return &problem{code: unknownHost, detail: hosts.Refusal + ", or add the name to API_HOSTS"}
		}
		return next(c)
	}
}

// authorise lets callers with one of the roles through.
func (s *Server) authorise(needed []role, next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		challenge := `Bearer realm="tolem"`
		headers := c.Request().Header.Values(echo.HeaderAuthorization)
		scheme, secret, _ := strings.Cut(strings.Join(headers, ","), " ")
		if len(headers) != 1 || !strings.EqualFold(scheme, "Bearer") || secret == "" {
			c.Response().Header().Set(echo.HeaderWWWAuthenticate, challenge)
			return &problem{code: unauthorized, detail: "send one header Authorization: Bearer <token>"}
		}
		who, ok := s.tokens().find(strings.TrimSpace(secret))
		if !ok {
			c.Response().Header().Set(echo.HeaderWWWAuthenticate, challenge+`, error="invalid_token"`)
			return &problem{code: unauthorized, detail: "nobody is known by this token"}
		}
		c.Set(keyCaller, who)
		if !who.has(needed...) {
			names := make([]string, len(needed))
			for i, r := range needed {
				names[i] = string(r)
			}
			return &problem{code: forbidden, detail: "this needs the role " + strings.Join(names, " or ")}
		}
		return next(c)
	}
}

// callerOf is the caller that authorise let through.
func callerOf(c echo.Context) caller {
	who, _ := c.Get(keyCaller).(caller)
	return who
}

// onlyParameters refuses query parameters that the route does not take, and
// repeated ones but state.
func onlyParameters(allowed []string, next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		given, err := url.ParseQuery(c.Request().URL.RawQuery)
		if err != nil {
			return &problem{code: invalidParameter, detail: "the query is not name=value&…, percent-encoded"}
		}
		var wrong []fieldError
		for name, values := range given {
			switch {
			case !slices.Contains(allowed, name):
				wrong = append(wrong, fieldError{safeName(name), ruleUnknown, "is not a parameter of this route"})
			case len(values) > 1 && name != "state":
				wrong = append(wrong, fieldError{name, ruleDuplicate, "must stand once"})
			}
		}
		if len(wrong) > 0 {
			slices.SortFunc(wrong, func(a, b fieldError) int { return strings.Compare(a.Field, b.Field) })
			return &problem{code: invalidParameter, detail: wrong[0].Field + " " + wrong[0].Message, fields: wrong}
		}
		c.Set(keyParameters, given)
		return next(c)
	}
}

// parameters are the query's, all known to the route.
func parameters(c echo.Context) url.Values {
	given, _ := c.Get(keyParameters).(url.Values)
	return given
}

// pathParameter is a segment of the path, unescaped once: Echo hands over raw
// segments when the path has escapes that Go's own form would not have, and
// decoded ones otherwise.
func pathParameter(c echo.Context, name string) string {
	value := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return value
	}
	decoded, err := url.PathUnescape(value)
	if err != nil {
		return value // names nothing then
	}
	return decoded
}

// identifier is a name that can be repeated in an answer: not a number, which
// may be an account.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)

// safeName is a name from outside as it may stand in a problem.
func safeName(name string) string {
	if identifier.MatchString(name) {
		return name
	}
	return "(not a name)"
}

// writeJSON encodes first, so that a value that cannot be written is an error
// and not half an answer.
func writeJSON(c echo.Context, status int, mediaType string, value any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return c.Blob(status, mediaType, body.Bytes())
}
