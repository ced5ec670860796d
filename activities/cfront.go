package activities

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"tolem/domain"
	"tolem/partners/cfront"
	"tolem/storage"
)

// CFRONT calls the bank of trade instalments for orders of the ledger.
type CFRONT struct {
	Ledger *storage.Ledger
	Bank   *cfront.Client
	// Words is what this bank's sub-states mean where it differs from the document.
	Words domain.BankWords
	// PaidByState says that check/paid is about the client's repayment, not about the
	// pay-out to the store: then a confirmed order is paid out.
	PaidByState bool
	Metrics     *Metrics
}

// validationEvery is how often the bank may be asked for the client of one phone:
// it sends an SMS to a client whom it does not know.
const validationEvery = time.Minute

// The calls, as the journal names them.
const (
	callValidate = "validate"
	callCreate   = "create"
	callState    = "state"
	callPaid     = "check_paid"
	callLetter   = "letter_data"
	callReturn   = "return"
	callData     = "order_data"
)

// OrderCallInput orders one call to the bank for an order.
type OrderCallInput struct {
	OrderID  domain.StoreOrderID `json:"orderId"`
	Step     int                 `json:"step"`               // the workflow's; counted up with every order
	Cause    domain.Cause        `json:"cause"`              // why now
	Waited   time.Duration       `json:"waited,omitempty"`   // the scheduled wait before; 0 for other causes
	Waits    int                 `json:"waits,omitempty"`    // scheduled waits of the growing ladder, with the coming one
	NextWait time.Duration       `json:"nextWait,omitempty"` // the wait that follows unless this ends it
	Decision domain.Decision     `json:"decision,omitempty"` // of DecideAtBank
}

// OrderCallResult is where the ledger has the order after a call, made or not.
type OrderCallResult struct {
	OrderStanding
	// Behind is set when the ledger had seen this step, or what it is for, before:
	// nobody was called.
	Behind  bool   `json:"behind,omitempty"`
	Failure string `json:"failure,omitempty"` // the client's stable word; "" when the bank answered
	// RetryAfter is how long the bank asks to wait; it lengthens the next wait.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
}

// OrderStanding is what a workflow knows of its order: nothing personal.
type OrderStanding struct {
	State          domain.OrderState     `json:"state"`
	FailReason     string                `json:"failReason,omitempty"`
	Step           int                   `json:"step"`
	Attempts       int                   `json:"attempts,omitempty"`
	Waits          int                   `json:"waits,omitempty"`
	Held           bool                  `json:"held,omitempty"`
	Reason         domain.OperatorReason `json:"reason,omitempty"`
	Decision       domain.Decision       `json:"decision,omitempty"`
	Bank           domain.BankState      `json:"bank,omitzero"`
	Meaning        domain.BankMeaning    `json:"meaning,omitempty"`
	Contract       bool                  `json:"contract,omitempty"`  // its number is known
	Validated      bool                  `json:"validated,omitempty"` // the bank knows the client
	CreateSentAt   *time.Time            `json:"createSentAt,omitempty"`
	DecisionSentAt *time.Time            `json:"decisionSentAt,omitempty"`
	ActiveAt       *time.Time            `json:"activeAt,omitempty"`
}

func orderStandingOf(o storage.InstalmentOrder) OrderStanding {
	s := OrderStanding{
		State: o.State, FailReason: o.FailReason, Step: o.Step, Attempts: o.Attempts, Waits: o.Waits, Held: o.Held, Decision: o.Decision,
		Bank: o.Bank, Meaning: o.BankMeaning, Contract: o.ContractNumber != "", Validated: o.ClientFound != nil,
		CreateSentAt: instant(o.CreateSentAt), DecisionSentAt: instant(o.DecisionSentAt), ActiveAt: instant(o.ActiveAt),
	}
	if o.NeedsOperator {
		s.Reason = o.OperatorReason
	}
	return s
}

// ReadOrder says where the ledger has an order; it calls nobody.
func (c *CFRONT) ReadOrder(ctx context.Context, in OrderCallInput) (OrderCallResult, error) {
	return c.standing(ctx, in.OrderID, "")
}

