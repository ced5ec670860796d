package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"time"

	"tolem/domain"
	"tolem/partners/processing"
	"tolem/storage"
)

// paymentView is a payment as the API shows it.
//
// identityCard and fullName are not shown: the caller gave them, nobody needs
// them to follow a payment, and every answer that does not carry them is one
// less place where they leak.
type paymentView struct {
	ID                   domain.AgentTransactionID `json:"id"`
	State                domain.State              `json:"state"`
	NeedsOperator        bool                      `json:"needs_operator"`
	OperatorReason       domain.OperatorReason     `json:"operatorReason,omitempty"`
	ServiceID            string                    `json:"serviceId"`
	Account              string                    `json:"account"`
	AmountTo             *domain.Money             `json:"amountTo,omitempty"`
	AmountFrom           *domain.Money             `json:"amountFrom,omitempty"`
	Extras               map[string]string         `json:"extras,omitempty"`
	AutoPay              bool                      `json:"autoPay"`
	AgentTransactionDate string                    `json:"agentTransactionDate"`
	Asks                 domain.Question           `json:"asks,omitempty"`
	ExpiresAt            *time.Time                `json:"expiresAt,omitempty"` // while the payer may choose
	ResultCode           *domain.Code              `json:"resultCode,omitempty"`
	ResultMessage        string                    `json:"resultMessage,omitempty"`
	TransactionID        string                    `json:"transactionId,omitempty"`
	TransactionDate      string                    `json:"transactionDate,omitempty"`
	StatusDate           string                    `json:"statusDate,omitempty"`
	Attempts             int                       `json:"attempts"`
	NextAttemptAt        *time.Time                `json:"nextAttemptAt,omitempty"`
	Held                 bool                      `json:"held,omitempty"`           // by a person: nothing is sent
	Paused               bool                      `json:"paused,omitempty"`         // the partner is down: attempts wait
	HeldID               bool                      `json:"idHeldByCentre,omitempty"` // since before a pay of ours: nothing is sent by itself
	PaymentCode          *domain.Code              `json:"paymentCode,omitempty"`    // the centre's last word on the payment itself, if that was not its last code
	Proposed             *proposalView             `json:"proposed,omitempty"`
	CreatedAt            time.Time                 `json:"createdAt"`
	UpdatedAt            time.Time                 `json:"updatedAt"`
	Choice               json.RawMessage           `json:"choice,omitempty"` // a processing.Choice, as it was recorded
	checkView
	besideView
}

// proposalView is a first operator's resolve that waits for a second one.
type proposalView struct {
	Outcome domain.State `json:"outcome"`
	Until   time.Time    `json:"until"`
	// EvidenceKind is what it cites beside its free text.
	EvidenceKind domain.EvidenceKind `json:"evidenceKind,omitempty"`
}

// checkView is what check answered for the payer to see or choose from. Its
// names are those of processing.Reply's JSON.
type checkView struct {
	Displays     map[string]string     `json:"displays,omitempty"`
	Contracts    []processing.Contract `json:"contracts,omitempty"`
	Invoice      processing.Invoices   `json:"invoice,omitempty"`
	CurrencyRate string                `json:"currencyRate,omitempty"`
	Rate         *domain.Decimal       `json:"rate,omitempty"`
	FinalAmount  *domain.Decimal       `json:"finalAmount,omitempty"`
	Currency     string                `json:"currency,omitempty"`
}

