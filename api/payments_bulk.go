package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"tolem/domain"
	"tolem/storage"
)

// Limits of a bulk order, each with its reason.
const (
	bulkMost       = 10_000          // payments of one order; as many as one batch brings
	bulkConcurrent = 64              // orders under way; each waits for one attempt at most
	bulkLimit      = 4 * time.Minute // until the last order begins; what is left then is done by sending it again
)

// bulkRequest is the body of POST /v1/payments/actions.
type bulkRequest struct {
	Filter bulkFilter    `json:"filter"`
	Action domain.Action `json:"action"`
	Reason string        `json:"reason"`
	DryRun bool          `json:"dryRun"`
}

// bulkFilter says which open payments; those that are given must all hold.
type bulkFilter struct {
	States        []domain.State `json:"state"`
	Code          *domain.Code   `json:"code"`
	Service       string         `json:"service"`
	Age           string         `json:"age"` // accepted at least so long ago
	NeedsOperator *bool          `json:"needs_operator"`

	age time.Duration
}

// bulkAnswer counts what became of the matched payments: matched is done and
// refused and failed together.
type bulkAnswer struct {
	Action  domain.Action `json:"action"`
	DryRun  bool          `json:"dryRun"`
	Matched int           `json:"matched"`
	Done    int           `json:"done"` // of a dry run: would be
	Refused int           `json:"refused"`
	Failed  int           `json:"failed"` // unknown; the same request with the same key finishes them
	Reasons []bulkReason  `json:"reasons"`
}

// bulkReason is why some were refused or failed.
type bulkReason struct {
	Reason string `json:"reason"` // a problem's code
	Number int    `json:"number"`
}

// actOnMany answers POST /v1/payments/actions: one order for each open payment
// that the filter matches. The orders are committed together before the first is
// carried out; the same request with the same Idempotency-Key finishes one that
// broke off, for the payments that matched at first.
func (s *Server) actOnMany(c echo.Context) error {
	key, body, err := keyAndBody(c)
	if err != nil {
		return err
	}
	request, wrong := decodeBulk(body)
	if err := wrong.problem(); err != nil {
		return err
	}
	filter := request.Filter.payments(time.Now())
	if request.DryRun {
		return s.dryRun(c, request, filter)
	}
	extend := http.NewResponseController(c.Response())
	// The last order may begin at the end of bulkLimit. A server that cannot extend keeps its own limit.
	_ = extend.SetWriteDeadline(time.Now().Add(bulkLimit + s.actionLimit + writeMargin))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), bulkLimit)
	defer cancel()
	orders, err := s.ledger.PlaceBulk(ctx, filter, storage.Action{
		Action: request.Action, Caller: callerOf(c).name, IdempotencyKey: key, RequestSHA256: request.digest(),
		Reason: request.Reason, RequestedAt: storage.At(time.Now()),
	}, s.bulkMost)
	if err != nil {
		return s.fromBulk(err)
	}
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, s.carryOutAll(ctx, request.Action, orders))
}

// carryOutAll carries out the orders that have no effect yet, and counts them all.
func (s *Server) carryOutAll(ctx context.Context, action domain.Action, orders []storage.Action) bulkAnswer {
	count := bulkCount{bulkAnswer: bulkAnswer{Action: action, Matched: len(orders)}, reasons: map[string]int{}}
	var group errgroup.Group
	group.SetLimit(bulkConcurrent)
	for _, o := range orders {
		if o.Effect != "" {
			count.add(nil)
			continue
		}
		group.Go(func() error {
			if ctx.Err() != nil {
				count.add(ctx.Err())
				return nil
			}
			count.add(s.carryOut(ctx, o))
			return nil
		})
	}
	_ = group.Wait() // they report to count
	return count.answer()
}

// dryRun says what an order would do now, and does nothing.
func (s *Server) dryRun(c echo.Context, request bulkRequest, filter storage.PaymentFilter) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), acceptLimit)
	defer cancel()
	payments, err := s.ledger.Matching(ctx, filter, s.bulkMost)
	if err != nil {
		return s.fromBulk(err)
	}
	count := bulkCount{bulkAnswer: bulkAnswer{Action: request.Action, DryRun: true, Matched: len(payments)}, reasons: map[string]int{}}
	for _, p := range payments {
		if why := p.Standing().Refuses(request.Action, ""); why != "" {
			count.add(refusal(why, p.State, false))
			continue
		}
		count.add(nil)
	}
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, count.answer())
}

// fromBulk reads an error of the ledger about the payments that matched.
func (s *Server) fromBulk(err error) error {
	if errors.Is(err, storage.ErrTooMany) {
		return &problem{code: tooManyMatched, detail: fmt.Sprintf("one order takes at most %d payments and nothing was done; narrow the filter", s.bulkMost)}
	}
	return fromLedger(err)
}

// bulkCount counts from many goroutines.
type bulkCount struct {
	bulkAnswer
	mu      sync.Mutex
	reasons map[string]int
}