// AskClient asks the bank whether it knows the client, once for an order and once a
// minute for a phone, because an unknown client gets an SMS each time: "клиенту
// придет смс с приглашением зарегистрироваться". An order whose client the bank does
// not know fails. No answer is never asked again: create asks anyway.
//
// Idempotent on the order. It fails only when the ledger does.
func (c *CFRONT) AskClient(ctx context.Context, in OrderCallInput) (OrderCallResult, error) {
	o, behind, err := c.order(ctx, in)
	if err != nil || behind {
		return behindOrder(o), err
	}
	if may, _, err := c.Ledger.MayValidate(ctx, o.ClientPhone, time.Now(), validationEvery); err != nil || !may {
		return behindOrder(o), err
	}
	body, err := cfront.PhoneBody(o.ClientPhone)
	if err != nil {
		return OrderCallResult{}, err
	}
	made, err := c.begin(ctx, in, callValidate, body, domain.OrderAccepted, domain.OrderAccepted)
	if err != nil {
		return OrderCallResult{}, err
	}
	if !made.OK || !made.First {
		return c.standing(ctx, in.OrderID, "")
	}
	client, callErr := c.Bank.Validate(numbered(ctx, made.call), o.ClientPhone)
	after := storage.OrderAfter{}
	if callErr == nil {
		after.ClientFound = &client.Found
		if !client.Found {
			after.State, after.FailReason = domain.OrderFailed, domain.FailClientNotFound
		}
	}
	return c.record(ctx, in, made, answered(callErr, client.Meta, ""), after)
}

// CreateAtBank sends the order to the bank, the same bytes every time: the bank
// keeps one order for a store_order_id, so repeating is safe.
//
// A refusal ends the order only where every create so far was refused for certain, which
// the ledger decides from the journal: then the bank certainly has none. 401, 403 and 404
// end nothing: a person has to fix secret, agreement or address. It fails only when the
// ledger does.
func (c *CFRONT) CreateAtBank(ctx context.Context, in OrderCallInput) (OrderCallResult, error) {
	o, behind, err := c.order(ctx, in)
	if err != nil || behind || o.BankOrderID != "" {
		return behindOrder(o), err
	}
	made, err := c.begin(ctx, in, callCreate, o.CreateBody, domain.OrderCreating, domain.OrderAccepted, domain.OrderCreating)
	if err != nil {
		return OrderCallResult{}, err
	}
	if !made.OK {
		return c.behind(ctx, in.OrderID)
	}
	created, callErr := c.Bank.Create(numbered(ctx, made.call), o.CreateBody)
	after := storage.OrderAfter{}
	var rejection *cfront.Rejection
	switch {
	case callErr == nil:
		after.State, after.BankOrderID = domain.OrderWaitingForClient, created.OrderID
	case errors.As(callErr, &rejection): // unless it ends the order
		after.OperatorReason = domain.ReasonRejected
	}
	return c.record(ctx, in, made, answered(callErr, created.Meta, ""), after)
}

// DecideAtBank sends the store's decision, confirm or reject, in the same bytes
// every time. Only the bank's state concludes anything: of an answer without one
// nothing is known, and the state is asked before the decision is sent again.
//
// It fails only when the ledger does.
func (c *CFRONT) DecideAtBank(ctx context.Context, in OrderCallInput) (OrderCallResult, error) {
	o, behind, err := c.order(ctx, in)
	if err != nil || behind || o.Decision != in.Decision || o.BankOrderID == "" {
		return behindOrder(o), err
	}
	body, err := cfront.OrderBody(o.BankOrderID)
	if err != nil {
		return OrderCallResult{}, err
	}
	deciding := in.Decision.Deciding()
	from := []domain.OrderState{domain.OrderWaitingForStore, deciding}
	if in.Decision == domain.DecisionReject {
		from = append(from, domain.OrderWaitingForClient)
	}
	made, err := c.begin(ctx, in, string(in.Decision), body, deciding, from...)
	if err != nil {
		return OrderCallResult{}, err
	}
	if !made.OK {
		return c.behind(ctx, in.OrderID)
	}
	send := c.Bank.Confirm
	if in.Decision == domain.DecisionReject {
		send = c.Bank.Reject
	}
	told, callErr := send(numbered(ctx, made.call), body)
	after := storage.OrderAfter{}
	if callErr == nil {
		after = c.means(o, told)
	}
	var rejection *cfront.Rejection
	if errors.As(callErr, &rejection) && aboutUs(rejection) {
		after.OperatorReason = domain.ReasonRejected
	}
	return c.record(ctx, in, made, answered(callErr, told.Meta, stateWords(told)), after)
}

