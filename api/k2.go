package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/partners/k2"
	"tolem/partners/loxon"
	"tolem/storage"
	"tolem/workflows"
)

// maxK2Status bounds the body of a status, in bytes; the document's has two fields.
const maxK2Status = 16 << 10

// takeLoans answers POST /restapi/services/k2loan_from_eko, in K2's own shape: error_code 0
// means that the ledger holds the whole batch, any other that nothing of it was stored. The
// same body again on the same day changes nothing.
func (s *Server) takeLoans(c echo.Context) error {
	sum := sha256.New()
	body := io.TeeReader(http.MaxBytesReader(c.Response(), c.Request().Body, k2.MaxBatch), sum)
	now, rules := time.Now().In(s.location), s.k2Rules
	rules.Now = now
	loans, err := k2.DecodeLoans(body, rules)
	if err != nil {
		return s.refuseK2(c, err)
	}
	batch := storage.LoanBatch{Caller: callerOf(c).name, Day: now.Format(time.DateOnly), Digest: hex.EncodeToString(sum.Sum(nil)), At: now, Encode: s.encode}
	for _, l := range loans {
		batch.Loans = append(batch.Loans, storage.Loan{
			Contract: l.DBZ, LoanNumber: l.ContractNumber, IBAN: l.IBAN, Currency: l.Currency, FullName: l.FullName, IINBIN: l.IINBIN,
			System: l.System, ContractDate: l.DBZDate, Debt: l.Debt, OverdueDays: l.OverdueDays,
		})
	}
	ctx := c.Request().Context()
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchAcceptLimit)
	defer cancel()
	taken, err := s.ledger.TakeLoans(within, batch)
	var notCarried *storage.UnencodableError
	if errors.As(err, &notCarried) {
		err = k2Unpublishable(notCarried.Loan, notCarried)
	}
	if err != nil {
		return s.refuseK2(c, err)
	}
	concerns(c, taken.Batch.WorkflowID())
	slog.InfoContext(ctx, "loans taken in", "process", taken.Batch.WorkflowID(), "begun", taken.Begun, "updated", taken.Updated, "contradicted", taken.Contradicted)
	s.metrics.batch(batchOfLoans, map[string]int{
		rowAccepted: taken.Begun, rowUpdated: taken.Updated, rowReplayed: len(loans) - taken.Begun - taken.Updated,
	})
	s.patiently(ctx, func(ctx context.Context) {
		if err := workflows.StartLoanIntake(ctx, s.temporal, taken.Batch); err != nil {
			slog.WarnContext(ctx, "loans are taken in and not started; the sweep starts them", "process", taken.Batch.WorkflowID(), "error", err)
		}
	})
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, k2.OK())
}

// takeStatus answers POST /restapi/services/k2req_status_from_eko as takeLoans does.
func (s *Server) takeStatus(c echo.Context) error {
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, maxK2Status))
	if err != nil {
		return s.refuseK2(c, err)
	}
	status, err := k2.DecodeStatus(body)
	if err != nil {
		return s.refuseK2(c, err)
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), acceptLimit)
	defer cancel()
	order, err := s.ledger.PaymentOrderByReference(within, status.Reference)
	if err != nil {
		return s.refuseK2(c, err)
	}
	concerns(c, order.Contract.WorkflowID())
	now, word := time.Now(), statusOfCode(status.Code)
	_, order, _, err = s.ledger.ReportStatus(eventsTrace(within), storage.ReportedStatus{
		Contract: order.Contract, Reference: status.Reference, Caller: callerOf(c).name, Key: storage.StatusCodeKey(status.Code, status.Reference),
		RequestSHA256: string(status.Code), Status: word, EventAt: now, At: now, Encode: s.encode,
	})
	if err != nil {
		var notCarried *storage.UnencodableError
		if errors.As(err, &notCarried) {
			err = k2Unpublishable(-1, notCarried)
		}
		if errors.Is(err, storage.ErrStatusRefused) {
			err = &k2.Refusal{Code: k2.CodeNotPossible, Problems: []k2.Problem{{Index: -1, Field: "status_code",
				Rule: "leads back: the payment order is " + string(order.Reached)}}}
		}
		return s.refuseK2(c, err)
	}
	s.wakeContract(c.Request().Context(), order.Contract, domain.CauseNews)
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, k2.OK())
}

// k2Names are the names of a message's fields where the card file calls them otherwise.
var k2Names = map[string]string{"contract_number": "dbz_contract_number", "amount": "debt"}

// k2Unpublishable refuses what Loxon could never be told of. index is that of the loan, or -1.
func k2Unpublishable(index int, err *storage.UnencodableError) error {
	p := k2.Problem{Index: index, Rule: "Loxon could not be told of it"}
	var field *loxon.FieldError
	if errors.As(err, &field) {
		p.Field, p.Rule = cmp.Or(k2Names[field.Field], field.Field), field.Wrong+": Loxon could not be told of it"
	}
	return &k2.Refusal{Code: k2.CodeInvalid, Problems: []k2.Problem{p}}
}

// statusOfCode is the status of a code that was decoded, and so is known.
func statusOfCode(code domain.BankStatusCode) domain.PaymentOrderStatus {
	status, _ := code.Status()
	return status
}

// refuseK2 answers in K2's own shape that nothing was stored.
func (s *Server) refuseK2(c echo.Context, err error) error {
	var refusal *k2.Refusal
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &refusal):
		return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, refusal.Answer())
	case errors.As(err, &tooLarge):
		return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, k2.Answer{ErrorCode: k2.CodeMalformed, ErrorText: "the body is too large"})
	case errors.Is(err, storage.ErrNotFound):
		return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON,
			k2.Answer{ErrorCode: k2.CodeUnknown, ErrorText: "reference is that of no payment order"})
	}
	if refused := storage.Refused(err); refused != nil { // the same again is refused again
		slog.ErrorContext(c.Request().Context(), "a call of the card file stored nothing", "request", requestID(c), "error", refused)
		return writeJSON(c, http.StatusInternalServerError, echo.MIMEApplicationJSON,
			k2.Answer{ErrorCode: k2.CodeInternal, ErrorText: "nothing was stored; our log has the cause under " + requestID(c)})
	}
	slog.ErrorContext(c.Request().Context(), "a call of the card file stored nothing", "request", requestID(c), "error", err)
	return writeJSON(c, http.StatusServiceUnavailable, echo.MIMEApplicationJSON,
		k2.Answer{ErrorCode: k2.CodeUnavailable, ErrorText: "nothing was stored; send the same again later"})
}

// wakeContract has a contract's process read the ledger, without waiting: the sweep wakes
// one that was not told.
func (s *Server) wakeContract(ctx context.Context, contract domain.ContractNumber, cause domain.Cause) {
	s.starts.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startLimit)
		defer cancel()
		if err := workflows.WakeContract(ctx, s.temporal, s.collectionTerms.Input(contract), cause); err != nil {
			slog.WarnContext(ctx, "the ledger has news and the process was not told; the sweep tells it", "process", contract.WorkflowID(), "error", err)
		}
	})
}
