package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/storage"
	"tolem/workflows"
)

// Limits of a batch's work, each with its reason; together they stay below the
// time the server has to answer.
const (
	batchReadLimit   = 40 * time.Second // of the whole request: 16 MiB at 410 KiB/s
	batchCheckLimit  = 10 * time.Second // of the catalogue's patterns, which are foreign code: plain ones take 10 µs a row
	batchAcceptLimit = 30 * time.Second // of the commit: ten thousand rows take 1 to 3 s
	// maxRowErrors bounds the answer: ten thousand rows can break a rule with each
	// byte.
	maxRowErrors = 20
)

// The statuses of a row.
const (
	rowAccepted = "accepted" // by this request
	rowReplayed = "replayed" // by an earlier one with this key
	rowRefused  = "refused"  // nothing was stored; the row may be mended and sent again in its place
)

// batchItem is what became of a row.
type batchItem struct {
	Index  int                       `json:"index"`
	Status string                    `json:"status"`
	ID     domain.AgentTransactionID `json:"id,omitempty"`
	State  domain.State              `json:"state,omitempty"`
	Code   problemCode               `json:"code,omitempty"` // why it was refused
	Errors []fieldError              `json:"errors,omitempty"`
}

// batchCounts add up to Rows.
type batchCounts struct {
	Rows     int `json:"rows"`
	Accepted int `json:"accepted"`
	Replayed int `json:"replayed"`
	Refused  int `json:"refused"`
}

// batchView is the answer to POST /v1/payments/batch.
type batchView struct {
	BatchID domain.BatchID `json:"batchId"`
	Counts  batchCounts    `json:"counts"`
	Items   []batchItem    `json:"items"`
}

// createBatch answers POST /v1/payments/batch.
//
// 202 means that the rows with the status accepted are in the ledger, all by one
// commit, and will reach their end; 200 that this request added none. Every other
// answer but 5xx means that nothing was stored. Sending the same rows with the same
// Idempotency-Key again is always safe.
func (s *Server) createBatch(c echo.Context) error {
	who := callerOf(c)
	key, err := batchKey(c.Request().Header)
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerIdempotencyKey, key)
	// A connection without deadlines is a test's; the server's own limit then stands.
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(batchReadLimit))
	body, err := readUpTo(c, maxBatchBody, batchReadLimit)
	if err != nil {
		return err
	}
	rows, wrong := decodeBatch(body)
	if err := wrong.problem(); err != nil {
		return err
	}
	items, valid, err := s.checkRows(c.Request().Context(), who, key, rows)
	if err != nil {
		return err
	}
	batch, err := s.acceptRows(c.Request().Context(), who, key, valid, items)
	if err != nil {
		return err
	}
	return s.answerBatch(c, batch, items)
}

// rowCheck holds what the rows of one batch are checked against.
type rowCheck struct {
	held        *heldCatalogue // nil: there is none
	unavailable error          // why
	// before reads, when it is needed first, which rows earlier requests had
	// accepted, by their index.
	before func() (map[int]bool, error)
}

// checkRows reads every row by the rules of POST /v1/payments: items has what is
// wrong with those that break one, valid the others. Without any catalogue the
// whole request fails, unless no row needs it.
func (s *Server) checkRows(ctx context.Context, who caller, key string, rows []json.RawMessage) (items []batchItem, valid []storage.BatchRow, err error) {
	var check rowCheck
	check.held, check.unavailable = s.catalogue.get(ctx)
	check.before = sync.OnceValues(func() (map[int]bool, error) {
		ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
		defer cancel()
		accepted, err := s.ledger.AcceptedRows(ctx, who.name, key)
		if err != nil {
			return nil, fromLedger(err)
		}
		return accepted, nil
	})
	items, began := make([]batchItem, len(rows)), s.catalogue.now()
	for i, raw := range rows {
		if s.catalogue.now().Sub(began) > batchCheckLimit {
			return nil, nil, &problem{code: catalogueUnavailable, detail: "its patterns take too long on so many rows; nothing was stored, send fewer"}
		}
		request, wrong := decodeRow(raw)
		payment := s.newPayment(who, key, request)
		payment.ServiceType = s.catalogue.typeOf(request.ServiceID)
		wrong, err := check.row(i, request, wrong)
		switch {
		case err != nil:
			return nil, nil, err
		case len(wrong) > 0:
			items[i] = batchItem{Index: i, Status: rowRefused, Code: invalidRequest, Errors: wrong[:min(len(wrong), maxRowErrors)]}
		default:
			valid = append(valid, storage.BatchRow{Index: i, Payment: payment})
		}
	}
	return items, valid, nil
}