// AskState asks the bank for the order's state and takes the order where that
// leads: never out of an end, never from a settled state back. It may be asked at any
// time ("он всегда отдает текущий статус заявки") and fails only when the ledger does.
func (c *CFRONT) AskState(ctx context.Context, in OrderCallInput) (OrderCallResult, error) {
	o, behind, err := c.order(ctx, in)
	if err != nil || behind || o.BankOrderID == "" {
		return behindOrder(o), err
	}
	made, err := c.read(ctx, in, callState, o)
	if err != nil {
		return OrderCallResult{}, err
	}
	told, callErr := c.Bank.State(numbered(ctx, made.call), o.BankOrderID)
	after := storage.OrderAfter{}
	var rejection *cfront.Rejection
	switch {
	case callErr == nil:
		after = c.means(o, told)
	case errors.As(callErr, &rejection): // also an order that the bank says it does not know
		after.OperatorReason = domain.ReasonRejected
	}
	return c.record(ctx, in, made, answered(callErr, told.Meta, stateWords(told)), after)
}

// AskPayout asks whether the bank has paid the store ("информации о состоянии выплаты
// и возможности оформления возврата"), and ends the order when it has. It fails only
// when the ledger does.
func (c *CFRONT) AskPayout(ctx context.Context, in OrderCallInput) (OrderCallResult, error) {
	o, behind, err := c.order(ctx, in)
	if err != nil || behind || o.State != domain.OrderActive || c.PaidByState {
		return behindOrder(o), err
	}
	made, err := c.read(ctx, in, callPaid, o)
	if err != nil {
		return OrderCallResult{}, err
	}
	paid, callErr := c.Bank.CheckPaid(numbered(ctx, made.call), o.BankOrderID)
	after, word := storage.OrderAfter{}, ""
	if callErr == nil {
		after.ToCard, word = &paid.CanReturnToCard, domain.WordNotPaid
		if paid.FullyPaid {
			after.State, word = domain.OrderPaidOut, domain.WordPaid
		}
	}
	return c.record(ctx, in, made, answered(callErr, paid.Meta, word), after)
}

// AskContract fetches number and date of the credit contract from the letter's data;
// the letter itself is not kept. It fails only when the ledger does.
func (c *CFRONT) AskContract(ctx context.Context, in OrderCallInput) (OrderCallResult, error) {
	o, behind, err := c.order(ctx, in)
	if err != nil || behind || o.ContractNumber != "" {
		return behindOrder(o), err
	}
	made, err := c.read(ctx, in, callLetter, o)
	if err != nil {
		return OrderCallResult{}, err
	}
	letter, callErr := c.Bank.LetterData(numbered(ctx, made.call), cfront.LetterRequest{OrderID: o.BankOrderID})
	after := storage.OrderAfter{}
	if callErr == nil {
		after.ContractNumber, after.ContractDate = letter.Contract()
	}
	return c.record(ctx, in, made, answered(callErr, letter.Meta, ""), after)
}

// means is where a state at the bank takes an order.
func (c *CFRONT) means(o storage.InstalmentOrder, told cfront.Standing) storage.OrderAfter {
	state := domain.BankState{State: told.State, SubState: told.SubState}
	meaning := c.Words.Means(state)
	if o.BankMeaning.Backwards(meaning) {
		slog.Warn("the bank told an older state of a settled order; it is not taken back", "process", o.ID.WorkflowID(), "told", state.String(), "known", o.Bank.String())
		return storage.OrderAfter{Bank: &storage.BankStanding{BankState: o.Bank, Meaning: o.BankMeaning, Message: o.BankMessage}}
	}
	after := storage.OrderAfter{Bank: &storage.BankStanding{BankState: state, Meaning: meaning, Message: told.Message}}
	switch {
	case meaning == domain.BankUnknown:
		after.OperatorReason = domain.ReasonUnknownBankState
	case meaning == domain.BankFailed:
		after.State, after.FailReason = domain.OrderFailed, told.SubState
	case meaning == domain.BankReturned: // before the pay-out was known: the sale is undone
		after.State, after.FailReason = domain.OrderFailed, told.SubState
	case meaning == domain.BankDone, meaning == domain.BankActive && c.PaidByState:
		after.State = domain.OrderPaidOut
	case meaning == domain.BankActive && o.State != domain.OrderActive:
		after.State = domain.OrderActive
	case meaning == domain.BankReady && o.State == domain.OrderWaitingForClient:
		after.State = domain.OrderWaitingForStore
	}
	return after
}

// aboutUs says that a rejected decision speaks of secret, address or agreement rather
// than of the order.
func aboutUs(r *cfront.Rejection) bool { return r.Unauthorized || r.NotFound || r.Status == 409 }

func stateWords(told cfront.Standing) string {
	return domain.BankState{State: told.State, SubState: told.SubState}.String()
}
