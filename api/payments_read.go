package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/storage"
)

// paymentParameters are those of GET /v1/payments.
var paymentParameters = []string{
	"state", "serviceId", "resultCode", "needs_operator", "held", "paused", "olderThan", "stuck", "createdAfter", "createdBefore", "batchId", "limit", "cursor",
}

// A page's length.
const (
	defaultPage = 50
	maxPage     = 500
)

// page is the answer of every list.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // cursor of the following page; none on the last
}

// getPayment answers GET /v1/payments/{id}, from the ledger.
func (s *Server) getPayment(c echo.Context) error {
	payment, err := s.visiblePayment(c)
	if err != nil {
		return err
	}
	return s.writePayment(c, http.StatusOK, payment)
}

// writePayment answers with a payment.
func (s *Server) writePayment(c echo.Context, status int, p storage.Payment) error {
	view, err := s.wholePayment(c.Request().Context(), p)
	if err != nil {
		return err
	}
	return writeJSON(c, status, echo.MIMEApplicationJSON, view)
}

// visiblePayment reads the payment of the path. One that belongs to somebody
// else does not exist for an agent.
func (s *Server) visiblePayment(c echo.Context) (storage.Payment, error) {
	id, err := domain.ParseAgentTransactionID(pathParameter(c, "id"))
	if err != nil {
		return storage.Payment{}, storage.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), ledgerLimit)
	defer cancel()
	payment, err := s.ledger.Payment(ctx, id)
	if err != nil {
		return storage.Payment{}, fromLedger(err)
	}
	if who := callerOf(c); !who.seesAll() && payment.Caller != who.name {
		return storage.Payment{}, storage.ErrNotFound
	}
	concerns(c, payment.ID.WorkflowID())
	return payment, nil
}

// listPayments answers GET /v1/payments, the newest first. An agent sees its own.
func (s *Server) listPayments(c echo.Context) error {
	filter, err := paymentFilter(parameters(c), time.Now())
	if err != nil {
		return err
	}
	if who := callerOf(c); !who.seesAll() {
		filter.Caller = who.name
	}
	return listed(c, func(ctx context.Context, cursor string, limit int) ([]storage.Payment, string, error) {
		return s.ledger.Payments(ctx, filter, cursor, limit)
	}, summary)
}

// listed answers a list of the ledger with the page that the cursor and the limit of the
// request name.
func listed[R, V any](c echo.Context, read func(ctx context.Context, cursor string, limit int) ([]R, string, error), view func(R) V) error {
	given := parameters(c)
	limit, err := pageLength(given)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), ledgerLimit)
	defer cancel()
	found, next, err := read(ctx, given.Get("cursor"), limit)
	if err != nil {
		return fromLedger(err)
	}
	return writePage(c, found, next, view)
}

// writePage answers with a page; next is "" on the last.
func writePage[R, V any](c echo.Context, rows []R, next string, view func(R) V) error {
	answer := page[V]{Items: make([]V, 0, len(rows)), Next: next}
	for _, r := range rows {
		answer.Items = append(answer.Items, view(r))
	}
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, answer)
}

// paymentFilter reads the list's filters. Those that are given must all hold.
func paymentFilter(given url.Values, now time.Time) (f storage.PaymentFilter, err error) {
	if f.States, err = states(given["state"]); err != nil {
		return f, err
	}
	f.ServiceID = given.Get("serviceId")
	if given.Has("serviceId") && f.ServiceID == "" {
		return f, badParameter("serviceId", ruleRequired, "must not be empty")
	}
	if given.Has("resultCode") {
		n, err := strconv.ParseInt(given.Get("resultCode"), 10, 32)
		if err != nil {
			return f, badParameter("resultCode", ruleFormat, "must be an integer")
		}
		code := domain.Code(n)
		f.ResultCode = &code
	}
	for name, into := range map[string]**bool{"needs_operator": &f.NeedsOperator, "held": &f.Held, "paused": &f.Paused} {
		if *into, err = yesNoParameter(given, name); err != nil {
			return f, err
		}
	}
	if given.Has("batchId") {
		if f.BatchID, err = domain.ParseBatchID(given.Get("batchId")); err != nil {
			return f, badParameter("batchId", ruleFormat, "must be the batchId of an answer, 1 to 18 digits")
		}
	}
	if f.StuckSince, err = ago(given, "stuck", now); err != nil {
		return f, err
	}
	f.CreatedAfter, f.CreatedBefore, err = age(given, now)
	return f, err
}

// yesNoParameter reads true or false; nil when it is not given.
func yesNoParameter(given url.Values, name string) (*bool, error) {
	if !given.Has(name) {
		return nil, nil
	}
	yes := given.Get(name) == "true"
	if !yes && given.Get(name) != "false" {
		return nil, badParameter(name, ruleFormat, "must be true or false")
	}
	return &yes, nil
}