// summary is a payment without what check answered, which can be a megabyte, and
// without what was chosen of it.
func summary(p storage.Payment) paymentView {
	v := paymentView{
		ID: p.ID, State: p.State, NeedsOperator: p.NeedsOperator,
		ServiceID: p.ServiceID, Account: p.Account, AmountTo: p.AmountTo, AmountFrom: p.AmountFrom, Extras: p.Extras,
		AutoPay: p.AutoPay, AgentTransactionDate: p.AgentTransactionDate, Asks: p.AsksPayer,
		ResultCode: p.ResultCode, ResultMessage: p.ResultMessage,
		HeldID: p.HeldID, Held: p.Held, Paused: p.Paused, TransactionDate: p.TransactionDate, StatusDate: p.StatusDate, Attempts: p.Attempts,
		CreatedAt: p.CreatedAt.Time, UpdatedAt: p.UpdatedAt.Time,
	}
	if p.NeedsOperator {
		v.OperatorReason = p.OperatorReason
	}
	if p.PaymentCode != nil && p.ResultCode != nil && *p.PaymentCode != *p.ResultCode {
		v.PaymentCode = p.PaymentCode
	}
	if p.TransactionID != nil {
		v.TransactionID = strconv.FormatInt(*p.TransactionID, 10)
	}
	if p.Proposed != "" && p.ProposedUntil != nil {
		v.Proposed = &proposalView{p.Proposed, p.ProposedUntil.Time, p.ProposedEvidence}
	}
	if p.NextAttemptAt != nil {
		v.NextAttemptAt = &p.NextAttemptAt.Time
	}
	if p.PayerUntil != nil && asksNow(p) {
		v.ExpiresAt = &p.PayerUntil.Time
	}
	return v
}

// wholePayment is everything the API shows of a payment.
func (s *Server) wholePayment(ctx context.Context, p storage.Payment) (v paymentView, err error) {
	v = whole(p)
	v.besideView, err = s.beside(ctx, flagsOfPayment(p))
	return v, err
}

// whole is everything that a payment's row says.
func whole(p storage.Payment) paymentView {
	v := summary(p)
	v.Choice = json.RawMessage(p.Choice)
	if p.CheckAnswer == "" {
		return v
	}
	if err := json.Unmarshal([]byte(p.CheckAnswer), &v.checkView); err != nil {
		// The payment's state matters more than what was displayed.
		v.checkView = checkView{}
		slog.Error("stored answer to check is unreadable", "process", p.ID.WorkflowID())
	}
	return v
}

// attemptView is one call to the centre as the API shows it.
type attemptView struct {
	Attempt       int          `json:"attempt"`
	Call          string       `json:"call"`
	Cause         domain.Cause `json:"cause"`
	WaitedMs      int64        `json:"waitedMs"` // the scheduled wait before it; 0 for other causes
	StartedAt     time.Time    `json:"startedAt"`
	DurationMs    int64        `json:"durationMs"`
	Outcome       string       `json:"outcome"`
	Failure       string       `json:"failure,omitempty"`
	HTTPStatus    int          `json:"httpStatus,omitempty"`
	ResultCode    *domain.Code `json:"resultCode,omitempty"`
	ResultMessage string       `json:"resultMessage,omitempty"`
	ResultText    string       `json:"resultText,omitempty"` // the code in our words
	BodySHA256    string       `json:"bodySha256"`
	TraceID       string       `json:"traceId,omitempty"` // the partner's own name of the call
	Dropped       string       `json:"dropped,omitempty"` // fields of the answer that could not be read and decide nothing
	Reported      bool         `json:"reported"`          // false: nobody lived to report the outcome
}

func attemptOf(a storage.Attempt) attemptView {
	v := attemptView{
		Attempt: a.Attempt, Call: a.Call, Cause: a.Cause, WaitedMs: a.Waited.Milliseconds(),
		StartedAt: a.At.Time, DurationMs: a.Duration.Milliseconds(),
		Outcome: a.Outcome, Failure: a.Failure, HTTPStatus: a.HTTPStatus,
		ResultCode: a.ResultCode, ResultMessage: a.ResultMessage, BodySHA256: a.BodySHA256, TraceID: a.TraceID, Dropped: a.Dropped, Reported: a.Reported,
	}
	if a.ResultCode != nil {
		v.ResultText = a.ResultCode.Text()
	}
	return v
}