func (b *bulkCount) add(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.Done++
		return
	}
	p := problemOf(err)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && p.code == internalError:
		b.Failed++
		b.reasons["not_reached_in_time"]++
		return
	case problems[p.code].status == http.StatusConflict:
		b.Refused++
	default:
		b.Failed++
	}
	b.reasons[string(p.code)]++
}

func (b *bulkCount) answer() bulkAnswer {
	b.Reasons = []bulkReason{}
	for reason, number := range b.reasons {
		b.Reasons = append(b.Reasons, bulkReason{reason, number})
	}
	slices.SortFunc(b.Reasons, func(x, y bulkReason) int { return strings.Compare(x.Reason, y.Reason) })
	return b.bulkAnswer
}

// payments is the ledger's filter.
func (f bulkFilter) payments(now time.Time) storage.PaymentFilter {
	filter := storage.PaymentFilter{States: f.States, ServiceID: f.Service, ResultCode: f.Code, NeedsOperator: f.NeedsOperator}
	if f.age > 0 {
		filter.CreatedBefore = now.Add(-f.age)
	}
	return filter
}

// digest is what a repeated bulk order is known by.
func (r bulkRequest) digest() string { return digestOf("bulk/1", r) }

// decodeBulk reads the body of POST /v1/payments/actions.
func decodeBulk(body []byte) (r bulkRequest, wrong fieldErrors) {
	var filter json.RawMessage
	wrong = decodeObject(body, map[string]reader{
		"filter": func(raw json.RawMessage) *complaint { filter = raw; return nil },
		"action": func(raw json.RawMessage) *complaint { return bulkAction(raw, &r.Action) },
		"reason": func(raw json.RawMessage) *complaint { return text(raw, maxReason, &r.Reason) },
		"dryRun": func(raw json.RawMessage) *complaint { return yesOrNo(raw, &r.DryRun) },
	})
	if wrong.unreadable() {
		return r, wrong
	}
	if filter != nil {
		r.Filter = decodeBulkFilter(filter, &wrong)
	}
	wrong.require("filter", filter != nil, "is required")
	wrong.require("action", r.Action != "", "is required")
	wrong.require("reason", r.Reason != "", reasonRule)
	return r, wrong
}

func bulkAction(raw json.RawMessage, into *domain.Action) *complaint {
	var action domain.Action
	if err := json.Unmarshal(raw, &action); err != nil {
		return &complaint{ruleType, "must be a string"}
	}
	if !action.Known() || action == domain.ActionResolve {
		return &complaint{ruleFormat, "must be retry, hold, release or cancel; resolve needs evidence for each payment"}
	}
	*into = action
	return nil
}

// decodeBulkFilter reads the filter. At least one condition must be given: an
// order for every open payment is a mistake.
func decodeBulkFilter(raw json.RawMessage, wrong *fieldErrors) (f bulkFilter) {
	inner := decodeObject(raw, map[string]reader{
		"state": func(raw json.RawMessage) *complaint { return openStates(raw, &f.States) },
		"code": func(raw json.RawMessage) *complaint {
			var n int32 // as GET /v1/payments takes it
			if err := json.Unmarshal(raw, &n); err != nil || string(raw) == "null" {
				return &complaint{ruleType, "must be an integer"}
			}
			code := domain.Code(n)
			f.Code = &code
			return nil
		},
		"service": func(raw json.RawMessage) *complaint { return text(raw, maxServiceID, &f.Service) },
		"age": func(raw json.RawMessage) *complaint {
			if c := text(raw, 32, &f.Age); c != nil {
				return c
			}
			var err error
			if f.age, err = duration(f.Age); err != nil {
				return &complaint{ruleFormat, "must be a duration above 0 such as 15m, 1h30m, 7d or PT15M"}
			}
			return nil
		},
		"needs_operator": func(raw json.RawMessage) *complaint {
			f.NeedsOperator = new(bool)
			return yesOrNo(raw, f.NeedsOperator)
		},
	})
	for _, e := range inner {
		wrong.add(strings.TrimSuffix("filter."+e.Field, "."), e.Code, e.Message)
	}
	if len(inner) == 0 && f.States == nil && f.Code == nil && f.Service == "" && f.age == 0 && f.NeedsOperator == nil {
		wrong.add("filter", ruleRequired, "must have at least one of state, code, service, age, needs_operator")
	}
	return f
}

// openStates reads one open state or a list of them.
func openStates(raw json.RawMessage, into *[]domain.State) *complaint {
	bad := &complaint{ruleFormat, fmt.Sprintf("must be one or a list of %v", domain.OpenStates())}
	var found []domain.State
	var one domain.State
	switch {
	case json.Unmarshal(raw, &one) == nil && string(raw) != "null":
		found = []domain.State{one}
	case json.Unmarshal(raw, &found) != nil || len(found) == 0:
		return bad
	}
	for _, state := range found {
		if !slices.Contains(domain.OpenStates(), state) {
			return bad
		}
	}
	*into = found
	return nil
}