// age reads createdAfter, createdBefore and olderThan; zero when they do not narrow.
func age(given url.Values, now time.Time) (after, before time.Time, err error) {
	if after, err = instant(given, "createdAfter"); err != nil {
		return after, before, err
	}
	if before, err = instant(given, "createdBefore"); err != nil {
		return after, before, err
	}
	limit, err := ago(given, "olderThan", now)
	if err != nil {
		return after, before, err
	}
	if !limit.IsZero() && (before.IsZero() || limit.Before(before)) {
		before = limit
	}
	return after, before, nil
}

// ago is the instant so long before now as a parameter says; zero when it is not given.
func ago(given url.Values, name string, now time.Time) (time.Time, error) {
	if !given.Has(name) {
		return time.Time{}, nil
	}
	age, err := duration(given.Get(name))
	if err != nil {
		return time.Time{}, badParameter(name, ruleFormat, err.Error())
	}
	return now.Add(-age), nil
}

// states reads state=a&state=b and state=a,b.
func states(given []string) (found []domain.State, err error) {
	for _, text := range given {
		for _, name := range strings.Split(text, ",") {
			state := domain.State(name)
			if !state.Known() {
				return nil, badParameter("state", ruleFormat, "must be states of a payment, separated by commas")
			}
			found = append(found, state)
		}
	}
	return found, nil
}

// instant reads a time such as 2026-01-31T15:04:05Z; zero when it is not given.
func instant(given url.Values, name string) (time.Time, error) {
	if !given.Has(name) {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, given.Get(name))
	if err != nil {
		return time.Time{}, badParameter(name, ruleFormat, "must be a time such as 2026-01-31T15:04:05Z; a + in it is written %2B")
	}
	return at, nil
}

var errDuration = errors.New("must be a duration above 0 such as 15m, 1h30m, 7d or PT15M")

// duration reads 90s, 15m, 1h30m, 7d, and the same as ISO 8601's PT90S, PT15M,
// PT1H30M, P7D; anything else, and 0, is errDuration.
func duration(text string) (age time.Duration, err error) {
	if len(text) > 32 {
		return 0, errDuration
	}
	short := strings.ToLower(text)
	if iso, is := strings.CutPrefix(short, "p"); is {
		short = strings.Replace(iso, "t", "", 1)
	}
	days := 0
	if n, rest, has := strings.Cut(short, "d"); has {
		parsed, err := strconv.Atoi(n)
		if err != nil || parsed < 0 || parsed > 36500 {
			return 0, errDuration
		}
		days, short = parsed, rest
	}
	age = time.Duration(days) * 24 * time.Hour
	if short != "" {
		rest, err := time.ParseDuration(short)
		if err != nil || rest < 0 {
			return 0, errDuration
		}
		age += rest
	}
	if age <= 0 {
		return 0, errDuration
	}
	return age, nil
}

// pageLength reads limit.
func pageLength(given url.Values) (int, error) {
	if !given.Has("limit") {
		return defaultPage, nil
	}
	limit, err := strconv.Atoi(given.Get("limit"))
	if err != nil || limit < 1 || limit > maxPage {
		return 0, badParameter("limit", ruleRange, "must be from 1 to "+strconv.Itoa(maxPage))
	}
	return limit, nil
}

// pageAfter reads limit and the cursor of a list that goes by row ids.
func pageAfter(given url.Values) (limit int, after int64, err error) {
	if limit, err = pageLength(given); err != nil {
		return 0, 0, err
	}
	if given.Has("cursor") {
		if after, err = strconv.ParseInt(given.Get("cursor"), 10, 64); err != nil || after < 1 {
			return 0, 0, storage.ErrCursor
		}
	}
	return limit, after, nil
}

// rows is how a list of the rows that belong to something, such as a process, is read and
// shown.
type rows[K, R, V any] struct {
	of   func(echo.Context) (key K, err error) // that the caller may see
	read func(ctx context.Context, of K, after int64, limit int) ([]R, error)
	id   func(R) int64
	view func(R) V
}

// list answers with a page of the rows, in the order of their ids.
func (r rows[K, R, V]) list(c echo.Context) error {
	limit, after, err := pageAfter(parameters(c))
	if err != nil {
		return err
	}
	of, err := r.of(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), ledgerLimit)
	defer cancel()
	found, err := r.read(ctx, of, after, limit+1)
	if err != nil {
		return fromLedger(err)
	}
	next := ""
	if len(found) > limit {
		found = found[:limit]
		next = strconv.FormatInt(r.id(found[limit-1]), 10)
	}
	return writePage(c, found, next, r.view)
}

// paymentProcess is the process of the path's payment, if the caller sees it.
func (s *Server) paymentProcess(c echo.Context) (string, error) {
	payment, err := s.visiblePayment(c)
	return payment.ID.WorkflowID(), err
}

// attempts lists a process's calls.
func (s *Server) attempts(of func(echo.Context) (string, error)) rows[string, storage.Attempt, attemptView] {
	return rows[string, storage.Attempt, attemptView]{of: of, read: s.ledger.Attempts, id: func(a storage.Attempt) int64 { return a.ID }, view: attemptOf}
}
