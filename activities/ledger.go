package activities

import (
	"context"
	"log/slog"

	"tolem/domain"
	"tolem/storage"
)

// Ledger writes what the workflow itself decides.
type Ledger struct{ Ledger *storage.Ledger }

// EndInput asks for a terminal state. What it says is believed only as far as the ledger
// bears it out: see storage.Ledger.End.
type EndInput struct {
	PaymentID  domain.AgentTransactionID `json:"paymentId"`
	Step       int                       `json:"step"`
	State      domain.State              `json:"state"`
	UnlessPaid bool                      `json:"unlessPaid"` // the workflow goes on if a pay was sent
	// UnlessChosen: the workflow goes on if a choice of the payer is recorded.
	UnlessChosen bool  `json:"unlessChosen,omitempty"`
	OrderID      int64 `json:"orderId,omitempty"` // of the action that asks for it
	// What decided, for an answer that its own attempt could not record.
	Code            *domain.Code `json:"code,omitempty"`
	TransactionID   int64        `json:"transactionId,omitempty"`
	TransactionDate string       `json:"transactionDate,omitempty"`
	StatusDate      string       `json:"statusDate,omitempty"`
}

// EndResult is where the payment stands after an order to end it, followed or
// not.
type EndResult struct {
	State    domain.State `json:"state"`
	Step     int          `json:"step"`
	Attempts int          `json:"attempts"`
	Waits    int          `json:"waits"`
	PaySent  bool         `json:"paySent,omitempty"`
	Code     *domain.Code `json:"code,omitempty"`
	// Barred says why the end was not written although the payment is open: the ledger has
	// no evidence for it.
	Barred domain.Barred `json:"barred,omitempty"`
	Standing
}

// EndPayment writes a terminal state if the payment is still open and the ledger holds the
// evidence for it. Idempotent on the payment and step; it fails only when the ledger does,
// and for good when there is no such payment.
func (l *Ledger) EndPayment(ctx context.Context, in EndInput) (EndResult, error) {
	if err := checkStep(in.Step); err != nil {
		return EndResult{}, err
	}
	now, barred, err := l.Ledger.End(ctx, storage.Ending{
		PaymentID: in.PaymentID, Step: in.Step, State: in.State, OrderID: in.OrderID, Execution: execution(ctx),
		Code: in.Code, TransactionID: in.TransactionID, TransactionDate: in.TransactionDate, StatusDate: in.StatusDate,
	})
	if err != nil {
		return EndResult{}, final(err)
	}
	if barred != "" {
		slog.ErrorContext(ctx, "end of a payment without evidence", "process", in.PaymentID.WorkflowID(), "state", in.State, "barred", barred)
	}
	return EndResult{State: now.State, Step: now.Step, Attempts: now.Attempts, Waits: now.Waits,
		PaySent: now.PaySentAt != nil, Code: now.ResultCode, Barred: barred, Standing: standingOf(now)}, nil
}

// FlagInput orders the needs_operator flag.
type FlagInput struct {
	PaymentID domain.AgentTransactionID `json:"paymentId"`
	Reason    domain.OperatorReason     `json:"reason"`
}

// FlagResult is empty.
type FlagResult struct{}

// FlagPayment raises needs_operator on an open payment and journals why. It may run
// twice; it fails only when the ledger does.
func (l *Ledger) FlagPayment(ctx context.Context, in FlagInput) (FlagResult, error) {
	if err := checkReason(in.Reason); err != nil {
		return FlagResult{}, err
	}
	return FlagResult{}, final(l.Ledger.Flag(ctx, in.PaymentID, in.Reason, execution(ctx)))
}