// row says everything that is wrong with a row. Where an earlier request had one
// accepted, whatever the catalogue says by now, nothing is: the ledger tells a
// repetition from another request.
func (c rowCheck) row(i int, r paymentRequest, wrong fieldErrors) (fieldErrors, error) {
	readable := len(wrong) == 0
	if c.held != nil {
		c.held.check(r, &wrong)
	}
	if !readable || c.held != nil && len(wrong) == 0 {
		return wrong, nil
	}
	before, err := c.before()
	switch {
	case err != nil:
		return nil, err
	case before[i]:
		return nil, nil
	case c.held == nil:
		return nil, c.unavailable
	}
	return wrong, nil
}

// acceptRows commits the valid rows and fills in their items; whoever hangs up
// meanwhile has payments.
func (s *Server) acceptRows(ctx context.Context, who caller, key string, valid []storage.BatchRow, items []batchItem) (domain.BatchID, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchAcceptLimit)
	defer cancel()
	results, batch, err := s.ledger.AcceptBatch(ctx, who.name, key, valid)
	if err != nil {
		return 0, fromLedger(err)
	}
	created := 0
	for n, r := range results {
		item := batchItem{Index: valid[n].Index, Status: rowReplayed, ID: r.ID, State: r.State}
		switch {
		case r.Err != nil:
			item.Status, item.Code = rowRefused, problemOf(r.Err).code
		case r.Created:
			item.Status = rowAccepted
			created++
		}
		items[item.Index] = item
	}
	s.metrics.accepted.Add(float64(created))
	return batch, nil
}

// answerBatch has the batch's payments started, if one is not, and answers with
// what became of each row.
func (s *Server) answerBatch(c echo.Context, batch domain.BatchID, items []batchItem) error {
	counts := batchCounts{Rows: len(items)}
	waiting := false
	for _, item := range items {
		waiting = waiting || item.State == domain.StateAccepted
		switch item.Status {
		case rowAccepted:
			counts.Accepted++
		case rowReplayed:
			counts.Replayed++
		default:
			counts.Refused++
		}
	}
	s.metrics.batch(batchOfPayments, map[string]int{rowAccepted: counts.Accepted, rowReplayed: counts.Replayed, rowRefused: counts.Refused})
	if waiting {
		s.startIntake(c.Request().Context(), batch)
	}
	h, status := c.Response().Header(), http.StatusOK
	h.Set(echo.HeaderLocation, "/v1/payments?batchId="+batch.String())
	if counts.Accepted > 0 {
		status = http.StatusAccepted
		h.Set(echo.HeaderRetryAfter, strconv.Itoa(retrySoon))
	}
	if counts.Replayed == counts.Rows {
		replayed(c)
	}
	return writeJSON(c, status, echo.MIMEApplicationJSON, batchView{BatchID: batch, Counts: counts, Items: items})
}

// startIntake has the batch's payments started. A failure leaves them accepted, and
// the sweep starts them.
func (s *Server) startIntake(ctx context.Context, batch domain.BatchID) {
	s.patiently(ctx, func(ctx context.Context) {
		if err := workflows.StartIntake(ctx, s.temporal, batch); err != nil {
			slog.WarnContext(ctx, "batch is accepted and not started yet; the sweep starts its payments", "process", batch.WorkflowID(), "error", err)
		}
	})
}
